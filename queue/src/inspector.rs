//! Looking at the queue: what waits, what runs, and everything the rows know about one message.
//!
//! A story is drawn from these rows first and from spans second, so it is never empty (design §6). Reads only, through
//! the pool for looking; message texts are not among what it returns.

mod listing;
mod recent;
mod story;
mod summary;
mod why;

use std::time::Duration;

use jiff::Timestamp;
use sallyport_postgres::Pools;
use sallyport_telemetry::trace::SpanContext;

use crate::control::Control;
use crate::message::{MessageId, Priority};
use crate::partition::{Key, Partition};
use crate::settlement::Outcome;

pub use self::listing::{
    ListCursor, ListEntry, ListFilter, ListState, Listing, ParseListCursorError,
    ParseListStateError,
};
pub use self::why::clock;

/// How a row of the queue says that it may run; written as its index is.
const MAY_RUN: &str = "q.state <> 1";

/// Looks at the stored queue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inspector {
    pools: Pools,
    control: Control,
}

impl Inspector {
    pub(crate) fn new(pools: Pools, control: Control) -> Self {
        Self { pools, control }
    }
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It may run and waits for a worker.
    Ready,
    /// It waits for its time.
    Delayed,
    /// It waits for the failing head of its key.
    Held,
    /// A worker has it.
    Running,
    /// It ended.
    Ended(Outcome),
    /// Its rows are gone.
    Unknown,
}

impl State {
    /// One word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Delayed => "delayed",
            Self::Held => "held",
            Self::Running => "running",
            Self::Ended(outcome) => outcome.as_str(),
            Self::Unknown => "unknown",
        }
    }
}

/// Everything the rows know about one message, but its text.
#[derive(Debug, Clone)]
pub struct MessageStory {
    /// Its number.
    pub id: MessageId,
    /// What it is.
    pub kind: String,
    /// The bot it belongs to.
    pub bot: String,
    /// Whose limits apply.
    pub tenant: String,
    /// Where it came from.
    pub source: String,
    /// The source's own number for it.
    pub delivery_id: Option<String>,
    /// What it is in order with.
    pub key: Key,
    /// The partition of the key.
    pub partition: Partition,
    /// How urgent its key is.
    pub priority: Priority,
    /// The message whose handling made it; of a replay, the dead letter.
    pub cause: Option<MessageId>,
    /// The dead letter that it is a replay of.
    pub replay_of: Option<MessageId>,
    /// The message that it became when it was tried again after its death.
    pub replayed_as: Option<MessageId>,
    /// Whom it concerns.
    pub subject: Option<String>,
    /// Its trace, and the span that its handling is a child of.
    pub trace: SpanContext,
    /// How long its payload is.
    pub payload_bytes: u64,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it is too late.
    pub expires_at: Option<Timestamp>,
    /// Where it stands.
    pub state: State,
    /// While it is not finished: since when it can run, or when it will.
    pub ready_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Every attempt, oldest first: those that ended, and the one that runs.
    pub attempts: Vec<AttemptStory>,
    /// The sends that may have happened without our knowing.
    pub ambiguous: Vec<AmbiguousMark>,
}

/// One attempt at a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptStory {
    /// Its number, from 1. A snooze has the number of the attempt that it was not.
    pub attempt: u16,
    /// `running`, `retry`, `snooze`, `interrupted`, or a final outcome.
    pub outcome: String,
    /// What kind of error, if it failed.
    pub error_kind: Option<String>,
    /// The error for a person to read.
    pub error_text: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it runs.
    pub ended_at: Option<Timestamp>,
    /// Who made it.
    pub worker: String,
}

/// A send of which nobody knows whether it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmbiguousMark {
    /// In which attempt.
    pub attempt: u16,
    /// When it was noticed.
    pub at: Timestamp,
    /// Why nobody knows.
    pub reason: String,
}

/// Which traces to list.
#[derive(Debug, Clone, Default)]
pub struct RecentFilter {
    /// Only those whose first message is of this kind.
    pub kind: Option<String>,
    /// Only those that ended like this; see [`RecentTrace::outcome`].
    pub outcome: Option<Outcome>,
    /// Only those that took at least this long from their first acceptance to the end of their last message.
    pub over: Option<Duration>,
    /// Only those accepted since.
    pub since: Option<Timestamp>,
    /// At most so many; 500 at the very most.
    pub limit: u16,
}

/// The first message of a trace, and what became of the whole.
#[derive(Debug, Clone)]
pub struct RecentTrace {
    /// Its number.
    pub id: MessageId,
    /// What it is.
    pub kind: String,
    /// The bot it belongs to.
    pub bot: String,
    /// Where it came from.
    pub source: String,
    /// The source's own number for it.
    pub delivery_id: Option<String>,
    /// Its trace.
    pub trace: SpanContext,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// How the trace ended, once nothing of it goes on: the worst of `dead`, `cancelled`, `expired` and `erased` that any of
    /// its messages came to, else how the first one ended. What a replay made good does not count.
    pub outcome: Option<Outcome>,
    /// When the last of its messages ended, once nothing of it goes on.
    pub ended_at: Option<Timestamp>,
}

/// The queue at a glance.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Per kind of message.
    pub kinds: Vec<KindSummary>,
    /// So much waits that it was not counted one by one: what is ready and delayed are estimates, right to a few percent.
    pub estimated: bool,
    /// How many keys are held.
    pub held_keys: u64,
    /// The workers whose rows are there.
    pub workers: Vec<WorkerSummary>,
    /// How many partitions there are.
    pub partitions_total: u16,
    /// How many of them have an owner.
    pub partitions_owned: u16,
    /// Whether the workers are told to wait for `queue resume`.
    pub paused: bool,
}

/// One kind of message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KindSummary {
    /// Which kind.
    pub kind: String,
    /// Waiting for a worker, running ones left out.
    pub ready: u64,
    /// Waiting for their time.
    pub delayed: u64,
    /// In a worker's hands.
    pub running: u64,
    /// Dead letters that nobody has replayed.
    pub dead: u64,
    /// How long the oldest ready one has been ready.
    pub oldest_ready: Option<Duration>,
}

/// A key that waits for its failing head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldStory {
    /// The key.
    pub key: Key,
    /// The message it waits for.
    pub head: MessageId,
    /// Until when it waits at the latest; `None` when it is parked.
    pub until: Option<Timestamp>,
    /// How many messages were put behind the head; counted up to 10,000.
    pub waiting: u64,
    /// The kind of the head's latest error.
    pub error_kind: Option<String>,
    /// The head's latest error.
    pub error_text: Option<String>,
}

/// One worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSummary {
    /// Its name.
    pub id: String,
    /// When it came.
    pub started_at: Timestamp,
    /// How many partitions it owns.
    pub partitions: u16,
    /// Whether it is on its way out.
    pub leaving: bool,
}
