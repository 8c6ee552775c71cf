//! Weaves one story from what the queue's rows say and what the recorder kept: a function of plain values.
//!
//! The queue's rows come first, since they are always there; spans are hung in where they belong. What neither knows
//! is said in a note instead of being left out in silence.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use sallyport_queue::{AttemptStory, MessageId, MessageStory, Outcome, State};
use sallyport_telemetry::trace::{SpanKind, SpanRecord, TraceId, Value};

use super::commit::tell_commits;
use super::messages::{self, ATTEMPT, MESSAGE, rows_of, was_interrupted};
use super::row::{Origin, Row, RowKind, RowSource, rounded, span_ms};
use super::standing::standing;
use super::{Story, StoryMessage, sentence, tree};

/// Rows of one story; more are cut off with a note. A page that draws them stays usable.
const ROWS_MAX: usize = 2_000;

/// The story of a trace, or `None` when nothing at all is known of it.
pub(super) fn weave(
    trace_id: TraceId,
    messages: &[MessageStory],
    spans: Vec<SpanRecord>,
    now: Timestamp,
) -> Option<Story> {
    let origin = Origin(began(messages, &spans)?);
    let ended = ended(messages, &spans)?;
    let notes = notes(messages, &spans);
    let told: Vec<StoryMessage> = messages.iter().map(StoryMessage::of).collect();
    let standing = standing(&told, &spans);
    let finished = !standing.goes_on();
    let (root, mut rows) = tree::arrange(rows(messages, spans, origin))?;
    let mut story = Story {
        trace_id,
        code: trace_id.support_code(),
        outcome: standing,
        finished,
        sentence: String::new(),
        started_at: origin.0,
        duration_ms: span_ms(origin.0, if finished { ended } else { now.max(ended) }),
        notes,
        root,
        messages: told,
        rows: Vec::new(),
    };
    story.sentence = sentence::sentence(&story, &rows);
    let cut = rows.len().saturating_sub(ROWS_MAX);
    if cut > 0 {
        // Parents come before their children, so whatever is cut off takes nobody's parent away.
        rows.truncate(ROWS_MAX);
        story.notes.push(format!("{cut} more rows are not shown"));
    }
    story.rows = rows;
    Some(story)
}

fn began(messages: &[MessageStory], spans: &[SpanRecord]) -> Option<Timestamp> {
    let accepted = messages.iter().map(|message| message.accepted_at);
    accepted.chain(spans.iter().map(|span| span.start)).min()
}

/// When anything was last heard of.
fn ended(messages: &[MessageStory], spans: &[SpanRecord]) -> Option<Timestamp> {
    let messages = messages.iter().map(messages::last_known);
    messages.chain(spans.iter().map(end_of)).max()
}

fn end_of(span: &SpanRecord) -> Timestamp {
    let took = jiff::SignedDuration::from_nanos(i64::try_from(span.duration).unwrap_or(i64::MAX));
    span.start.checked_add(took).unwrap_or(span.start)
}

fn rows(messages: &[MessageStory], spans: Vec<SpanRecord>, origin: Origin) -> Vec<Row> {
    let known: HashSet<MessageId> = messages.iter().map(|message| message.id).collect();
    let span_ids: HashSet<String> = spans.iter().map(|span| span.span_id.to_string()).collect();
    let mut attempts: BTreeMap<MessageId, Vec<Row>> = BTreeMap::new();
    let mut rows = Vec::new();
    for span in spans {
        let message = message_of(&span).filter(|id| known.contains(id));
        let is_attempt = span.kind == SpanKind::Consumer;
        let mut row = Row::of_span(span, origin);
        match message {
            Some(id) if is_attempt => attempts.entry(id).or_default().push(row),
            // The settlement is told beside its attempt, under the same message.
            Some(id) if row.name.starts_with("settle ") => {
                row.parent = Some(messages::row_id(id));
                rows.push(row);
            }
            Some(_) | None => rows.push(row),
        }
    }
    let causes = parents(messages, &span_ids);
    for message in messages {
        let mut own = rows_of(
            message,
            attempts.remove(&message.id).unwrap_or_default(),
            origin,
        );
        if let Some(first) = own.first_mut() {
            first.parent = causes.get(&message.id).cloned();
        }
        rows.extend(own);
    }
    rows.extend(replays(messages, origin));
    tell_commits(messages, &mut rows, origin);
    rows
}

