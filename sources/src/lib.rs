//! One file per provider that sends to us: is it really them, which delivery is this, where does it stand in line,
//! and may it wait.
//!
//! It exists so that the edge, which answers webhooks, and the poller, which fetches the same updates, agree on identity and
//! order. It reads no more of a body than that takes: what a delivery *means* is for the workers, and a shape that
//! nobody here has seen yet is still a delivery. It opens no connection and keeps nothing.
//!
//! Start at [`Source`], which names the providers and builds each; [`Provider`] is how all of them are driven.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod provider;
mod source;

mod delivery;
mod refusal;

pub mod alertmanager;
pub mod discord;
pub mod github;
pub mod hmac;
pub mod pagerduty;
pub mod slack;
pub mod standard_webhooks;
pub mod stripe;
pub mod telegram;

mod encoding;
mod fields;
mod head;
mod keys;
mod signing;
mod strict;
mod window;

#[cfg(test)]
mod testing;

pub use delivery::{Arrival, Delivery, Reply, Urgency};
pub use keys::UnfitKey;
pub use provider::{Head, Provider};
pub use refusal::{ReadError, Refusal};
pub use signing::CannotSign;
pub use source::{AlertmanagerOptions, Freshness, InvalidHook, Source, StripeOptions};

/// Start of the data of buttons that stop something, alone or followed by `:` and what to stop. They overtake their chat (law L10).
pub const STOP_BUTTON: &str = "stop";
