//! The playground's doors over real sockets: what a bot, a person at the control door, a model's client and a browser meet.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail, and its tasks end with its runtime"
)]

mod bot_api;
mod control_door;
mod model;
mod page;
mod stage;
mod webhook;
