//! The time between the moment that the edge handed a message over and the moment that it was on disk.
//!
//! The spans of the accepting side travel inside the message, so they end before it is written. What came after belongs to
//! the commit: it gets a row, and the rows above it are shown at least as long, since nobody was answered before.

use std::collections::HashMap;

use sallyport_queue::MessageStory;

use super::messages::{MESSAGE, row_id};
use super::row::{Origin, Row, RowKind, RowSource, rounded};

/// A gap shorter than this is left out.
const COMMIT_MS_MIN: f64 = 0.05;
/// Says which part of a row nobody measured, but follows from other rows.
const DERIVED: &str = "sallyport.derived";
/// How long a span said that it took, where its row is shown longer.
const RECORDED_MS: &str = "sallyport.recorded_ms";

/// Adds the commits of what came from outside. What a handler caused is committed by its settlement, which has a span.
pub(super) fn tell_commits(messages: &[MessageStory], rows: &mut Vec<Row>, origin: Origin) {
    let places: HashMap<String, usize> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| (row.id.clone(), place))
        .collect();
    for message in messages.iter().filter(|message| message.cause.is_none()) {
        let producer = message.trace.span_id.to_string();
        let sent = places.get(&producer).and_then(|place| rows.get(*place));
        let Some(sent_ms) = sent
            .filter(|row| row.kind == RowKind::Producer)
            .and_then(recorded_end_ms)
        else {
            continue;
        };
        let accepted_ms = origin.offset_ms(message.accepted_at);
        if accepted_ms - sent_ms < COMMIT_MS_MIN {
            continue;
        }
        let id = format!("{}.c", row_id(message.id));
        let mut commit = Row::of_queue(id, RowKind::Internal, "commit".to_owned(), sent_ms);
        commit.duration_ms = Some(rounded(accepted_ms - sent_ms));
        commit.parent = Some(producer.clone());
        commit.set(MESSAGE, message.id.to_string());
        commit.set(DERIVED, "from the end of the send to the acceptance");
        rows.push(commit);
        widen(rows, &places, producer, accepted_ms);
    }
}

/// When a span ended, whether or not its row was widened.
fn recorded_end_ms(row: &Row) -> Option<f64> {
    match row.attributes.get(RECORDED_MS) {
        Some(sallyport_telemetry::trace::Value::Float(took)) => Some(row.start_ms + took),
        _ => row.end_ms(),
    }
}

/// Shows a row and those above it, as far as they belong to the accepting side, at least until then.
fn widen(rows: &mut [Row], places: &HashMap<String, usize>, from: String, until_ms: f64) {
    let mut next = Some(from);
    // No more steps than rows: parents may go round in circles.
    for _ in 0..places.len() {
        let place = next.take().and_then(|id| places.get(&id).copied());
        let Some(row) = place.and_then(|place| rows.get_mut(place)) else {
            return;
        };
        let accepts = matches!(
            row.kind,
            RowKind::Server | RowKind::Producer | RowKind::Client | RowKind::Internal
        );
        if !accepts || row.source != RowSource::Span {
            return;
        }
        if let Some(took) = row.duration_ms
            && row.start_ms + took < until_ms
        {
            if !row.attributes.contains_key(RECORDED_MS) {
                row.set(RECORDED_MS, took);
                row.set(DERIVED, "the end: not before the acceptance");
            }
            row.duration_ms = Some(rounded(until_ms - row.start_ms));
        }
        next.clone_from(&row.parent);
    }
}
