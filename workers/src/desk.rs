//! What an engineer sees at the desk: messages, schedules and replays as the command line and the API write them.
//!
//! It exists so that both say the same in the same names. Ids are texts, because JSON's numbers end earlier; no message's
//! text is among it.

mod replays;

use jiff::Timestamp;
use sallyport_queue::{
    CronStory, Inspector, ListEntry, MessageId, MessageStory, Pause, Scope, State, StoreError,
    clock,
};
use sallyport_telemetry::trace::{SupportCode, TraceId};
use serde::Serialize;
use utoipa::ToSchema;

pub use self::replays::{CandidateLine, DryRunSheet, FilterLine, RefusedLine, ReplayLine};
use crate::schema::{SupportCodeText, TraceIdText};

/// How a message is shown that was set aside: delayed in its row, but not until a time.
const WAITING: &str = "waiting";

/// One message of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MessageLine {
    /// Its number.
    pub id: String,
    /// Its state in one word.
    pub state: String,
    /// What it is.
    pub kind: String,
    /// Its bot.
    pub bot: String,
    /// Its tenant.
    pub tenant: String,
    /// Its key.
    pub key: String,
    /// Attempts so far.
    pub attempts: u16,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Since when or from when on it can run; when it ended.
    pub at: Timestamp,
    /// Its last error, by kind.
    pub error_kind: Option<String>,
    /// Why it stands where it stands, in plain words.
    pub reason: String,
    /// The short name of its trace.
    #[schema(value_type = SupportCodeText)]
    pub code: SupportCode,
    /// Its trace.
    #[schema(value_type = TraceIdText)]
    pub trace_id: TraceId,
}

/// Everything about one message.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MessageSheet {
    /// Its number.
    pub id: String,
    /// Its state in one word.
    pub state: String,
    /// What it is.
    pub kind: String,
    /// Its bot.
    pub bot: String,
    /// Its tenant.
    pub tenant: String,
    /// Where it came from.
    pub source: String,
    /// The source's own number for it.
    pub delivery_id: Option<String>,
    /// Its key.
    pub key: String,
    /// Why it stands where it stands: the reason first.
    pub reasons: Vec<String>,
    /// How far it has come, if its handler says so.
    pub progress: Option<ProgressLine>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What caused it.
    pub cause: Option<String>,
    /// What it is a replay of.
    pub replay_of: Option<String>,
    /// What it became when it was replayed.
    pub replayed_as: Option<String>,
    /// How long its payload is.
    pub payload_bytes: u64,
    /// Every attempt.
    pub attempts: Vec<AttemptLine>,
    /// The short name of its trace.
    #[schema(value_type = SupportCodeText)]
    pub code: SupportCode,
    /// Its trace.
    #[schema(value_type = TraceIdText)]
    pub trace_id: TraceId,
}

/// How far long work has come.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProgressLine {
    /// How much is done.
    pub done: u64,
    /// Of how much.
    pub of: Option<u64>,
    /// In words.
    pub note: String,
    /// When that was said.
    pub at: Timestamp,
}

/// One attempt.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AttemptLine {
    /// Its number.
    pub attempt: u16,
    /// What it came to.
    pub outcome: String,
    /// Its error, by kind.
    pub error_kind: Option<String>,
    /// Its error, in words.
    pub error: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who made it.
    pub worker: String,
}

/// One schedule.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ScheduleLine {
    /// Its name.
    pub name: String,
    /// Its bot.
    pub bot: String,
    /// What it becomes.
    pub kind: String,
    /// Its cron line and zone.
    pub cron: Option<String>,
    /// The zone of the line.
    pub zone: Option<String>,
    /// What becomes of missed times.
    pub missed: String,
    /// The next times.
    pub next: Vec<Timestamp>,
    /// The time that it last became a message for.
    pub last: Option<Timestamp>,
    /// That message.
    pub last_message: Option<String>,
    /// How many messages it has become.
    pub fired: u64,
    /// Who paused it and why, if it is.
    pub paused: Option<PauseLine>,
}

/// A pause.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PauseLine {
    /// What: a kind, `everything`, or a schedule.
    pub what: String,
    /// Since when.
    pub since: Timestamp,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
}

impl MessageLine {
    /// The line of an entry.
    #[must_use]
    pub fn of(entry: ListEntry, now: Timestamp) -> Self {
        let trace_id = entry.trace.trace_id;
        Self {
            reason: reason(&entry, now),
            id: entry.id.to_string(),
            state: entry.state.as_str().to_owned(),
            kind: entry.kind,
            bot: entry.bot,
            tenant: entry.tenant,
            key: entry.key,
            attempts: entry.attempts,
            accepted_at: entry.accepted_at,
            at: entry.at,
            error_kind: entry.error_kind,
            code: trace_id.support_code(),
            trace_id,
        }
    }
}

