//! Weaves stories out of hand-made rows and spans: whole ones, ones with holes, and ones that make no sense.

mod commit;
mod endings;
mod loom;

use jiff::SignedDuration;
use sallyport_queue::{AmbiguousMark, Outcome, State};
use sallyport_telemetry::trace::SpanKind;

use self::loom::Loom;
use super::*;

fn names(story: &Story) -> Vec<(u16, &str)> {
    story
        .rows
        .iter()
        .map(|row| (row.depth, row.name.as_str()))
        .collect()
}

fn row<'a>(story: &'a Story, name: &str) -> &'a Row {
    story
        .rows
        .iter()
        .find(|row| row.name == name)
        .unwrap_or_else(|| panic!("no {name} in {:?}", names(story)))
}

fn assert_one_tree(story: &Story) {
    let roots = story.rows.iter().filter(|row| row.parent.is_none()).count();
    assert_eq!(roots, 1, "{:?}", names(story));
    assert_eq!(
        story.rows.first().map(|row| row.id.as_str()),
        Some(story.root.as_str())
    );
    for (place, row) in story.rows.iter().enumerate() {
        let above = story
            .rows
            .iter()
            .take(place)
            .any(|other| Some(&other.id) == row.parent.as_ref());
        assert!(above || place == 0, "{} comes before its parent", row.name);
        assert!(row.start_ms >= 0.0 && row.duration_ms.is_none_or(|took| took >= 0.0));
    }
}

/// An update, its question to the model and its answer, 200 ms in all, with every span kept.
fn answered() -> Loom {
    let mut loom = Loom::new();
    let request = loom.span("POST /telegram/{bot}", SpanKind::Server, None, 0, 4);
    let producer = loom.span(
        "send telegram.update",
        SpanKind::Producer,
        Some(request),
        1,
        2,
    );
    loom.message(1, "telegram.update", producer, 2)
        .ended(Outcome::Done, 190);
    let process = loom.attempt_span(1, "telegram.update", producer, 1, 10, 170);
    loom.attempt(1, "done", 10, Some(180));
    loom.span("chat fast", SpanKind::Client, Some(process), 20, 150);
    let settle = loom.span(
        "settle telegram.update",
        SpanKind::Client,
        Some(process),
        180,
        10,
    );
    loom.of_message(settle, 1);
    loom.message(2, "telegram.send", process, 185)
        .caused_by(1)
        .ended(Outcome::Done, 200);
    loom.attempt_span(2, "telegram.send", process, 1, 190, 10);
    loom.attempt(1, "done", 190, Some(200));
    loom
}

#[test]
fn an_answered_update_is_one_tree_from_the_edge_to_the_send() {
    let story = answered().weave();

    assert_one_tree(&story);
    assert_eq!(
        names(&story),
        [
            (0, "POST /telegram/{bot}"),
            (1, "send telegram.update"),
            (2, "message telegram.update"),
            (3, "wait"),
            (3, "process telegram.update"),
            (4, "chat fast"),
            (4, "message telegram.send"),
            (5, "wait"),
            (5, "process telegram.send"),
            (3, "settle telegram.update"),
        ]
    );
    assert_eq!(
        (story.outcome, story.finished, story.duration_ms),
        (Standing::Done, true, 200.0)
    );
    assert_eq!(
        story.sentence,
        "Answered in 200 ms; 150 ms of it was the model"
    );
    assert!(story.notes.is_empty());
}

#[test]
fn a_row_that_both_tell_of_has_the_spans_times_and_the_queues_judgement() {
    let story = answered().weave();

    let attempt = row(&story, "process telegram.update");

    assert_eq!(
        (attempt.kind, attempt.source),
        (RowKind::Attempt, RowSource::Span)
    );
    assert_eq!((attempt.start_ms, attempt.duration_ms), (10.0, Some(170.0)));
    assert_eq!(attempt.attributes["sallyport.outcome"], "done".into());
    assert_eq!(attempt.attributes["sallyport.worker"], "w3".into());
}

