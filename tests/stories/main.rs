//! Stories across the whole house: a real server process, a real Postgres, and the playground's stand-ins for the world outside.
//!
//! A story judges by what a client was answered and what a stand-in received, never by our own tables alone.
#![expect(
    clippy::disallowed_methods,
    reason = "stories read the test environment and wait in small ticks"
)]

mod bad_input;
mod chat;
mod command_line;
mod house;
mod kills;
mod order;
mod peers;
mod traces;
mod updates;