/// What lies between deaths and replays.
fn replays(messages: &[MessageStory], origin: Origin) -> impl Iterator<Item = Row> {
    messages.iter().filter_map(move |replay| {
        let dead = messages
            .iter()
            .find(|message| Some(message.id) == replay.replay_of)?;
        Some(messages::wait_for_replay(dead, replay, origin))
    })
}

/// Which message a span works on.
fn message_of(span: &SpanRecord) -> Option<MessageId> {
    match span.attribute(MESSAGE)? {
        Value::Str(text) => text.parse().ok().map(MessageId),
        Value::Int(number) => Some(MessageId(*number)),
        Value::Bool(_) | Value::Float(_) => None,
    }
}

/// Under which row each message belongs: the dead letter that it replays, the span that put it on the queue, or else the
/// message that caused it.
fn parents(messages: &[MessageStory], span_ids: &HashSet<String>) -> HashMap<MessageId, String> {
    let mut parents = HashMap::new();
    for message in messages {
        let producer = message.trace.span_id.to_string();
        let dead = message
            .replay_of
            .filter(|dead| messages.iter().any(|other| other.id == *dead));
        if let Some(dead) = dead {
            parents.insert(message.id, messages::row_id(dead));
        } else if span_ids.contains(&producer) {
            parents.insert(message.id, producer);
        } else if let Some(cause) = message.cause {
            parents.insert(message.id, messages::row_id(cause));
        }
    }
    parents
}

/// What a reader has to know about what is not shown.
fn notes(messages: &[MessageStory], spans: &[SpanRecord]) -> Vec<String> {
    let mut notes = Vec::new();
    let finished = messages
        .iter()
        .all(|message| matches!(message.state, State::Ended(_) | State::Unknown));
    if spans.is_empty() && finished {
        notes.push("spans not kept".to_owned());
    }
    for message in messages {
        for attempt in message
            .attempts
            .iter()
            .filter(|attempt| was_interrupted(attempt) && !has_span(spans, message, attempt))
        {
            let at = attempt.ended_at.unwrap_or(attempt.started_at);
            notes.push(format!(
                "{}, {}",
                messages::spans_lost(attempt),
                at.strftime("%H:%M:%S")
            ));
        }
        for send in &message.ambiguous {
            notes.push(format!(
                "message {} may have been sent twice (attempt {})",
                message.id, send.attempt
            ));
        }
        if message.state == State::Ended(Outcome::Erased) {
            notes.push(format!("the content of message {} was erased", message.id));
        }
    }
    notes
}

/// Whether somebody handed in the span of this attempt: a worker that lost its partitions may have lived on.
fn has_span(spans: &[SpanRecord], message: &MessageStory, attempt: &AttemptStory) -> bool {
    spans.iter().any(|span| {
        span.kind == SpanKind::Consumer
            && message_of(span) == Some(message.id)
            && span.attribute(ATTEMPT) == Some(&attempt.attempt.into())
    })
}

/// How much of the story's time rows of some sort took together, overlaps counted once.
pub(super) fn covered_ms<'a>(rows: impl Iterator<Item = &'a Row>) -> f64 {
    let mut stretches: Vec<(f64, f64)> = rows
        .filter_map(|row| Some((row.start_ms, row.end_ms()?)))
        .collect();
    stretches.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut total, mut reached) = (0.0, f64::NEG_INFINITY);
    for (start, end) in stretches {
        let start = start.max(reached);
        if end > start {
            total += end - start;
            reached = end;
        }
    }
    rounded(total)
}

/// Whether a row is a call of a model.
pub(super) fn is_model(row: &Row) -> bool {
    row.source == RowSource::Span && row.kind == RowKind::Client && row.name.starts_with("chat ")
}
