//! What the pool asks of whoever handles a kind of message, and what it gives them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sallyport_queue::mailboxes::HeadPolicy;
use sallyport_queue::retry::Backoff;
use sallyport_queue::{Claimed, Effects, ErrorNote, Limit, NewMessage, Verdict};

use super::Run;

/// Handles one kind of message.
///
/// A message may be handled again after a crash, so whatever leaves the house must bear repetition or be recorded. State
/// of our own belongs into [`Handled::effects`], which are committed together with the message's end, or not at all.
#[async_trait]
pub trait Handler: Send + Sync {
    /// How messages of this kind are treated.
    fn policy(&self) -> &KindPolicy;

    /// Handles one message, outside of any transaction. Dropped at its await when time is over or the worker stops.
    async fn handle(&self, message: Arc<Claimed>, run: Run) -> Handled;

    /// What is said when the message became a dead letter; committed together with it (law L11).
    fn buried(&self, _message: &Claimed, _error: &ErrorNote) -> Vec<NewMessage> {
        Vec::new()
    }

    /// What is said when the message came too late to be handled; committed together with its end.
    fn expired(&self, _message: &Claimed) -> Vec<NewMessage> {
        Vec::new()
    }
}

/// What a handler came to.
pub struct Handled {
    /// The verdict. A [`Verdict::Retry`] after the last attempt becomes a dead letter; its wait is at least the backoff's.
    pub verdict: Verdict,
    /// The messages it causes.
    pub outgoing: Vec<NewMessage>,
    /// State changes for the transaction that ends the message.
    pub effects: Option<Effects>,
}

impl From<Verdict> for Handled {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            outgoing: Vec::new(),
            effects: None,
        }
    }
}

impl Handled {
    /// Done, with nothing to say and nothing to remember.
    #[must_use]
    pub fn done() -> Self {
        Self::from(Verdict::Done)
    }

    /// To be tried again as the kind's backoff says.
    #[must_use]
    pub fn retry(error: ErrorNote) -> Self {
        Self::from(Verdict::Retry {
            after: Duration::ZERO,
            error,
        })
    }
}

/// How the messages of one kind are treated.
#[derive(Debug, Clone)]
pub struct KindPolicy {
    /// A handler that takes longer is dropped, and the attempt counts as failed.
    pub deadline: Duration,
    /// After this many failed attempts a message becomes a dead letter.
    pub attempts_max: u16,
    /// How long a failed message waits.
    pub backoff: Backoff,
    /// What a failed message does to those behind it.
    pub head: HeadPolicy,
    /// A message that was accepted longer ago than this ends as expired, unless it ran before; `None` means never.
    pub late_after: Option<Duration>,
    /// Handling it sends something out of the house. An attempt at it that was cut off by a crash may have done so, and
    /// is marked as ambiguous by whoever takes over (law L5).
    pub sends: bool,
    /// What bounds how many of these run at once or start in a time; `None` means nothing, and costs nothing.
    pub limits: Option<Limits>,
    /// The newest version of the payload that the handler can read; a newer one waits for an upgrade as an unknown kind
    /// does. `None` means any.
    pub newest_version: Option<u16>,
}

/// Names the groups that a message belongs to, each with its bound. Asked once before every attempt, so it should be cheap:
/// a few words put together. No limit at all is a valid answer.
///
/// A limited message takes one short transaction before its attempt and one after it, each shared with other messages.
#[derive(Clone)]
pub struct Limits(Arc<LimitsOf>);

type LimitsOf = dyn Fn(&Claimed) -> Vec<Limit> + Send + Sync;

impl Limits {
    /// Limits as this function says.
    pub fn new(of: impl Fn(&Claimed) -> Vec<Limit> + Send + Sync + 'static) -> Self {
        Self(Arc::new(of))
    }

    pub(super) fn of(&self, message: &Claimed) -> Vec<Limit> {
        (self.0)(message)
    }
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Limits")
    }
}

impl Default for KindPolicy {
    /// Half a minute per attempt, five attempts, and a failing head holds its key for at most half a minute (law L9).
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            attempts_max: 5,
            backoff: Backoff::default(),
            head: HeadPolicy::Hold {
                at_most: Duration::from_secs(30),
            },
            late_after: None,
            sends: false,
            limits: None,
            newest_version: None,
        }
    }
}

/// The handlers of a composition, one per kind.
#[derive(Clone, Default)]
pub struct Handlers(HashMap<String, Arc<dyn Handler>>);

/// A kind was given two handlers.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kind {0:?} has two handlers")]
pub struct KindTaken(pub String);

impl Handlers {
    /// Gives a kind its handler.
    ///
    /// # Errors
    /// When the kind has one already.
    pub fn add(
        &mut self,
        kind: impl Into<String>,
        handler: Arc<dyn Handler>,
    ) -> Result<(), KindTaken> {
        let kind = kind.into();
        if self.0.contains_key(&kind) {
            return Err(KindTaken(kind));
        }
        self.0.insert(kind, handler);
        Ok(())
    }

    /// The handler of a kind, if it has one.
    #[must_use]
    pub fn of(&self, kind: &str) -> Option<&Arc<dyn Handler>> {
        self.0.get(kind)
    }

    /// The kinds that have a handler.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