impl MessageLine {
    /// The lines of a page. What was set aside is shown as waiting, with what it waits for: it has no time to start at.
    ///
    /// # Errors
    /// The queue's rows could not be read.
    pub async fn page(
        inspector: &Inspector,
        entries: Vec<ListEntry>,
        now: Timestamp,
    ) -> Result<Vec<Self>, StoreError> {
        let delayed: Vec<MessageId> = entries
            .iter()
            .filter(|entry| entry.state == State::Delayed)
            .map(|entry| entry.id)
            .collect();
        let aside = match delayed.as_slice() {
            [] => Vec::new(),
            ids => inspector.set_aside(ids).await?,
        };
        let line = |entry: ListEntry| {
            let waiting = aside.iter().find(|waiting| waiting.id == entry.id);
            let line = Self::of(entry, now);
            match waiting {
                Some(waiting) => Self {
                    state: WAITING.to_owned(),
                    reason: waiting.sentence(),
                    ..line
                },
                None => line,
            }
        };
        Ok(entries.into_iter().map(line).collect())
    }
}

/// What a list tells without another look; `show` tells more.
fn reason(entry: &ListEntry, now: Timestamp) -> String {
    let at = clock(entry.at, now);
    let error = entry.error_text.as_deref();
    match entry.state {
        State::Ready => format!("may run since {at}"),
        State::Running => format!(
            "in the hands of {}",
            entry.worker.as_deref().unwrap_or("a worker")
        ),
        State::Held => match entry.head {
            Some(head) => format!("waits for message {head} of the same conversation"),
            None => "waits for an earlier message of the same conversation".to_owned(),
        },
        State::Delayed => match error {
            Some(error) => format!("is taken up again at {at}: {error}"),
            None => format!("is to start at {at}"),
        },
        State::Ended(_) | State::Unknown => error.unwrap_or("no reason kept").to_owned(),
    }
}

impl MessageSheet {
    /// The sheet of a message by its number; `None` when nothing is known of it any more.
    ///
    /// # Errors
    /// The queue's rows could not be read.
    pub async fn find(inspector: &Inspector, id: MessageId) -> Result<Option<Self>, StoreError> {
        let Some(trace) = inspector.trace_of(id).await? else {
            return Ok(None);
        };
        let messages = inspector.by_trace(trace).await?;
        let Some(message) = messages.into_iter().find(|message| message.id == id) else {
            return Ok(None);
        };
        let reasons = inspector.why(&message, Timestamp::now()).await?;
        let progress = inspector.progress(id).await?;
        let mut sheet = Self::of(message, reasons);
        sheet.progress = progress.map(|progress| ProgressLine {
            done: progress.done,
            of: progress.of,
            note: progress.note,
            at: progress.at,
        });
        Ok(Some(sheet))
    }

    fn of(message: MessageStory, reasons: Vec<String>) -> Self {
        let number = |id: MessageId| id.to_string();
        let trace_id = message.trace.trace_id;
        Self {
            id: number(message.id),
            state: message.state.as_str().to_owned(),
            kind: message.kind,
            bot: message.bot,
            tenant: message.tenant,
            source: message.source,
            delivery_id: message.delivery_id,
            key: message.key.as_str().to_owned(),
            reasons,
            progress: None,
            accepted_at: message.accepted_at,
            ended_at: message.ended_at,
            cause: message.cause.map(number),
            replay_of: message.replay_of.map(number),
            replayed_as: message.replayed_as.map(number),
            payload_bytes: message.payload_bytes,
            attempts: message.attempts.into_iter().map(AttemptLine::of).collect(),
            code: trace_id.support_code(),
            trace_id,
        }
    }
}

impl AttemptLine {
    fn of(attempt: sallyport_queue::AttemptStory) -> Self {
        Self {
            attempt: attempt.attempt,
            outcome: attempt.outcome,
            error_kind: attempt.error_kind,
            error: attempt.error_text,
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
            worker: attempt.worker,
        }
    }
}

impl ScheduleLine {
    /// The line of a schedule.
    #[must_use]
    pub fn of(schedule: CronStory) -> Self {
        let name = schedule.name.clone();
        Self {
            name: schedule.name,
            bot: schedule.bot,
            kind: schedule.kind,
            cron: schedule.cron,
            zone: schedule.zone,
            missed: schedule.missed,
            next: schedule.next,
            last: schedule.last_due_at,
            last_message: schedule.last_message.map(|id| id.to_string()),
            fired: schedule.fired,
            paused: schedule.paused.map(|paused| PauseLine {
                what: name,
                since: paused.at,
                by: paused.by,
                why: paused.why,
            }),
        }
    }
}

impl PauseLine {
    /// The line of a pause.
    #[must_use]
    pub fn of(pause: Pause) -> Self {
        Self {
            what: match pause.scope {
                Scope::Everything => "everything".to_owned(),
                Scope::Kind(kind) => kind,
            },
            since: pause.since,
            by: pause.by,
            why: pause.reason,
        }
    }
}
