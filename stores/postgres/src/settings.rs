//! How the house reaches Postgres: where it is, how many connections each pool may have, and every deadline.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use validator::Validate;

/// A connection string. It may hold a password, so it prints itself as `[redacted]`.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(SecretString);

impl DatabaseUrl {
    /// Wraps a connection string, as a URL or as `key=value` pairs.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self(SecretString::from(url.into()))
    }

    /// The string itself, password and all.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl Default for DatabaseUrl {
    /// The private server that `make run` keeps under `.data/` is named by the binary; this is the usual local one.
    fn default() -> Self {
        Self::new("postgresql://postgres@localhost/sallyport")
    }
}

/// The settings of this crate. All times are upper bounds.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where Postgres is.
    pub url: DatabaseUrl,
    /// Connections of the edge's committer. Two commits in flight keep a disk busy; more only make smaller batches.
    #[validate(range(min = 1, max = 64))]
    pub accept_connections_max: usize,
    /// Connections for claiming and settling.
    #[validate(range(min = 1, max = 64))]
    pub settle_connections_max: usize,
    /// Connections for handlers: their effects, and what they read meanwhile.
    #[validate(range(min = 1, max = 256))]
    pub handlers_connections_max: usize,
    /// Connections for looking: status, stories, gauges.
    #[validate(range(min = 1, max = 64))]
    pub read_connections_max: usize,
    /// How long anybody waits for a free connection.
    #[validate(range(min = 10, max = 60_000))]
    pub wait_ms: u64,
    /// How long a connection may take to be made.
    #[validate(range(min = 100, max = 60_000))]
    pub connect_ms: u64,
    /// How long one statement may run.
    #[validate(range(min = 100, max = 300_000))]
    pub statement_ms: u64,
    /// How long one statement may wait for a lock.
    #[validate(range(min = 10, max = 60_000))]
    pub lock_ms: u64,
    /// How long a transaction may stand idle: a stopped process must not hold locks for longer (law L6).
    #[validate(range(min = 100, max = 60_000))]
    pub idle_transaction_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: DatabaseUrl::default(),
            accept_connections_max: 2,
            settle_connections_max: 4,
            handlers_connections_max: 8,
            read_connections_max: 4,
            wait_ms: 2_000,
            connect_ms: 3_000,
            statement_ms: 5_000,
            lock_ms: 2_000,
            idle_transaction_ms: 5_000,
        }
    }
}

impl Settings {
    /// The defaults, for the database at `url`.
    #[must_use]
    pub fn at(url: DatabaseUrl) -> Self {
        Self {
            url,
            ..Self::default()
        }
    }

    pub(crate) fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms)
    }

    pub(crate) fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_never_prints_itself() {
        let settings = Settings::at(DatabaseUrl::new("postgresql://sally:hunter2@db/house"));

        assert!(!format!("{settings:?}").contains("hunter2"));
        assert_eq!(settings.url.expose(), "postgresql://sally:hunter2@db/house");
    }

    #[test]
    fn the_defaults_pass_their_own_checks() {
        assert!(Settings::default().validate().is_ok());
    }
}
