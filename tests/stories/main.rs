//! Stories across the whole house: a real server process, a real Postgres, and the playground's stand-ins for the world outside.
//!
//! A story judges by what a client was answered and what a stand-in received, never by our own tables alone.
#![expect(
    clippy::disallowed_methods,
    reason = "stories are told by the environment where their Postgres is, and spawn what they then wait for"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a story a panic is the report"
)]

mod bad_input;
mod chat;
mod command_line;
mod fleet;
mod flood;
mod house;
mod kills;
mod order;
mod peers;
mod recovery;
mod reload;
mod restarts;
mod shared_limits;
mod spool;
mod traces;
mod updates;
