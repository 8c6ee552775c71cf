//! Webhooks that we send: a checked destination, a client that only calls addresses of the public internet, and a signature.
//!
//! It exists because here a stranger chooses whom we call. Whoever may enter a URL could otherwise have this machine ask its own
//! neighbours: databases, administrators' doors, a cloud's metadata. So a URL is read in one spelling only ([`Destination`]), every
//! address is judged after its name was looked up and is the one that is connected to ([`Client`]), nothing is followed (no
//! redirect, no proxy of the environment), and what is sent is signed as Standard Webhooks asks ([`Event`]).
//!
//! It knows no queue, no person and no table: what is sent when, and what becomes of a failure, is for the workers. A URL often
//! holds a secret, so no URL leaves this crate: not in an error, not in a span, not in a log line; a host may.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod settings;

mod address;
mod destination;
mod names;

mod client;
mod error;
mod wire;

pub use address::{Forbidden, Reach, special_purpose};
pub use client::{Client, Delivered, SetupError};
pub use destination::{Destination, InvalidDestination, URL_BYTES_MAX};
pub use error::{Again, Fault, SendError};
pub use settings::Settings;
pub use wire::{BODY_BYTES_MAX, Event, SigningKey, UnfitKey};
