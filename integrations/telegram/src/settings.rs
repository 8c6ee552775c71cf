//! How the Bot API is reached.
//!
//! The base URL is a setting because the same client talks to Telegram, to somebody's own Bot API server and to the
//! playground's stand-in. Tokens are not here: each bot has its own.

use serde::Deserialize;
use url::Url;
use validator::Validate;

/// Where Telegram itself answers.
const BASE_URL: &str = "https://api.telegram.org";
/// A connection that takes longer than this is not going to be a good one.
const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// Telegram answers a send in well under a second; ten tell a slow moment from a dead one.
const REQUEST_TIMEOUT_MS: u64 = 10_000;
/// How long a long poll may stay open. Telegram holds it up to 50 s; shorter notices a dead connection sooner.
const POLL_TIMEOUT_SECONDS: u32 = 25;

/// Where the Bot API is, and how long we wait for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Scheme, host and port; `/bot<token>/METHOD` is appended.
    pub base_url: Url,
    /// Deadline for a connection, in milliseconds.
    #[validate(range(min = 100, max = 60_000, message = "must be 100–60000"))]
    pub connect_timeout_ms: u64,
    /// Deadline for one call and its answer, in milliseconds.
    #[validate(range(min = 500, max = 120_000, message = "must be 500–120000"))]
    pub request_timeout_ms: u64,
    /// How long one long poll stays open, in seconds.
    #[validate(range(min = 1, max = 50, message = "must be 1–50"))]
    pub poll_timeout_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_url: default_base_url(),
            connect_timeout_ms: CONNECT_TIMEOUT_MS,
            request_timeout_ms: REQUEST_TIMEOUT_MS,
            poll_timeout_seconds: POLL_TIMEOUT_SECONDS,
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "the constant is a URL; a test parses it"
)]
fn default_base_url() -> Url {
    Url::parse(BASE_URL).expect("the default base URL is a URL")
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn the_default_base_url_is_telegram_over_tls() {
        assert_eq!(
            Settings::default().base_url.as_str(),
            "https://api.telegram.org/"
        );
    }
}
