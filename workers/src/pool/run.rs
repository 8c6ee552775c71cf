//! One attempt that runs, as its handler sees it and as the driver steers it: cut off on order, asked how far it is.
//!
//! The driver holds the same cell as the handler's [`Run`]. What a handler says about its progress stays here until the
//! driver comes by, about once a second; a handler that says nothing costs nothing.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use jiff::Timestamp;
use parking_lot::Mutex;
use sallyport_queue::{Claimed, Limit, ProgressNote};
use tokio_util::sync::CancellationToken;

use super::kinds::Kind;

/// The particulars of one attempt.
#[derive(Debug, Clone)]
pub struct Run {
    /// Which attempt this is, from 1. Attempts that a crash cut off count.
    pub attempt: u16,
    /// The last one that there will be.
    pub attempts_max: u16,
    /// When the handler will be dropped.
    pub deadline: Instant,
    /// Fires when the worker gives the partition away or stops hard (the handler is dropped then, this is for its helpers),
    /// and when somebody cancelled the message: [`Run::cancelled_by`] tells which. After that the handler has two seconds.
    pub cancelled: CancellationToken,
    cell: Arc<RunCell>,
}

impl Run {
    pub(super) fn of(cell: &Arc<RunCell>) -> Self {
        Self {
            attempt: cell.attempt,
            attempts_max: cell.kind.policy().attempts_max,
            deadline: cell.deadline,
            cancelled: cell.cancelled.clone(),
            cell: Arc::clone(cell),
        }
    }

    /// Who cancelled the message and why, in one sentence; `None` while nobody did.
    #[must_use]
    pub fn cancelled_by(&self) -> Option<&str> {
        self.cell.order()
    }

    /// Says how far the work has come: so much of so much, if that is known, and a few words for a person (at most 256
    /// bytes are kept). Held in memory; the newest is written down about once a second, and only when it changed. Cheap
    /// enough to be called for every item of a long list.
    pub fn progress(&self, done: u64, of: Option<u64>, note: impl Into<String>) {
        let said = Said {
            done,
            of,
            note: note.into(),
        };
        let mut latest = self.cell.said.lock();
        if latest.as_ref() == Some(&said) {
            return;
        }
        *latest = Some(said);
        drop(latest);
        self.cell.changed.store(true, Ordering::Release);
        self.cell.any_changed.store(true, Ordering::Release);
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    done: u64,
    of: Option<u64>,
    note: String,
}

/// What the driver and a running attempt share.
pub(super) struct RunCell {
    pub(super) message: Arc<Claimed>,
    pub(super) kind: Arc<Kind>,
    pub(super) attempt: u16,
    pub(super) started: Instant,
    pub(super) started_at: Timestamp,
    pub(super) deadline: Instant,
    pub(super) limits: Vec<Limit>,
    pub(super) cancelled: CancellationToken,
    order: OnceLock<String>,
    said: Mutex<Option<Said>>,
    changed: AtomicBool,
    written: AtomicBool,
    any_changed: Arc<AtomicBool>,
    has_ended: AtomicBool,
    overdue_looks: AtomicU32,
}

impl std::fmt::Debug for RunCell {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RunCell")
            .field("message", &self.message.id)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl RunCell {
    /// An attempt that begins now. `cancelled` is its own; `any_changed` is set whenever some attempt says something new.
    pub(super) fn begin(
        message: Arc<Claimed>,
        kind: Arc<Kind>,
        limits: Vec<Limit>,
        cancelled: CancellationToken,
        any_changed: Arc<AtomicBool>,
    ) -> Self {
        let started = Instant::now();
        Self {
            attempt: message.attempts.saturating_add(1),
            deadline: started + kind.policy().deadline,
            message,
            kind,
            started,
            started_at: Timestamp::now(),
            limits,
            cancelled,
            order: OnceLock::new(),
            said: Mutex::new(None),
            changed: AtomicBool::new(false),
            written: AtomicBool::new(false),
            any_changed,
            has_ended: AtomicBool::new(false),
            overdue_looks: AtomicU32::new(0),
        }
    }

    /// Ends the attempt by order; the first order is the one that counts.
    pub(super) fn cancel(&self, sentence: String) {
        if self.order.set(sentence).is_ok() {
            self.cancelled.cancel();
        }
    }

    pub(super) fn order(&self) -> Option<&str> {
        self.order.get().map(String::as_str)
    }

    /// What the handler said since the last time, if anything.
    pub(super) fn news(&self) -> Option<ProgressNote> {
        if !self.changed.swap(false, Ordering::AcqRel) {
            return None;
        }
        let said = self.said.lock().clone()?;
        self.written.store(true, Ordering::Release);
        Some(ProgressNote {
            id: self.message.id,
            done: said.done,
            of: said.of,
            note: said.note,
        })
    }

    /// Whether something of it was written down, and is to be forgotten with it.
    pub(super) fn was_written(&self) -> bool {
        self.written.load(Ordering::Acquire)
    }

    /// The handler came to an end; what follows is its settlement.
    pub(super) fn ended(&self) {
        self.has_ended.store(true, Ordering::Release);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// How often the driver has found it past its deadline by now.
    pub(super) fn looked_at_overdue(&self) -> u32 {
        self.overdue_looks.fetch_add(1, Ordering::Relaxed) + 1
    }
}
