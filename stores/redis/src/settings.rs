//! Where Redis is, and how long anybody waits for it.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use validator::Validate;

/// The address of a Redis: `redis://`, `rediss://` (TLS) or `redis+unix://`. It may hold a password, so it prints itself
/// as `[redacted]`. Empty means that there is none.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct RedisUrl(SecretString);

impl RedisUrl {
    /// Wraps an address.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self(SecretString::from(url.into()))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// The settings of this crate. All times are upper bounds. The same for every process of a house.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where Redis is; empty: nowhere, and everything works without.
    pub url: RedisUrl,
    /// What every key, stream and channel of this house begins with, so that several may share a server.
    #[validate(length(min = 1, max = 32))]
    pub key_prefix: String,
    /// Connections of the pool. A call takes about a tenth of a millisecond, so a few carry much.
    #[validate(range(min = 1, max = 64))]
    pub connections_max: u32,
    /// How long a call may take that nobody waits for: publishing, looking.
    #[validate(range(min = 50, max = 1_000))]
    pub call_ms: u64,
    /// How long a call may take that something else waits for: a limit, a wake-up.
    #[validate(range(min = 5, max = 1_000))]
    pub quick_call_ms: u64,
    /// After so many failures in a row Redis counts as away.
    #[validate(range(min = 1, max = 100))]
    pub failures_max: u32,
    /// How long it is then left alone; whoever watches it may find out earlier that it is back.
    #[validate(range(min = 100, max = 60_000))]
    pub away_ms: u64,
    /// How many events the live bus holds. The oldest go first, read or not: readers are told of the gap.
    #[validate(range(min = 100, max = 10_000_000))]
    pub live_entries_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: RedisUrl::default(),
            key_prefix: "sallyport".to_owned(),
            connections_max: 8,
            call_ms: 1_000,
            quick_call_ms: 50,
            failures_max: 3,
            away_ms: 1_000,
            live_entries_max: 100_000,
        }
    }
}

impl Settings {
    /// The defaults, for the Redis at `url`.
    #[must_use]
    pub fn at(url: RedisUrl) -> Self {
        Self {
            url,
            ..Self::default()
        }
    }

    pub(crate) fn call(&self) -> Duration {
        Duration::from_millis(self.call_ms)
    }

    pub(crate) fn quick_call(&self) -> Duration {
        Duration::from_millis(self.quick_call_ms)
    }

    pub(crate) fn away(&self) -> Duration {
        Duration::from_millis(self.away_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_never_prints_itself() {
        let settings = Settings::at(RedisUrl::new("rediss://sally:hunter2@cache/0"));

        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn the_defaults_pass_their_own_checks() {
        assert!(Settings::default().validate().is_ok());
    }
}
