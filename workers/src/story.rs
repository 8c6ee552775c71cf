//! The story of a message: everything known about one trace, as one tree.
//!
//! It exists because two rooms know halves of it: the queue knows what was accepted, tried, waited for and decided,
//! the flight recorder knows what happened inside. A story is drawn from the queue's rows first and from spans second,
//! so it is never empty. It says nothing of what anybody wrote.

mod commit;
mod messages;
mod row;
mod sentence;
mod standing;
mod tree;
mod weave;

use std::str::FromStr;

use jiff::Timestamp;
use sallyport_queue::{Inspector, MessageId, MessageStory, Outcome, State, StoreError};
use sallyport_recorder::{FindError, Recorder};
use sallyport_telemetry::trace::{SupportCode, TraceId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema::{SupportCodeText, TraceIdText};

pub use self::row::{Row, RowEvent, RowKind, RowLink, RowSource, RowStatus};

/// Traces that one support code is looked up for. Forty bits make two unlikely, three a curiosity.
const MATCHES_MAX: u16 = 10;

/// Tells stories. Cheap to clone.
#[derive(Clone)]
pub struct StoryTeller {
    inspector: Inspector,
    recorder: Recorder,
}

/// What people call a trace by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// Its id.
    Trace(TraceId),
    /// Its short form.
    Code(SupportCode),
}

/// The text is neither a trace id nor a support code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a support code such as K7QF-3M2X nor a trace id of 32 hexadecimal digits")]
pub struct ParseReferenceError;

/// What was found behind a reference.
#[derive(Clone, Debug)]
pub enum Told {
    /// One story.
    Story(Box<Story>),
    /// Several traces share the code.
    Several(Vec<TraceId>),
    /// Nothing, or nothing any more.
    Nothing,
}

/// Why a story could not be told.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    /// The queue's rows could not be read.
    #[error("the queue's rows of a story could not be read")]
    Queue(#[source] StoreError),
    /// The recorded spans could not be read.
    #[error("the spans of a story could not be read")]
    Spans(#[source] FindError),
}

/// Everything known about one trace. Its serialised form is the API's.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Story {
    /// The trace.
    #[schema(value_type = TraceIdText)]
    pub trace_id: TraceId,
    /// What people call it.
    #[schema(value_type = SupportCodeText)]
    pub code: SupportCode,
    /// How it stands.
    pub outcome: Standing,
    /// Nothing of it waits or runs any more.
    pub finished: bool,
    /// What became of it, for a glance.
    pub sentence: String,
    /// When its first row begins.
    pub started_at: Timestamp,
    /// From there to the end of its last row, or to now while it goes on.
    pub duration_ms: f64,
    /// What is not shown, and why.
    pub notes: Vec<String>,
    /// The id of the one row without a parent.
    pub root: String,
    /// Its way: depth first, children by their start.
    pub rows: Vec<Row>,
    /// Its messages, in the order of the queue.
    pub messages: Vec<StoryMessage>,
}

impl Story {
    /// Its dead messages that nobody has replayed, in the order of the queue: what a replay puts back.
    #[must_use]
    pub fn dead_messages(&self) -> Vec<MessageId> {
        let dead = self
            .messages
            .iter()
            .filter(|message| message.outcome == Standing::Dead && message.replayed_as.is_none());
        dead.filter_map(|message| message.id.parse().ok().map(MessageId))
            .collect()
    }
}

/// One message of a story.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StoryMessage {
    /// Its number; a text, since JSON's numbers end earlier.
    pub id: String,
    /// What it is.
    pub kind: String,
    /// How it stands.
    pub outcome: Standing,
    /// Attempts that ended, were interrupted or run; a snooze is none.
    pub attempts: usize,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The id of its row.
    pub row: String,
    /// The message that caused it; of a replay, the dead letter.
    pub cause: Option<String>,
    /// The dead letter that it is a replay of.
    pub replay_of: Option<String>,
    /// The message that it became when it was tried again after its death.
    pub replayed_as: Option<String>,
    /// What the source calls it.
    pub delivery: Option<Delivery>,
    /// Whom it concerns: decides who may read the story, and is not part of it.
    #[serde(skip)]
    pub subject: Option<String>,
}

/// What a source calls a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Delivery {
    /// Which source.
    pub source: String,
    /// Its own number for the message.
    pub id: String,
}

