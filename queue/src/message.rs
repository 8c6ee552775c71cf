//! A message before and while it is on the queue: what is given in, and what a worker gets out.
//!
//! The queue does not know what a message means: its payload is bytes and its kind a word. Checks here are about shape
//! alone, so that one bad message is refused before it can spoil a batch.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::Date;
use sallyport_telemetry::trace::{SpanContext, SpanRecord};
use serde::{Deserialize, Serialize};

use crate::partition::{Key, Partition, Token};
use crate::unique::{Unique, UniqueMode};

/// The number of a message: its place in the order of the queue (law L3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub i64);

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Which keys of a partition are served first. It belongs to a key, never to one message inside it (law L10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Somebody is waiting for it.
    Interactive = 0,
    /// What is said to somebody.
    Delivery = 1,
    /// What may take its time.
    Background = 2,
}

impl Priority {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Delivery, Self::Background];

    pub(crate) fn to_sql(self) -> i16 {
        self as i16
    }

    pub(crate) fn from_sql(number: i16) -> Option<Self> {
        match number {
            0 => Some(Self::Interactive),
            1 => Some(Self::Delivery),
            2 => Some(Self::Background),
            _ => None,
        }
    }
}

/// Whose turn it is: the line in which a tenant's messages stand, so that claims and mailboxes serve one line after the
/// other. All messages of a key stand in one line, because a key has one tenant. Made by the database from the tenant;
/// [`Lane::FIRST`] holds what a release before this one put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lane(pub i16);

impl Lane {
    /// The lowest.
    pub const FIRST: Self = Self(0);
    /// The highest.
    pub const LAST: Self = Self(i16::MAX);

    /// The one after it; after the last one comes the first.
    #[must_use]
    pub fn next(self) -> Self {
        self.0.checked_add(1).map_or(Self::FIRST, Self)
    }
}

/// How the payload is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadFormat {
    /// JSON as it came; it may hold what `jsonb` refuses.
    Json,
    /// Any bytes.
    Bytes,
}

impl PayloadFormat {
    pub(crate) fn to_sql(self) -> i16 {
        match self {
            Self::Json => 0,
            Self::Bytes => 1,
        }
    }

    pub(crate) fn from_sql(number: i16) -> Option<Self> {
        match number {
            0 => Some(Self::Json),
            1 => Some(Self::Bytes),
            _ => None,
        }
    }
}

/// A message to be put on the queue.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The bot it belongs to.
    pub bot: String,
    /// Whose limits and rights apply.
    pub tenant: String,
    /// Where it came from, for example `telegram:ops`.
    pub source: String,
    /// The source's own number for it. Together with the source it is accepted once in seven days (law L2). A message that is
    /// accepted without one gets one of its own, beginning with `~`, so that nothing of ours can store it twice.
    pub delivery_id: Option<String>,
    /// What it is, one word of a closed list, for example `telegram.update`.
    pub kind: String,
    /// The version of the kind's payload.
    pub kind_version: u16,
    /// What it must be in order with.
    pub key: Key,
    /// How urgent its key is.
    pub priority: Priority,
    /// Its bytes.
    pub payload: Bytes,
    /// How to read them.
    pub payload_format: PayloadFormat,
    /// Whom it concerns, for example `telegram:4711`.
    pub subject: Option<String>,
    /// The message whose handling made this one.
    pub cause: Option<MessageId>,
    /// The span that its handling will be a child of.
    pub trace: SpanContext,
    /// The edge's finished spans: written only when it is known that the trace is worth keeping.
    pub edge_spans: Option<Vec<SpanRecord>>,
    /// How long it waits before it may run. More than a day makes it a schedule.
    pub delay: Option<Duration>,
    /// After how long it is too late to handle it, counted from its acceptance.
    pub expires_in: Option<Duration>,
    /// That of all messages of a name only one waits. Goes with a delay of a day at most, and with no delivery id.
    pub unique: Option<Unique>,
}

/// A unique message waits in the queue itself, which holds only what is near (law L12).
const UNIQUE_DELAY_MAX: Duration = Duration::from_secs(86_400);

