//! Backups, restores and drills against real servers of the tests' own, because these servers are stopped, broken and flipped.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod backups;
mod damage;
mod drills;
mod moments;
mod schedule;
mod server;
mod streams;
