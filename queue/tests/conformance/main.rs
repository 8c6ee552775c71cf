//! The conformance suite of the stored queue: what every store that calls itself one must do, against a real Postgres.
//! Tests cite the laws of the design by number.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a story that cannot go on has failed"
)]

mod accept;
mod behind;
mod blame;
mod calendar;
mod claim;
mod control;
mod days;
mod dead;
mod desk;
mod effects;
mod ground;
mod house;
mod lanes;
mod ledger;
mod live;
mod look;
mod replay;
mod room;
mod schedules;
mod settle;
mod spooling;
mod take_over;
mod unique;
mod wake;
