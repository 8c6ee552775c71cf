//! The workers: whatever was accepted is handled here, and whatever is to be said leaves from here.
//!
//! It exists to join what knows nothing of each other: the queue that remembers, the apps that decide, the providers
//! that carry words. It composes channels (a provider's wire format ↔ the kit's words), the handlers for what is heard,
//! for tasks and for what is said, the services that apps see, and the pool that runs all of it.
//!
//! It refuses to know any bot or command by name, and what a message means beyond its kind: that is the apps' and the
//! kit's. It opens no connection but through the pools and clients it is handed, and reads no environment.

pub mod pool;

pub mod bots;
pub mod channels;
pub mod persons;

pub mod answers;
pub mod buttons;
pub mod conversation;
pub mod delivery;
pub mod house;
pub mod services;
pub mod webhooks;

mod calendar;
mod housekeeping;
#[cfg(feature = "fail-points")]
mod poison;
mod poller;
pub mod reception;

pub mod api;
pub mod desk;
mod schema;
pub mod story;

mod events;
mod settings;
mod start;

pub use reception::BotNote;
pub use settings::{BotSettings, DEFAULT_TENANT, Receive, Settings};
pub use start::{Parts, StartError, Workers, WorkersHandle};

#[cfg(test)]
mod tests;