/// Names, keys and numbers of a source: longer ones are refused. Enough for every provider met so far.
pub const TEXT_BYTES_MAX: usize = 512;
/// The longest kind.
pub const KIND_BYTES_MAX: usize = 64;

/// Why a message cannot be put on the queue at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// A field is longer than it may be.
    #[error("{field} has {bytes} bytes, at most {bytes_max} are allowed")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// A field must not be empty.
    #[error("{field} is empty")]
    Empty {
        /// Which field.
        field: &'static str,
    },
    /// A field holds the character NUL, which no text of the database can.
    #[error("{field} holds a NUL character")]
    Nul {
        /// Which field.
        field: &'static str,
    },
    /// A unique message has a delivery id, too: two promises about repeats that contradict each other.
    #[error("a message cannot have a delivery id and be unique, too")]
    UniqueTwice,
    /// A unique message waits in the queue itself, which holds only what is near.
    #[error("a unique message waits a day at most")]
    UniqueTooLate,
}

impl NewMessage {
    /// Refuses what the database could not store, so that a batch fails for nobody's text.
    ///
    /// # Errors
    /// The first field that is empty, too long or holds a NUL. The payload may hold anything.
    pub fn check(&self) -> Result<(), InvalidMessage> {
        check_text("bot", &self.bot, TEXT_BYTES_MAX)?;
        check_text("tenant", &self.tenant, TEXT_BYTES_MAX)?;
        check_text("source", &self.source, TEXT_BYTES_MAX)?;
        check_text("kind", &self.kind, KIND_BYTES_MAX)?;
        check_text("key", self.key.as_str(), TEXT_BYTES_MAX)?;
        if let Some(delivery_id) = &self.delivery_id {
            check_text("delivery_id", delivery_id, TEXT_BYTES_MAX)?;
        }
        if let Some(subject) = &self.subject {
            check_text("subject", subject, TEXT_BYTES_MAX)?;
        }
        match &self.unique {
            Some(unique) => self.check_unique(unique),
            None => Ok(()),
        }
    }

    fn check_unique(&self, unique: &Unique) -> Result<(), InvalidMessage> {
        check_text("unique name", &unique.name, TEXT_BYTES_MAX)?;
        if self.delivery_id.is_some() {
            return Err(InvalidMessage::UniqueTwice);
        }
        let longest = match unique.mode {
            UniqueMode::Debounce { longest } => longest,
            UniqueMode::Ignore | UniqueMode::Replace => Duration::ZERO,
        };
        if longest.max(self.delay.unwrap_or_default()) > UNIQUE_DELAY_MAX {
            return Err(InvalidMessage::UniqueTooLate);
        }
        Ok(())
    }
}

pub(crate) fn check_text(
    field: &'static str,
    text: &str,
    bytes_max: usize,
) -> Result<(), InvalidMessage> {
    if text.is_empty() {
        return Err(InvalidMessage::Empty { field });
    }
    if text.len() > bytes_max {
        return Err(InvalidMessage::TooLong {
            field,
            bytes: text.len(),
            bytes_max,
        });
    }
    if text.contains('\0') {
        return Err(InvalidMessage::Nul { field });
    }
    Ok(())
}

/// Where an accepted message is. Either way it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// In Postgres.
    Stored(Receipt),
    /// In the spool of this edge, until Postgres is back. Its number comes then, and only then is it known whether the
    /// delivery had been accepted before.
    Spooled {
        /// Its trace.
        trace: SpanContext,
    },
}

impl Accepted {
    /// The receipt, when the message is in Postgres.
    #[must_use]
    pub fn stored(&self) -> Option<Receipt> {
        match self {
            Self::Stored(receipt) => Some(*receipt),
            Self::Spooled { .. } => None,
        }
    }

    /// The trace of the first one, when this is known to be a repeat.
    #[must_use]
    pub fn repeats(&self) -> Option<SpanContext> {
        self.stored()
            .filter(|receipt| receipt.duplicate)
            .map(|receipt| receipt.trace)
    }

    /// Where it is, as metrics and spans spell it.
    #[must_use]
    pub fn sink(&self) -> &'static str {
        match self {
            Self::Stored(_) => "postgres",
            Self::Spooled { .. } => "spool",
        }
    }
}