#[test]
fn without_spans_the_story_is_told_by_the_queue_alone() {
    let story = answered().without_spans().weave();

    assert_one_tree(&story);
    assert_eq!(
        names(&story),
        [
            (0, "message telegram.update"),
            (1, "wait"),
            (1, "process telegram.update"),
            (1, "message telegram.send"),
            (2, "wait"),
            (2, "process telegram.send"),
        ]
    );
    assert_eq!(story.notes, ["spans not kept"]);
    assert_eq!(story.sentence, "Answered in 198 ms");
}

#[test]
fn a_message_that_fails_twice_and_survives_a_kill_shows_every_attempt() {
    let mut loom = Loom::new();
    let producer = loom.span("send telegram.update", SpanKind::Producer, None, 0, 1);
    loom.message(1, "telegram.update", producer, 1)
        .ended(Outcome::Done, 9_000);
    loom.attempt_span(1, "telegram.update", producer, 1, 10, 20);
    loom.attempt(1, "retry", 10, Some(30))
        .failed("unreachable", "Telegram cannot be reached");
    loom.attempt(2, "retry", 1_030, Some(1_050))
        .failed("unreachable", "Telegram cannot be reached");
    loom.attempt(3, "interrupted", 3_000, Some(8_000));
    loom.attempt(4, "done", 8_500, Some(9_000));

    let story = loom.weave();

    assert_one_tree(&story);
    let attempts: Vec<_> = story
        .rows
        .iter()
        .filter(|row| row.kind == RowKind::Attempt)
        .map(|row| (row.start_ms, row.status, row.error.as_deref()))
        .collect();
    let failed = Some("Telegram cannot be reached");
    assert_eq!(
        attempts,
        [
            (10.0, RowStatus::Error, failed),
            (1_030.0, RowStatus::Error, failed),
            (
                3_000.0,
                RowStatus::Error,
                Some("interrupted: its worker went away")
            ),
            (8_500.0, RowStatus::Ok, None),
        ]
    );
    let waits: Vec<_> = story
        .rows
        .iter()
        .filter(|row| row.kind == RowKind::Wait)
        .filter_map(|row| row.duration_ms)
        .collect();
    assert_eq!(waits, [9.0, 1_000.0, 1_950.0, 500.0]);
    assert!(
        story.notes[0].starts_with("spans lost with worker w3, "),
        "{:?}",
        story.notes
    );
    assert!(
        story.sentence.contains("after 3 failed attempts"),
        "{}",
        story.sentence
    );
}

#[test]
fn what_goes_on_looks_unfinished() {
    let mut loom = Loom::new();
    let producer = loom.lost_span();
    loom.message(1, "telegram.update", producer, 0)
        .stands(State::Running);
    loom.attempt(1, "retry", 10, Some(20))
        .failed("panic", "The handler panicked");
    loom.attempt(2, "running", 500, None);
    loom.message(2, "telegram.send", producer, 5)
        .caused_by(1)
        .stands(State::Delayed);

    let story = loom.weave_at(2_000);

    assert_one_tree(&story);
    assert_eq!(
        (story.outcome, story.finished, story.duration_ms),
        (Standing::Running, false, 2_000.0)
    );
    let open: Vec<_> = story
        .rows
        .iter()
        .filter(|row| row.duration_ms.is_none())
        .map(|row| (row.name.as_str(), row.status))
        .collect();
    assert_eq!(
        open,
        [
            ("message telegram.update", RowStatus::Running),
            ("message telegram.send", RowStatus::Waiting),
            ("wait", RowStatus::Waiting),
            ("process telegram.update", RowStatus::Running),
        ]
    );
    assert!(
        story.notes.is_empty(),
        "spans of what runs are not lost: {:?}",
        story.notes
    );
}

#[test]
fn a_dead_letter_says_why_and_how_often() {
    let mut loom = Loom::new();
    let producer = loom.lost_span();
    loom.message(1, "task.hub.ask", producer, 0)
        .ended(Outcome::Dead, 3_000);
    loom.attempt(1, "retry", 10, Some(20))
        .failed("rate_limited", "slow down");
    loom.attempt(2, "dead", 2_900, Some(3_000))
        .failed("unreachable", "nobody there");

    let story = loom.weave();

    assert_eq!(
        story.sentence,
        "Gave up after 2 attempts in 3.0 s: nobody there"
    );
    assert_eq!(
        row(&story, "message task.hub.ask").error.as_deref(),
        Some("nobody there")
    );
}

