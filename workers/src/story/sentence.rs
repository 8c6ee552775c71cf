//! The one sentence above a story: what became of it, how long it took, and what took most of that.
//!
//! It exists for the glance; the rows are for the look. Operators read it, so it is English and names no person.

use super::row::{Row, RowKind};
use super::standing::counting;
use super::weave::{covered_ms, is_model};
use super::{Standing, Story, StoryMessage};

/// A part that took less of the whole is not worth naming.
const SHARE_MIN: f64 = 0.25;

/// The sentence for a story, whose rows are still apart from it.
pub(super) fn sentence(story: &Story, rows: &[Row]) -> String {
    let attempts = rows.iter().filter(|row| row.kind == RowKind::Attempt);
    let error = rows.iter().rev().find_map(|row| row.error.as_deref());
    match story.outcome {
        Standing::Ready | Standing::Delayed | Standing::Held => waiting(story, error),
        Standing::Running | Standing::Open => format!("Running for {}", humane(story.duration_ms)),
        Standing::Done | Standing::Ok => done(story, rows),
        Standing::Dead => {
            let tries = attempts.filter(|row| row.error.is_some()).count().max(1);
            let why = error.map(|error| format!(": {error}")).unwrap_or_default();
            format!(
                "Gave up after {tries} {} in {}{why}",
                plural(tries, "attempt"),
                humane(story.duration_ms)
            )
        }
        Standing::Refused => {
            let status = rows
                .iter()
                .find_map(|row| row.attributes.get("http.response.status_code"));
            match (status, error) {
                (Some(sallyport_telemetry::trace::Value::Int(status)), _) => {
                    format!("Refused with {status}")
                }
                (_, Some(error)) => format!("Refused: {error}"),
                _ => "Refused".to_owned(),
            }
        }
        Standing::Error => format!(
            "Failed after {}: {}",
            humane(story.duration_ms),
            error.unwrap_or("no reason known")
        ),
        Standing::Cancelled | Standing::Expired | Standing::Erased if unsaid(story).is_some() => {
            not_answered(story, rows)
        }
        Standing::Cancelled => format!("Cancelled after {}", humane(story.duration_ms)),
        Standing::Expired => "Came too late to be handled".to_owned(),
        Standing::Ignored => "Nobody handles such a message".to_owned(),
        Standing::Erased => "Its content was erased".to_owned(),
        Standing::Unknown => "Its rows are gone".to_owned(),
    }
}

fn waiting(story: &Story, error: Option<&str>) -> String {
    let why = error
        .map(|error| format!(", last: {error}"))
        .unwrap_or_default();
    format!("Waiting for {}{why}", humane(story.duration_ms))
}

/// The answers of a story, those that a replay stands for left out.
fn answers(story: &Story) -> impl Iterator<Item = &StoryMessage> {
    counting(&story.messages).filter(|message| message.kind.ends_with(".send"))
}

/// The first answer that was to be said, and was not, for the reason that the story stands for.
fn unsaid(story: &Story) -> Option<&StoryMessage> {
    answers(story).find(|answer| answer.outcome == story.outcome)
}

fn is_answered(story: &Story) -> bool {
    answers(story).any(|answer| answer.outcome == Standing::Done)
}

/// Nobody failed, but a person waits in vain.
fn not_answered(story: &Story, rows: &[Row]) -> String {
    let attempts = unsaid(story).into_iter().flat_map(|answer| {
        rows.iter()
            .rev()
            .filter(|row| row.kind == RowKind::Attempt && row.parent.as_ref() == Some(&answer.row))
    });
    let reason = match story.outcome {
        Standing::Expired => "it was too late",
        Standing::Erased => "its content was erased",
        _ => attempts
            .filter_map(|row| row.error.as_deref())
            .next()
            .unwrap_or("it was cancelled"),
    };
    let how = if is_answered(story) {
        "Answered in part only"
    } else {
        "Not answered"
    };
    format!("{how}: {reason}")
}

fn done(story: &Story, rows: &[Row]) -> String {
    let verb = if is_answered(story) {
        "Answered"
    } else {
        "Done"
    };
    let replays = story
        .messages
        .iter()
        .filter(|message| message.replay_of.is_some())
        .count();
    let after = match replays {
        0 => String::new(),
        1 => " after a replay".to_owned(),
        several => format!(" after {several} replays"),
    };
    let mut sentence = format!("{verb}{after} in {}", humane(story.duration_ms));
    let failed = rows
        .iter()
        .filter(|row| row.kind == RowKind::Attempt && row.error.is_some())
        .count();
    if failed > 0 {
        let joined = if replays > 0 { ", with" } else { " after" };
        sentence.push_str(&format!(
            "{joined} {failed} failed {}",
            plural(failed, "attempt")
        ));
    }
    if let Some((part, took_ms)) = largest_part(rows)
        && took_ms >= story.duration_ms * SHARE_MIN
    {
        sentence.push_str(&format!("; {} of it was {part}", humane(took_ms)));
    }
    sentence
}

/// What took most of the time, among the things that somebody could do something about.
fn largest_part(rows: &[Row]) -> Option<(&'static str, f64)> {
    let of = |belongs: fn(&Row) -> bool| covered_ms(rows.iter().filter(|row| belongs(row)));
    [
        ("the model", of(is_model)),
        ("waiting", of(|row| row.kind == RowKind::Wait)),
        (
            "sending",
            of(|row| row.kind == RowKind::Client && row.attributes.contains_key("url.template")),
        ),
    ]
    .into_iter()
    .max_by(|a, b| a.1.total_cmp(&b.1))
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 {
        word.to_owned()
    } else {
        format!("{word}s")
    }
}

/// A duration as a person says it.
pub(super) fn humane(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1_000.0 {
        format!("{ms:.0} ms")
    } else if ms < 60_000.0 {
        format!("{:.1} s", ms / 1_000.0)
    } else {
        let minutes = (ms / 60_000.0).floor();
        if minutes < 60.0 {
            format!(
                "{minutes:.0} min {:.0} s",
                (ms - minutes * 60_000.0) / 1_000.0
            )
        } else {
            format!("{:.1} h", minutes / 60.0)
        }
    }
}