/// The answer to a message that is in Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Its number; of the first one when this is a duplicate.
    pub id: MessageId,
    /// Its trace; of the first one when this is a duplicate.
    pub trace: SpanContext,
    /// Whether the same delivery had been accepted before.
    pub duplicate: bool,
}

/// The number of one claim: one row in the database for a batch of messages taken together (law L5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimId(pub i64);

/// A message in a worker's hands.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its number.
    pub id: MessageId,
    /// The day in whose partition it is kept.
    pub day: Date,
    /// What it is.
    pub kind: Arc<str>,
    /// The version of the kind's payload.
    pub kind_version: u16,
    /// The bot it belongs to.
    pub bot: Arc<str>,
    /// Whose limits and rights apply.
    pub tenant: Arc<str>,
    /// Where it came from.
    pub source: Arc<str>,
    /// The source's own number for it.
    pub delivery_id: Option<String>,
    /// What it is in order with.
    pub key: Key,
    /// The partition of the key.
    pub partition: Partition,
    /// The ownership under which it was claimed; a settlement under an older one is refused.
    pub token: Token,
    /// The claim it was taken with.
    pub claim: ClaimId,
    /// How urgent its key is.
    pub priority: Priority,
    /// The line of its tenant.
    pub lane: Lane,
    /// How many attempts were made before this one.
    pub attempts: u16,
    /// Whether an earlier attempt was begun and nobody knows how it ended.
    pub interrupted: bool,
    /// Whether its key was held for it before, as long as its policy allows: it is not held again.
    pub stepped_over: bool,
    /// Its bytes.
    pub payload: Bytes,
    /// How to read them.
    pub payload_format: PayloadFormat,
    /// Whom it concerns.
    pub subject: Option<String>,
    /// The message whose handling made this one.
    pub cause: Option<MessageId>,
    /// The span that its handling is a child of, in every attempt.
    pub trace: SpanContext,
    /// The edge's finished spans.
    pub edge_spans: Option<Vec<SpanRecord>>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it became too late to handle it.
    pub expires_at: Option<Timestamp>,
    /// Since when it could run: its acceptance, or the end of its latest delay.
    pub ready_at: Timestamp,
    /// How long it had been ready when it was claimed, by the clock of the database.
    pub waited: Duration,
    /// When it first came onto the queue.
    pub first_queued_at: Timestamp,
    /// When the claim came back.
    pub(crate) taken: Instant,
}

impl Claimed {
    /// The time, by the clock that `accepted_at`, `expires_at` and `ready_at` were read from: the database's at the claim,
    /// and what has passed since. A wall clock of this machine that jumps makes no message late.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let since_ready = self.waited.saturating_add(self.taken.elapsed());
        self.ready_at
            .checked_add(since_ready)
            .unwrap_or(Timestamp::MAX)
    }

    /// What a settlement needs to find the message again.
    #[must_use]
    pub fn reference(&self) -> ClaimRef {
        ClaimRef {
            id: self.id,
            key: self.key.clone(),
            kind: self.kind.clone(),
            partition: self.partition,
            priority: self.priority,
            token: self.token,
            claim: self.claim,
        }
    }
}

/// Names a claimed message and the ownership under which it was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRef {
    /// Its number.
    pub id: MessageId,
    /// Its key.
    pub key: Key,
    /// What it is.
    pub kind: Arc<str>,
    /// Its partition.
    pub partition: Partition,
    /// How urgent its key is.
    pub priority: Priority,
    /// The ownership under which it was claimed.
    pub token: Token,
    /// The claim it was taken with.
    pub claim: ClaimId,
}

/// An error as the rows of a message remember it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorNote {
    /// One of few words; it becomes a label of metrics.
    pub kind: Cow<'static, str>,
    /// What a person reads; NUL characters are removed and at most 2 KiB are kept.
    pub text: String,
}

impl ErrorNote {
    /// Notes an error.
    pub fn new(kind: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            text: text.into(),
        }
    }
}

#[cfg(test)]
mod tests;
