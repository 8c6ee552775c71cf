//! The rows that the queue tells of: a message, its waits, its attempts.
//!
//! An attempt whose span was kept is one row, told by both: the span knows what happened inside and how long it took,
//! the queue knows how it was judged. An attempt without a span is a row all the same, so a story is never empty.

use jiff::Timestamp;
use sallyport_queue::{AttemptStory, MessageId, MessageStory, Outcome, State};

use super::row::{Origin, Row, RowEvent, RowKind, RowStatus, rounded, span_ms};

/// A wait shorter than this is left out: it is the hand-over itself.
const WAIT_MS_MIN: f64 = 0.05;

/// How the queue calls an attempt that a crash cut off.
const INTERRUPTED: &str = "interrupted";
/// How the queue calls an attempt that was put off before it was one.
const SNOOZE: &str = "snooze";
/// What a reader of the row has to know.
const NOTE: &str = "sallyport.note";
/// Which attempt, from 1.
pub(super) const ATTEMPT: &str = "sallyport.attempt";
/// What it came to.
pub(super) const OUTCOME: &str = "sallyport.outcome";
/// Which message.
pub(super) const MESSAGE: &str = "messaging.message.id";

/// The id of a message's row.
pub(super) fn row_id(message: MessageId) -> String {
    format!("m{message}")
}

/// All rows of one message; `spans` are the rows of its recorded attempts.
pub(super) fn rows_of(message: &MessageStory, spans: Vec<Row>, origin: Origin) -> Vec<Row> {
    let mut attempts = attempts(message, spans, origin);
    note_ambiguous(message, &mut attempts, origin);
    let mut rows = vec![message_row(message, origin)];
    rows.extend(waits(message, &attempts, origin));
    rows.extend(attempts);
    rows
}

fn message_row(message: &MessageStory, origin: Origin) -> Row {
    let start_ms = origin.offset_ms(message.accepted_at);
    let mut row = Row::of_queue(
        row_id(message.id),
        RowKind::Message,
        format!("message {}", message.kind),
        start_ms,
    );
    row.duration_ms = message
        .ended_at
        .map(|ended| span_ms(message.accepted_at, ended));
    row.set(MESSAGE, message.id.to_string());
    row.set("sallyport.kind", message.kind.clone());
    row.set("sallyport.bot", message.bot.clone());
    row.set("sallyport.key", message.key.as_str().to_owned());
    row.set("sallyport.source", message.source.clone());
    row.set(OUTCOME, message.state.as_str());
    if let Some(delivery) = &message.delivery_id {
        row.set("sallyport.delivery_id", delivery.clone());
    }
    if let Some(dead) = message.replay_of {
        row.set("sallyport.replay_of", dead.to_string());
    }
    if let Some(replay) = message.replayed_as {
        row.set("sallyport.replayed_as", replay.to_string());
    }
    if let Some(ready_at) = message.ready_at {
        row.set("sallyport.ready_at", ready_at.to_string());
    }
    row.events.push(RowEvent::new("accepted", start_ms));
    if let Some(ended) = message.ended_at {
        row.events.push(RowEvent::new(
            message.state.as_str(),
            origin.offset_ms(ended),
        ));
    }
    row.status = match message.state {
        State::Ready | State::Delayed | State::Held => RowStatus::Waiting,
        State::Running => RowStatus::Running,
        State::Ended(_) | State::Unknown => RowStatus::Ok,
    };
    if message.state == State::Ended(Outcome::Dead) {
        let last = message.attempts.iter().rev().find_map(error_of);
        row.fail(last.as_deref().unwrap_or("gave up"));
    }
    row
}

/// The attempts by their start. A snooze bears the number of the attempt that it was not, so the span that belongs to
/// an attempt is the one of its number that began nearest to it.
fn attempts(message: &MessageStory, mut spans: Vec<Row>, origin: Origin) -> Vec<Row> {
    let mut rows = Vec::new();
    for (place, attempt) in message.attempts.iter().enumerate() {
        let start_ms = origin.offset_ms(attempt.started_at);
        let nearest = spans
            .iter()
            .enumerate()
            .filter(|(_, span)| span.attributes.get(ATTEMPT) == Some(&attempt.attempt.into()))
            .min_by(|(_, a), (_, b)| {
                (a.start_ms - start_ms)
                    .abs()
                    .total_cmp(&(b.start_ms - start_ms).abs())
            })
            .map(|(index, _)| index);
        let row = nearest.map(|index| spans.swap_remove(index));
        rows.push(judged(
            row.unwrap_or_else(|| bare(message, attempt, place, origin)),
            attempt,
        ));
    }
    rows.extend(spans);
    for row in &mut rows {
        row.kind = RowKind::Attempt;
        row.parent = Some(row_id(message.id));
    }
    rows.sort_by(|a, b| a.start_ms.total_cmp(&b.start_ms));
    rows
}

