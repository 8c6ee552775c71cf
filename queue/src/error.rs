//! What can go wrong with the queue, one enum per family of operations; each says whose fault it is and whether the same
//! again may pass.

use std::time::Duration;

use sallyport_postgres::{Fault, GroundError, PoolError, classify};

use crate::message::InvalidMessage;
use crate::settlement::EffectsError;

/// Why a message was not accepted. Nothing of it is on the queue, except where a variant says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AcceptError {
    /// Nothing durable can take it: the database is away, too slow or too busy, and there is no spool, or it is full or
    /// broken. The sender keeps the message and tries again. If the database's answer got lost, the message may be stored
    /// nevertheless; a repeat of a delivery with an id finds out.
    #[error("the queue takes nothing at the moment")]
    Unavailable {
        /// What the sender is told to wait.
        retry_after: Duration,
    },
    /// The payload is larger than the queue takes.
    #[error("the payload has {bytes} bytes, at most {bytes_max} are taken")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// The message cannot be stored as it is.
    #[error("the message cannot be stored")]
    Invalid(#[from] InvalidMessage),
    /// The database refuses these very values; the same message will be refused again.
    #[error("the database refuses the message: {reason}")]
    Refused {
        /// The database's words.
        reason: String,
    },
}

impl AcceptError {
    /// Whether the sender is to blame, so that repeating is of no use.
    #[must_use]
    pub fn is_senders_fault(&self) -> bool {
        match self {
            Self::Unavailable { .. } => false,
            Self::TooLarge { .. } | Self::Invalid(_) | Self::Refused { .. } => true,
        }
    }

    /// What the sender should wait before repeating; `None` when that is of no use.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after } => Some(*retry_after),
            Self::TooLarge { .. } | Self::Invalid(_) | Self::Refused { .. } => None,
        }
    }
}

/// Why an operation on the stored queue did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection.
    #[error("no connection for {operation}")]
    Pool {
        /// What was attempted.
        operation: &'static str,
        /// Why not.
        #[source]
        source: PoolError,
    },
    /// The database failed or refused.
    #[error("the database failed to {operation}")]
    Postgres {
        /// What was attempted.
        operation: &'static str,
        /// Why not.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The database did not answer in time; whether it did what was asked is not known.
    #[error("the database did not {operation} within {limit:?}")]
    TooSlow {
        /// What was attempted.
        operation: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// A row holds what this program cannot have written.
    #[error("a row of {table} cannot be read: {what}")]
    Row {
        /// Where.
        table: &'static str,
        /// What is odd.
        what: String,
    },
    /// A message that was to be put on the queue has an impossible shape.
    #[error("an outgoing message cannot be stored")]
    Invalid(#[from] InvalidMessage),
}

impl StoreError {
    pub(crate) fn pool(operation: &'static str) -> impl FnOnce(PoolError) -> Self {
        move |source| Self::Pool { operation, source }
    }

    pub(crate) fn postgres(operation: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::Postgres { operation, source }
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Pool { .. } => Fault::Refused,
            Self::Postgres { source, .. } => classify(source),
            Self::TooSlow { .. } => Fault::ConnectionLost,
            Self::Row { .. } => Fault::Other,
            Self::Invalid(_) => Fault::Data,
        }
    }

    /// Whether the same again may pass soon.
    #[must_use]
    pub fn may_pass_later(&self) -> bool {
        self.fault().may_pass_later()
    }

    /// Whether two transactions got in each other's way, so that the same again passes at once.
    pub(crate) fn got_in_the_way(&self) -> bool {
        matches!(self.fault(), Fault::Serialization | Fault::Deadlock)
    }
}

/// Why a settlement with effects did not happen: nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The app's own statements failed or refused. It is the handler's failure.
    #[error("the effects of the message failed")]
    Effects(#[source] EffectsError),
    /// The transaction took longer than it may.
    #[error("the effects took longer than {limit:?}")]
    TooSlow {
        /// How long it may take.
        limit: Duration,
    },
    /// The store failed. The effects are used up: the handler has to run again.
    #[error("the settlement failed")]
    Store(#[from] StoreError),
}

/// Why the queue cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database is away or refuses us.
    #[error("the queue's database cannot be used")]
    Store(#[from] StoreError),
    /// The ground is not honest.
    #[error("the database is no ground to stand on")]
    Ground(#[from] GroundError),
    /// The tables were made for another number of partitions.
    #[error("the queue was made with {stored} partitions, this program has {ours}")]
    PartitionCount {
        /// What is stored.
        stored: String,
        /// What this program was built with.
        ours: u16,
    },
    /// The tables are missing.
    #[error("the tables of the queue are missing; run `sallyport migrate`")]
    NotMigrated,
}
