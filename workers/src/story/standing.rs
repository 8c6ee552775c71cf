//! How a whole trace stands, judged by its messages.
//!
//! The list of traces judges by the same rule, in the inspector's SQL: what is changed here is to be changed there.

use sallyport_telemetry::trace::{SpanKind, SpanRecord, Value};

use super::{Standing, StoryMessage};

/// As long as anything goes on, that; then the worst that any message came to; then what became of the first one.
pub(super) fn standing(messages: &[StoryMessage], spans: &[SpanRecord]) -> Standing {
    let goes_on = messages.iter().map(|message| message.outcome);
    let goes_on = goes_on.filter(|standing| standing.goes_on()).max();
    let ended = || counting(messages).map(|message| message.outcome);
    let worst = ended().filter_map(|standing| Some((badness(standing)?, standing)));
    goes_on
        .or_else(|| {
            worst
                .max_by_key(|(badness, _)| *badness)
                .map(|(_, standing)| standing)
        })
        .or_else(|| ended().next())
        .unwrap_or_else(|| spans_alone(spans))
}

/// The messages that stand for themselves. A dead letter that was replayed stands for nothing any more, nor does what
/// its death caused: the replay does.
pub(super) fn counting(messages: &[StoryMessage]) -> impl Iterator<Item = &StoryMessage> {
    let is_replayed = |message: &StoryMessage| {
        let known = |id| messages.iter().any(|other| other.id == id);
        message.replayed_as.as_deref().is_some_and(known)
    };
    let of_a_death = move |message: &StoryMessage| {
        message.replay_of.is_none()
            && messages
                .iter()
                .any(|other| message.cause.as_ref() == Some(&other.id) && is_replayed(other))
    };
    messages
        .iter()
        .filter(move |message| !is_replayed(message) && !of_a_death(message))
}

/// How much an ending that nobody wished for outweighs the others.
fn badness(standing: Standing) -> Option<u8> {
    match standing {
        Standing::Dead => Some(4),
        Standing::Cancelled => Some(3),
        Standing::Expired => Some(2),
        Standing::Erased => Some(1),
        _ => None,
    }
}

fn spans_alone(spans: &[SpanRecord]) -> Standing {
    let refused = spans.iter().any(|span| {
        span.kind == SpanKind::Server
            && matches!(
                span.attribute("http.response.status_code"),
                Some(Value::Int(400..=499))
            )
    });
    if refused {
        Standing::Refused
    } else if spans.iter().any(|span| span.error().is_some()) {
        Standing::Error
    } else {
        Standing::Ok
    }
}
