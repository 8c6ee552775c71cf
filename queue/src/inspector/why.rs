//! Why a message does not run, in plain words: what somebody asks who looks at a queue that stands still.

use jiff::{SignedDuration, Timestamp};

use super::{Inspector, MessageStory, State};
use crate::control::{Progress, Scope, WaitCause, Waiting};
use crate::error::StoreError;
use crate::message::MessageId;

/// Rows of one key that are looked at for what goes before a message.
const BEFORE_ROWS_MAX: i64 = 5_000;
/// A message that became ready so lately waits for nothing but its turn.
const AT_ONCE: SignedDuration = SignedDuration::from_millis(500);

/// The message that another one waits for.
struct Before {
    id: MessageId,
    delayed_until: Option<Timestamp>,
    attempts: u16,
    error_text: Option<String>,
}

impl Inspector {
    /// The number's trace; `None` when its day is gone and it is no dead letter.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn trace_of(
        &self,
        id: MessageId,
    ) -> Result<Option<sallyport_telemetry::trace::TraceId>, StoreError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("find a message"))?;
        let row = connection
            .query_opt(include_str!("trace_of.sql"), &[&id.0])
            .await
            .map_err(StoreError::postgres("find a message"))?;
        row.map(|row| Ok(crate::rows::trace(&row, "messages")?.trace_id))
            .transpose()
    }

    /// How far the message has come, if its handler says so.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn progress(&self, id: MessageId) -> Result<Option<Progress>, StoreError> {
        Ok(self.control.progress(&[id]).await?.into_iter().next())
    }

    /// Which of these were set aside, and what they wait for.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn set_aside(&self, ids: &[MessageId]) -> Result<Vec<Waiting>, StoreError> {
        self.control.waiting(ids).await
    }

    /// What the message waits for or came to, as sentences; the first is the reason, others add to it.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn why(
        &self,
        message: &MessageStory,
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        let mut told = match message.state {
            State::Running => vec![running(message, now)],
            State::Ended(_) | State::Unknown => vec![ended(message)],
            State::Ready | State::Held | State::Delayed => self.waiting(message, now).await?,
        };
        let orders = self.control.cancellations().await?;
        if let Some(order) = orders.iter().find(|order| order.id == message.id) {
            told.push(format!("is to be {}", order.sentence()));
        }
        Ok(told)
    }

    async fn waiting(
        &self,
        message: &MessageStory,
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        let mut told = Vec::new();
        for pause in self.control.pauses().await? {
            let what = match &pause.scope {
                Scope::Everything => "everything is paused".to_owned(),
                Scope::Kind(kind) if *kind == message.kind => format!("{kind} is paused"),
                Scope::Kind(_) => continue,
            };
            told.push(format!(
                "{what} since {} by {}: {}",
                clock(pause.since, now),
                pause.by,
                pause.reason
            ));
        }
        for waiting in self.control.waiting(&[message.id]).await? {
            // A pause has told who and why already.
            if waiting.cause != WaitCause::Paused {
                told.push(waiting.sentence());
            }
        }
        if let Some(before) = self.before(message).await? {
            told.push(behind(&before, now));
        }
        if let (true, Some(at)) = (message.state == State::Delayed, message.ready_at) {
            told.push(delayed(message, at, now));
        }
        if told.is_empty() {
            told.push(self.turn(message, now).await?);
        }
        Ok(told)
    }

    /// The message that has to end before this one may run.
    async fn before(&self, message: &MessageStory) -> Result<Option<Before>, StoreError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("look before a message"))?;
        let statement = include_str!("before.sql").replace("MAY_RUN", super::MAY_RUN);
        let row = connection
            .query_opt(
                &statement,
                &[
                    &message.partition.to_sql(),
                    &message.priority.to_sql(),
                    &message.id.0,
                    &message.key.as_str(),
                    &BEFORE_ROWS_MAX,
                ],
            )
            .await
            .map_err(StoreError::postgres("look before a message"))?;
        Ok(row.map(|row| Before {
            id: MessageId(row.get("id")),
            delayed_until: row.get("delayed_until"),
            attempts: crate::rows::small(row.get("attempts")),
            error_text: row.get("error_text"),
        }))
    }

    /// Nothing stands before it but the workers.
    async fn turn(&self, message: &MessageStory, now: Timestamp) -> Result<String, StoreError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("look for an owner"))?;
        let owner = connection
            .query_opt(
                "SELECT w.id FROM leases l JOIN workers w ON w.id = l.owner WHERE l.partition = $1",
                &[&message.partition.to_sql()],
            )
            .await
            .map_err(StoreError::postgres("look for an owner"))?;
        let since = message.ready_at.unwrap_or(message.accepted_at);
        Ok(match owner {
            None => "waits for a worker: none runs that owns its partition".to_owned(),
            Some(_) if now.duration_since(since) <= AT_ONCE => "is about to be handled".to_owned(),
            Some(row) => format!(
                "waits for its turn at {} since {}",
                row.get::<_, &str>("id"),
                clock(since, now)
            ),
        })
    }
}

fn behind(before: &Before, now: Timestamp) -> String {
    let id = before.id;
    match (before.delayed_until, &before.error_text) {
        (Some(until), error) => {
            let why = error
                .as_deref()
                .map(|error| format!(": {error}"))
                .unwrap_or_default();
            format!(
                "waits for message {id} of the same conversation, which is retried at {} (attempt {}{why})",
                clock(until, now),
                before.attempts.saturating_add(1),
            )
        }
        (None, _) => format!("waits for message {id} of the same conversation, which is before it"),
    }
}

fn delayed(message: &MessageStory, at: Timestamp, now: Timestamp) -> String {
    let last = message
        .attempts
        .iter()
        .rev()
        .find(|attempt| attempt.ended_at.is_some());
    match last {
        Some(last) if last.outcome == "snooze" => {
            format!("was put off and is taken up again at {}", clock(at, now))
        }
        Some(last) => {
            let why = last.error_text.as_deref().unwrap_or("no reason known");
            format!(
                "is retried at {} (attempt {}: {why})",
                clock(at, now),
                last.attempt.saturating_add(1)
            )
        }
        None => format!("is to start at {}", clock(at, now)),
    }
}

fn running(message: &MessageStory, now: Timestamp) -> String {
    match message.attempts.last() {
        Some(attempt) => format!(
            "is being handled by {} since {} (attempt {})",
            attempt.worker,
            clock(attempt.started_at, now),
            attempt.attempt
        ),
        None => "is being handled".to_owned(),
    }
}

fn ended(message: &MessageStory) -> String {
    let state = message.state.as_str();
    let last = message.attempts.last();
    let why = last.and_then(|last| last.error_text.as_deref());
    let how = match (message.state, why) {
        (State::Unknown, _) => return "its rows are gone".to_owned(),
        (_, Some(why)) => format!("ended as {state}: {why}"),
        (_, None) => format!("ended as {state}"),
    };
    match message.replayed_as {
        Some(new) => format!("{how}; was replayed as message {new}"),
        None => how,
    }
}

/// A moment for a person: the time of day while that is clear, else with its date. In UTC, as logs are.
#[must_use]
pub fn clock(moment: Timestamp, now: Timestamp) -> String {
    let near = moment.duration_since(now).abs() < SignedDuration::from_hours(12);
    let form = if near {
        "%H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M:%S"
    };
    moment
        .to_zoned(jiff::tz::TimeZone::UTC)
        .strftime(form)
        .to_string()
}