/// How a message or a trace stands. Ordered so that, of several that go on, the liveliest is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[schema(description = "How a message or a trace stands.")]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Its rows are gone.
    Unknown,
    /// Spans alone, none failed.
    Ok,
    /// Spans alone, one failed.
    Error,
    /// The edge refused it.
    Refused,
    /// Handled.
    Done,
    /// Nobody handles such a message.
    Ignored,
    /// It was decided not to do it.
    Cancelled,
    /// It came too late.
    Expired,
    /// Its content was erased.
    Erased,
    /// It failed for good.
    Dead,
    /// Not over; its story says more.
    Open,
    /// It waits for the head of its key.
    Held,
    /// It waits for its time.
    Delayed,
    /// It waits for a worker.
    Ready,
    /// A worker has it.
    Running,
}

impl Standing {
    /// The standing behind a message's state.
    #[must_use]
    pub fn of(state: State) -> Self {
        match state {
            State::Ready => Self::Ready,
            State::Delayed => Self::Delayed,
            State::Held => Self::Held,
            State::Running => Self::Running,
            State::Unknown => Self::Unknown,
            State::Ended(outcome) => Self::from(outcome),
        }
    }

    /// Whether more is to come.
    #[must_use]
    pub fn goes_on(self) -> bool {
        matches!(
            self,
            Self::Open | Self::Ready | Self::Delayed | Self::Held | Self::Running
        )
    }
}

impl From<Outcome> for Standing {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::Ignored => Self::Ignored,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::Expired => Self::Expired,
            Outcome::Erased => Self::Erased,
            Outcome::Dead => Self::Dead,
        }
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Ok(trace) = text.to_ascii_lowercase().parse() {
            return Ok(Self::Trace(trace));
        }
        text.parse()
            .map(Self::Code)
            .map_err(|_| ParseReferenceError)
    }
}

impl StoryMessage {
    fn of(message: &MessageStory) -> Self {
        Self {
            id: message.id.to_string(),
            kind: message.kind.clone(),
            outcome: Standing::of(message.state),
            attempts: messages::attempts_of(message),
            accepted_at: message.accepted_at,
            ended_at: message.ended_at,
            row: messages::row_id(message.id),
            cause: message.cause.map(|cause| cause.to_string()),
            replay_of: message.replay_of.map(|dead| dead.to_string()),
            replayed_as: message.replayed_as.map(|replay| replay.to_string()),
            delivery: message.delivery_id.as_ref().map(|id| Delivery {
                source: message.source.clone(),
                id: id.clone(),
            }),
            subject: message.subject.clone(),
        }
    }
}

impl StoryTeller {
    /// A teller that reads from these two.
    #[must_use]
    pub fn new(inspector: Inspector, recorder: Recorder) -> Self {
        Self {
            inspector,
            recorder,
        }
    }

    /// Finds and tells what a reference means.
    ///
    /// # Errors
    /// When either half could not be read.
    pub async fn tell(&self, reference: Reference) -> Result<Told, StoryError> {
        let trace = match reference {
            Reference::Trace(trace) => trace,
            Reference::Code(code) => match self.traces_of(code).await?.as_slice() {
                [] => return Ok(Told::Nothing),
                [one] => *one,
                several => return Ok(Told::Several(several.to_vec())),
            },
        };
        let story = self.story(trace).await?;
        Ok(story.map_or(Told::Nothing, |story| Told::Story(Box::new(story))))
    }

    /// The story of one trace; `None` when nothing is known of it.
    ///
    /// # Errors
    /// When either half could not be read.
    pub async fn story(&self, trace: TraceId) -> Result<Option<Story>, StoryError> {
        let (messages, spans) =
            tokio::join!(self.inspector.by_trace(trace), self.recorder.spans(trace));
        let messages = messages.map_err(StoryError::Queue)?;
        let spans = spans.map_err(StoryError::Spans)?;
        Ok(weave::weave(trace, &messages, spans, Timestamp::now()))
    }

    /// The traces that share a support code, at most ten.
    ///
    /// # Errors
    /// When either half could not be read.
    pub async fn traces_of(&self, code: SupportCode) -> Result<Vec<TraceId>, StoryError> {
        let bounds = code.bounds();
        let (queue, spans) = tokio::join!(
            self.inspector.traces_between(bounds, MATCHES_MAX),
            self.recorder.traces_between(bounds, MATCHES_MAX),
        );
        let mut traces = queue.map_err(StoryError::Queue)?;
        traces.extend(spans.map_err(StoryError::Spans)?);
        traces.sort_unstable();
        traces.dedup();
        traces.truncate(usize::from(MATCHES_MAX));
        Ok(traces)
    }
}

#[cfg(test)]
mod tests;
