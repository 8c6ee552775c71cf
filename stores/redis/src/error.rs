//! Why Redis did not do something. Never the caller's fault; the caller goes on without.

use std::time::Duration;

use redis::{ErrorKind, ServerErrorKind};

/// A call of Redis came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// The address cannot be read. Its text is not repeated, because it may hold a password.
    #[error("the address of Redis cannot be read: it must be redis://, rediss:// or redis+unix://")]
    Url,
    /// It is known to be away, so nobody was asked.
    #[error("Redis is away")]
    Away,
    /// No answer in time. Whether it was done is not known.
    #[error("Redis did not {operation} within {within:?}")]
    Late {
        /// What was attempted.
        operation: &'static str,
        /// How long it could take.
        within: Duration,
    },
    /// No connection, or it broke. Whether it was done is not known.
    #[error("the connection to Redis failed to {operation}")]
    Lost {
        /// What was attempted.
        operation: &'static str,
        /// What happened.
        #[source]
        source: redis::RedisError,
    },
    /// It answered, and refused.
    #[error("Redis refused to {operation}")]
    Refused {
        /// What was attempted.
        operation: &'static str,
        /// Its words.
        #[source]
        source: redis::RedisError,
    },
}

impl RedisError {
    pub(crate) fn of(operation: &'static str, source: redis::RedisError) -> Self {
        if is_refusal(&source) {
            Self::Refused { operation, source }
        } else {
            Self::Lost { operation, source }
        }
    }

    /// One word for a metric's label.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Away => "away",
            Self::Late { .. } => "timeout",
            Self::Lost { .. } => "connection",
            Self::Refused { .. } => "refused",
        }
    }
}

/// Whether a server that works said no. One that is loading its data, or is no master any more, does not work.
fn is_refusal(error: &redis::RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => !matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::TryAgain
        ),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType | ErrorKind::Extension => true,
        _ => false,
    }
}
