//! The tests of what judges the house under faults: the checker, the times and the TCP proxy of `tests/faults`.
//!
//! They stand apart because the fault rows are a program of their own, without the test harness.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "in a test a panic is the report"
)]

#[path = "../faults/checker.rs"]
mod checker;
#[path = "../faults/latency.rs"]
mod latency;
#[path = "../faults/proxy.rs"]
mod proxy;

mod judging;
mod partitions;
