//! Redis: what makes the house fast and live, and what it does without.
//!
//! It exists so that nobody else has to think about Redis being away: every call has a deadline, a circuit makes a dead
//! server cost nothing, and every answer may be "away", for which the caller has a way of its own. Nothing that must not
//! be lost is kept here (design §1): limits forget, wake-ups have a sweep behind them, and the live bus is
//! published from Postgres. It knows no message, bot or limit by name. Commands are those of Redis 7.0.

pub mod live;

mod channel;
mod circuit;
mod client;
mod error;
mod events;
mod limits;
mod link;
mod presence;
mod settings;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
mod watch;

pub use channel::Listener;
pub use client::Redis;
pub use error::RedisError;
pub use limits::{Algorithm, LimitAsk, LimitState, Taken};
pub use settings::{RedisUrl, Settings};
pub use watch::Kin;