/// The row of an attempt whose span nobody has.
fn bare(message: &MessageStory, attempt: &AttemptStory, place: usize, origin: Origin) -> Row {
    let id = format!("{}.a{place}", row_id(message.id));
    let name = format!("process {}", message.kind);
    let mut row = Row::of_queue(
        id,
        RowKind::Attempt,
        name,
        origin.offset_ms(attempt.started_at),
    );
    row.duration_ms = attempt
        .ended_at
        .map(|ended| span_ms(attempt.started_at, ended));
    if was_interrupted(attempt) {
        row.set(NOTE, spans_lost(attempt));
    }
    row
}

/// What is to be said of an interrupted attempt without a span.
pub(super) fn spans_lost(attempt: &AttemptStory) -> String {
    format!("spans lost with worker {}", attempt.worker)
}

/// How often a message was tried.
pub(super) fn attempts_of(message: &MessageStory) -> usize {
    let tried = message.attempts.iter();
    tried.filter(|attempt| attempt.outcome != SNOOZE).count()
}

/// The time between the death of a message and its replay, which somebody had to ask for.
pub(super) fn wait_for_replay(dead: &MessageStory, replay: &MessageStory, origin: Origin) -> Row {
    let died_at = last_known(dead);
    let id = format!("{}.r", row_id(replay.id));
    let start_ms = origin.offset_ms(died_at);
    let mut row = Row::of_queue(id, RowKind::Wait, "wait".to_owned(), start_ms);
    row.parent = Some(row_id(dead.id));
    row.duration_ms = Some(span_ms(died_at, replay.accepted_at));
    row.set("sallyport.wait_after", "dead");
    row
}

/// The row with the queue's judgement in it.
fn judged(mut row: Row, attempt: &AttemptStory) -> Row {
    row.set(ATTEMPT, attempt.attempt);
    row.set(OUTCOME, attempt.outcome.clone());
    row.set("sallyport.worker", attempt.worker.clone());
    if let Some(kind) = &attempt.error_kind {
        row.set("error.type", kind.clone());
    }
    match error_of(attempt) {
        Some(error) if row.error.is_none() => row.fail(&error),
        Some(_) => row.status = RowStatus::Error,
        None if row.duration_ms.is_none() => row.status = RowStatus::Running,
        None => {}
    }
    row
}

/// The worker died or lost the partition under it, so nobody was left to hand its spans in.
pub(super) fn was_interrupted(attempt: &AttemptStory) -> bool {
    attempt.outcome == INTERRUPTED
}

/// What an attempt's row shows as its error.
pub(super) fn error_of(attempt: &AttemptStory) -> Option<String> {
    let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    said(&attempt.error_text)
        .or_else(|| said(&attempt.error_kind))
        .or_else(|| {
            was_interrupted(attempt).then(|| "interrupted: its worker went away".to_owned())
        })
}

/// Sends that may have happened twice show where they happened.
fn note_ambiguous(message: &MessageStory, attempts: &mut [Row], origin: Origin) {
    for send in &message.ambiguous {
        let number = send.attempt.into();
        let Some(row) = attempts
            .iter_mut()
            .find(|row| row.attributes.get(ATTEMPT) == Some(&number))
        else {
            continue;
        };
        let mut event = RowEvent::new("send.ambiguous", origin.offset_ms(send.at));
        event
            .attributes
            .insert("reason".to_owned(), send.reason.clone().into());
        row.events.push(event);
    }
}

/// The times between attempts, and the one that goes on while the message waits.
fn waits(message: &MessageStory, attempts: &[Row], origin: Origin) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut since_ms = Some(origin.offset_ms(message.accepted_at));
    let mut after = "queue".to_owned();
    let wait = |number: usize, since_ms: f64, after: &str| {
        let id = format!("{}.w{number}", row_id(message.id));
        let mut row = Row::of_queue(id, RowKind::Wait, "wait".to_owned(), since_ms);
        row.parent = Some(row_id(message.id));
        row.set("sallyport.wait_after", after.to_owned());
        row
    };
    for (number, attempt) in attempts.iter().enumerate() {
        if let Some(since_ms) = since_ms {
            let took = rounded(attempt.start_ms - since_ms);
            if took >= WAIT_MS_MIN {
                let mut row = wait(number, since_ms, &after);
                row.duration_ms = Some(took);
                rows.push(row);
            }
        }
        since_ms = attempt.end_ms();
        if let Some(outcome) = attempt
            .attributes
            .get(OUTCOME)
            .and_then(|value| value.as_str())
        {
            after = outcome.to_owned();
        }
    }
    let waits_now = matches!(message.state, State::Ready | State::Delayed | State::Held);
    if let (true, Some(since_ms)) = (waits_now, since_ms) {
        let mut row = wait(attempts.len(), since_ms, &after);
        row.status = RowStatus::Waiting;
        rows.push(row);
    }
    rows
}

/// When a message was last heard of.
pub(super) fn last_known(message: &MessageStory) -> Timestamp {
    let ends = message
        .attempts
        .iter()
        .filter_map(|attempt| attempt.ended_at);
    ends.chain(message.ended_at)
        .chain([message.accepted_at])
        .max()
        .unwrap_or(message.accepted_at)
}
