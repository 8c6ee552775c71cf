//! What every room needs so that a stranger cannot hurt it: secrets that do not print themselves, comparison in constant time,
//! signatures, limits of bounded memory, the inspection of input, requests held to the document of an API, the response headers
//! of the house, and addresses shortened before anybody writes them down.
//!
//! It exists so that these few things are decided once and tested once. It never logs a value, opens no
//! connection of its own and knows no provider: who is limited by which key, and what a refusal says, is for its callers.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod secret;

mod compare;

pub mod signature;

pub mod access_token;

pub mod private_file;

pub mod sealed;

mod limiter;

mod fleet_limiter;

mod limit_key;

pub mod inspection;

pub mod openapi;

pub mod addresses;
pub mod cookies;
pub mod headers;

pub use compare::{Digest, constant_time_eq};
pub use fleet_limiter::{DecidedBy, FleetLimiter, Policy, Ruling, Scope, WhenAway};
pub use limit_key::LimitKey;
pub use limiter::{Decision, InvalidQuota, Quota, RateLimiter};
pub use sallyport_redis::{Algorithm, Redis};
pub use secret::Secret;
