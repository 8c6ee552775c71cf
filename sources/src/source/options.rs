//! What some providers leave to whoever receives: how old a signature may be, how a header is called, by which name they come.

use std::time::Duration;

use http::HeaderName;
use serde::Deserialize;
use validator::{Validate, ValidationError};

use crate::window::FIVE_MINUTES;
use crate::{hmac, stripe};

/// How old a signature may be, where the provider leaves that open.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct Freshness {
    /// Seconds before and after now.
    #[serde(default = "five_minutes")]
    #[validate(range(min = 1, max = 86_400, message = "must be 1–86400 s"))]
    pub window_seconds: u64,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            window_seconds: five_minutes(),
        }
    }
}

impl Freshness {
    pub(super) fn window(&self) -> Duration {
        Duration::from_secs(self.window_seconds)
    }
}

/// What those who sign as Stripe does do differently.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct StripeOptions {
    /// The header that holds time and signatures.
    #[serde(default = "stripes_header", deserialize_with = "hmac::header")]
    pub header: HeaderName,
    /// Seconds before and after now.
    #[serde(default = "five_minutes")]
    #[validate(range(min = 1, max = 86_400, message = "must be 1–86400 s"))]
    pub window_seconds: u64,
}

impl Default for StripeOptions {
    fn default() -> Self {
        Self {
            header: stripes_header(),
            window_seconds: five_minutes(),
        }
    }
}

/// How Alertmanager proves itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerOptions {
    /// With this name, and the secret as password (`basic_auth`). Without it the secret is a bearer token (`authorization`).
    #[validate(custom(function = "is_a_username"))]
    pub username: Option<String>,
}

fn five_minutes() -> u64 {
    FIVE_MINUTES.as_secs()
}

fn stripes_header() -> HeaderName {
    stripe::SIGNATURE_HEADER
}

/// What `basic_auth` could not tell from the password is no name.
fn is_a_username(name: &str) -> Result<(), ValidationError> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    let message = "must be 1–64 visible characters of ASCII without ':'";
    Err(ValidationError::new("username").with_message(message.into()))
}
