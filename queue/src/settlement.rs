//! How an attempt at a message ends, in words: the verdict, what goes with it, and the answer of the store.

use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::message::{ClaimRef, ErrorNote, NewMessage};

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Done,
    /// Nobody handles such a message, which is fine.
    Ignored,
    /// It was decided not to do it.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// It was too late to do it.
    Expired,
    /// Its person asked to be forgotten.
    Erased,
    /// It failed and is to be tried again.
    Retry {
        /// How long to wait before.
        after: Duration,
        /// How it failed.
        error: ErrorNote,
    },
    /// It is to be tried again later, and this was no attempt.
    Snooze {
        /// How long to wait before.
        for_: Duration,
    },
    /// It failed for good: it becomes a dead letter.
    Dead {
        /// How it failed.
        error: ErrorNote,
    },
}

impl Verdict {
    /// The final outcome, or `None` when the message stays on the queue.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Done => Some(Outcome::Done),
            Self::Ignored => Some(Outcome::Ignored),
            Self::Cancelled { .. } => Some(Outcome::Cancelled),
            Self::Expired => Some(Outcome::Expired),
            Self::Erased => Some(Outcome::Erased),
            Self::Dead { .. } => Some(Outcome::Dead),
            Self::Retry { .. } | Self::Snooze { .. } => None,
        }
    }
}

/// The final states of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Handled.
    Done,
    /// Nobody handles such a message.
    Ignored,
    /// It was decided not to do it.
    Cancelled,
    /// It was too late to do it.
    Expired,
    /// Its person asked to be forgotten.
    Erased,
    /// It failed for good and is kept as a dead letter.
    Dead,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Done,
        Self::Ignored,
        Self::Cancelled,
        Self::Expired,
        Self::Erased,
        Self::Dead,
    ];

    /// One word, as rows, metrics and the API spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Ignored => "ignored",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Erased => "erased",
            Self::Dead => "dead",
        }
    }

    /// Reads the word; `None` for any other.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == word)
    }
}

/// What becomes of the hold on a key whose head fails (law L9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HoldChange {
    /// Nothing.
    #[default]
    Keep,
    /// The key waits for its head, at most this long from now. A hold that this head has already keeps its end.
    Until(Duration),
    /// The key waits for its head however long that takes.
    Park,
    /// The key goes on.
    Lift,
    /// The key goes on although this message comes back, and is not held for it again, whoever owns it then.
    StepOver,
}

/// The end of one attempt, to be made durable.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Which message, under which ownership.
    pub message: ClaimRef,
    /// The number of this attempt, from 1.
    pub attempt: u16,
    /// When the handler began, by the worker's clock.
    pub started_at: Timestamp,
    /// What it came to.
    pub verdict: Verdict,
    /// What becomes of its key.
    pub hold: HoldChange,
    /// The messages it causes: they exist exactly when this settlement does.
    pub outgoing: Vec<NewMessage>,
}

/// The store's answer to one settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is durable.
    Durable,
    /// Another worker owns the partition, or the message is no longer there: nothing of it was kept.
    Stale,
}

/// Why an app's effects could not be applied. The whole settlement is rolled back.
#[derive(Debug, thiserror::Error)]
pub enum EffectsError {
    /// The database refused or failed.
    #[error("a statement of the effects failed")]
    Postgres(#[from] tokio_postgres::Error),
    /// The app refused.
    #[error("the effects were refused")]
    Refused {
        /// What the app makes of it: another attempt or a dead letter, with the error's own kind.
        verdict: Box<Verdict>,
    },
}

/// State changes of an app, applied in the transaction that ends its message (law L6). No outside calls in it.
pub type Effects = Box<
    dyn for<'t> FnOnce(
            &'t tokio_postgres::Transaction<'t>,
        ) -> BoxFuture<'t, Result<(), EffectsError>>
        + Send,
>;
