//! What kind of trouble an error of the driver is, so that callers decide by a word and not by a text.

use tokio::time::error::Elapsed;
use tokio_postgres::error::SqlState;

use crate::error::PoolError;

/// The kinds of trouble that callers treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Concurrent transactions got in each other's way: the same again may pass.
    Serialization,
    /// Two transactions waited for each other: the same again may pass.
    Deadlock,
    /// A row with this key is there already.
    Unique,
    /// The connection went away; whether the statement took effect is not known.
    ConnectionLost,
    /// A deadline of the session was met: the statement took no effect.
    Timeout,
    /// The server takes no work now, or not from us: starting, stopping, read-only, full.
    Refused,
    /// The values do not fit their columns: the same again will fail the same way.
    Data,
    /// Anything else.
    Other,
}

impl Fault {
    /// Whether the same statement may pass when tried again soon.
    #[must_use]
    pub fn may_pass_later(self) -> bool {
        match self {
            Self::Serialization
            | Self::Deadlock
            | Self::ConnectionLost
            | Self::Timeout
            | Self::Refused => true,
            Self::Unique | Self::Data | Self::Other => false,
        }
    }

    /// One word, for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serialization => "serialization",
            Self::Deadlock => "deadlock",
            Self::Unique => "unique",
            Self::ConnectionLost => "connection_lost",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Data => "data",
            Self::Other => "other",
        }
    }
}

/// Says which kind of trouble `error` is.
#[must_use]
pub fn classify(error: &tokio_postgres::Error) -> Fault {
    let Some(code) = error.code() else {
        return without_code(error);
    };
    match *code {
        SqlState::T_R_SERIALIZATION_FAILURE => Fault::Serialization,
        SqlState::T_R_DEADLOCK_DETECTED => Fault::Deadlock,
        SqlState::UNIQUE_VIOLATION => Fault::Unique,
        SqlState::CHECK_VIOLATION if is_about_a_partition(error) => Fault::Serialization,
        SqlState::QUERY_CANCELED | SqlState::LOCK_NOT_AVAILABLE => Fault::Timeout,
        SqlState::ADMIN_SHUTDOWN
        | SqlState::CRASH_SHUTDOWN
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => Fault::ConnectionLost,
        _ => by_class(code.code()),
    }
}

/// Whether what lies at the ground of `error` may pass by waiting: a server that is away, starting, busy, or slow. A server that refuses this
/// login or has no such database does not come round, and neither does an address that cannot be read.
#[must_use]
pub fn may_pass(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut is_about_connecting = false;
    let mut cause = Some(error);
    while let Some(this) = cause {
        if this.is::<Elapsed>() {
            return true;
        }
        if let Some(error) = this.downcast_ref::<PoolError>() {
            is_about_connecting =
                matches!(error, PoolError::Busy { .. } | PoolError::Connect { .. });
        }
        if let Some(error) = this.downcast_ref::<tokio_postgres::Error>() {
            // The driver has no word for a connection that took too long; without a code of the server's it was not made.
            let was_not_made = is_about_connecting && error.code().is_none();
            return was_not_made || classify(error).may_pass_later();
        }
        cause = this.source();
    }
    is_about_connecting
}

/// Whether a row was routed to the default partition while the partition it belongs to was being attached. Unlike a table's own
/// checks, that bound has no name.
fn is_about_a_partition(error: &tokio_postgres::Error) -> bool {
    error
        .as_db_error()
        .is_some_and(|error| error.constraint().is_none())
}

fn without_code(error: &tokio_postgres::Error) -> Fault {
    if error.is_closed()
        || std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
    {
        Fault::ConnectionLost
    } else {
        // What is left are values that do not fit the types of the statement.
        Fault::Data
    }
}

/// The first two characters of a code name its class.
fn by_class(code: &str) -> Fault {
    match code.get(..2) {
        Some("08") => Fault::ConnectionLost,
        Some("22" | "23") => Fault::Data,
        // Read-only, out of something, told to stop, its own disk failed, its own data broken.
        Some("25" | "53" | "57" | "58" | "XX") => Fault::Refused,
        Some("54") => Fault::Data,
        Some("40") => Fault::Serialization,
        _ => Fault::Other,
    }
}