#[test]
fn a_send_that_may_have_happened_twice_is_owned_up_to() {
    let mut loom = answered();
    let at = loom.at(195);
    loom.last_message().ambiguous.push(AmbiguousMark {
        attempt: 1,
        at,
        reason: "no answer".to_owned(),
    });

    let story = loom.weave();

    assert_eq!(
        story.notes,
        ["message 2 may have been sent twice (attempt 1)"]
    );
    let event = row(&story, "process telegram.send").events.last().unwrap();
    assert_eq!(
        (event.name.as_str(), event.at_ms),
        ("send.ambiguous", 195.0)
    );
}

#[test]
fn a_snooze_and_the_attempt_of_the_same_number_keep_their_own_spans() {
    let mut loom = Loom::new();
    let producer = loom.span("send x", SpanKind::Producer, None, 0, 1);
    loom.message(1, "x", producer, 1)
        .ended(Outcome::Done, 5_000);
    loom.attempt_span(1, "x", producer, 1, 4_000, 1_000);
    loom.attempt_span(1, "x", producer, 1, 10, 20);
    loom.attempt(1, "snooze", 10, Some(30));
    loom.attempt(1, "done", 4_000, Some(5_000));

    let story = loom.weave();

    let judged: Vec<_> = story
        .rows
        .iter()
        .filter(|row| row.kind == RowKind::Attempt)
        .map(|row| {
            (
                row.start_ms,
                row.source,
                row.attributes["sallyport.outcome"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        judged,
        [
            (10.0, RowSource::Span, Some("snooze")),
            (4_000.0, RowSource::Span, Some("done"))
        ]
    );
}

#[test]
fn a_refused_request_is_a_story_of_spans_alone() {
    let mut loom = Loom::new();
    let request = loom.span("POST /telegram/{bot}", SpanKind::Server, None, 0, 1);
    loom.set(request, "http.response.status_code", 401);

    let story = loom.weave();

    assert_eq!((story.outcome, story.finished), (Standing::Refused, true));
    assert_eq!(story.sentence, "Refused with 401");
}

#[test]
fn clocks_that_disagree_make_no_negative_bars() {
    let mut loom = Loom::new();
    let producer = loom.span("send x", SpanKind::Producer, None, 50, 1);
    loom.message(1, "x", producer, 40).ended(Outcome::Done, 30);
    loom.attempt(1, "done", 35, Some(20));

    assert_one_tree(&loom.weave());
}

#[test]
fn nothing_known_is_no_story() {
    assert!(weave::weave(TraceId::random(), &[], Vec::new(), Timestamp::now()).is_none());
}

#[test]
fn a_reference_is_read_as_people_type_it() {
    let trace = TraceId::random();
    let code = trace.support_code();

    assert_eq!(
        trace.to_string().to_uppercase().parse(),
        Ok(Reference::Trace(trace))
    );
    assert_eq!(
        format!(" {} ", code.to_string().to_lowercase()).parse(),
        Ok(Reference::Code(code))
    );
    assert_eq!("nonsense!".parse::<Reference>(), Err(ParseReferenceError));
}

#[test]
fn the_serialised_form_is_the_one_that_the_page_draws() {
    let story = serde_json::to_value(answered().weave()).unwrap();

    let root = &story["rows"][0];
    assert_eq!(root["parent"], serde_json::Value::Null);
    assert_eq!(story["root"], root["id"]);
    assert_eq!(root["kind"], "server");
    assert_eq!(story["rows"][2]["attributes"]["messaging.message.id"], "1");
    assert_eq!(story["rows"][2]["events"][0]["name"], "accepted");
    assert_eq!(story["messages"][1]["cause"], "1");
    assert_eq!(story["code"].as_str().map(str::len), Some(9));
    assert!(story["messages"][0].get("subject").is_none());
    assert!(
        story["started_at"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z'))
    );
}

/// Milliseconds as a signed duration, for the loom.
fn ms(ms: i64) -> SignedDuration {
    SignedDuration::from_millis(ms)
}
