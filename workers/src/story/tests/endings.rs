//! Whether a story says what became of the person's message, not only of the program's.

use super::*;

/// An update that was handled; its answer is 2.
fn handled() -> Loom {
    let mut loom = Loom::new();
    let producer = loom.lost_span();
    loom.message(1, "telegram.update", producer, 0)
        .ended(Outcome::Done, 20);
    loom.attempt(1, "done", 10, Some(20));
    loom
}

fn send(loom: &mut Loom, id: i64, outcome: Outcome) {
    let producer = loom.lost_span();
    loom.message(id, "telegram.send", producer, 20)
        .caused_by(1)
        .ended(outcome, 38);
    loom.attempt(1, outcome.as_str(), 25, Some(38));
}

fn unreachable(loom: &mut Loom) {
    let tried = loom.last_message().attempts.last_mut().unwrap();
    tried.error_text = Some("the chat cannot be reached".to_owned());
}

/// An update that died after two attempts and was told of in a farewell, which is 2.
fn dead() -> Loom {
    let mut loom = Loom::new();
    let producer = loom.span("send telegram.update", SpanKind::Producer, None, 0, 1);
    loom.message(1, "telegram.update", producer, 1)
        .ended(Outcome::Dead, 1_000);
    loom.attempt(1, "retry", 10, Some(20))
        .failed("unreachable", "nobody there");
    loom.attempt(2, "dead", 900, Some(1_000))
        .failed("unreachable", "nobody there");
    loom
}

fn replayed(mut loom: Loom, outcome: Outcome) -> Loom {
    loom.last_message().replayed_as = Some(MessageId(3));
    send(&mut loom, 2, Outcome::Cancelled);
    unreachable(&mut loom);
    let producer = loom.lost_span();
    loom.message(3, "telegram.update", producer, 4_000)
        .replays(1)
        .ended(outcome, 4_100);
    loom.attempt(1, outcome.as_str(), 4_010, Some(4_100));
    loom
}

#[test]
fn who_cannot_be_reached_was_not_answered() {
    let mut loom = handled();
    send(&mut loom, 2, Outcome::Cancelled);
    unreachable(&mut loom);

    let story = loom.weave();

    assert_eq!((story.outcome, story.finished), (Standing::Cancelled, true));
    assert_eq!(story.sentence, "Not answered: the chat cannot be reached");
}

#[test]
fn an_answer_that_was_too_late_or_erased_is_none() {
    for (outcome, sentence) in [
        (Outcome::Expired, "Not answered: it was too late"),
        (Outcome::Erased, "Not answered: its content was erased"),
        (Outcome::Cancelled, "Not answered: it was cancelled"),
    ] {
        let mut loom = handled();
        send(&mut loom, 2, outcome);

        let story = loom.weave();

        assert_eq!(
            (story.outcome, story.sentence.as_str()),
            (Standing::from(outcome), sentence)
        );
    }
}

#[test]
fn an_answer_that_broke_off_is_half_an_answer() {
    let mut loom = handled();
    send(&mut loom, 2, Outcome::Done);
    send(&mut loom, 3, Outcome::Cancelled);
    unreachable(&mut loom);

    let story = loom.weave();

    assert_eq!(story.outcome, Standing::Cancelled);
    assert_eq!(
        story.sentence,
        "Answered in part only: the chat cannot be reached"
    );
}

#[test]
fn a_message_that_was_cancelled_itself_says_so() {
    let mut loom = Loom::new();
    let producer = loom.lost_span();
    loom.message(1, "task.hub.ask", producer, 0)
        .ended(Outcome::Cancelled, 20);

    let story = loom.weave();

    assert_eq!(story.sentence, "Cancelled after 20 ms");
}

#[test]
fn a_replay_that_was_answered_wins_over_the_death_before_it() {
    let mut loom = replayed(dead(), Outcome::Done);
    let producer = loom.lost_span();
    loom.message(4, "telegram.send", producer, 4_100)
        .caused_by(3)
        .ended(Outcome::Done, 5_000);

    let story = loom.weave();

    assert_one_tree(&story);
    assert_eq!((story.outcome, story.finished), (Standing::Done, true));
    assert!(
        story
            .sentence
            .starts_with("Answered after a replay in 5.0 s, with "),
        "{}",
        story.sentence
    );
    assert!(
        story.dead_messages().is_empty(),
        "nothing is left to replay"
    );
    let (died, replay) = (&story.messages[0], &story.messages[2]);
    assert_eq!(
        (died.outcome, died.replayed_as.as_deref()),
        (Standing::Dead, Some("3"))
    );
    assert_eq!(replay.replay_of.as_deref(), Some("1"));
    let told = |id: &str| story.rows.iter().find(|row| row.id == id).unwrap();
    assert_eq!(told(&replay.row).parent.as_ref(), Some(&died.row));
    let between = told("m3.r");
    assert_eq!(
        (between.kind, between.start_ms, between.duration_ms),
        (RowKind::Wait, 1_000.0, Some(3_000.0))
    );
}

#[test]
fn a_replay_that_goes_on_or_dies_again_is_told_as_such() {
    let mut goes_on = replayed(dead(), Outcome::Done);
    goes_on.last_message().state = State::Running;
    assert_eq!(goes_on.weave().outcome, Standing::Running);

    let story = replayed(dead(), Outcome::Dead).weave();
    assert_eq!(story.outcome, Standing::Dead);
    assert_eq!(story.dead_messages(), [MessageId(3)]);
}

#[test]
fn a_dead_letter_whose_replay_is_unknown_stays_dead() {
    let mut loom = dead();
    loom.last_message().replayed_as = Some(MessageId(3));

    assert_eq!(loom.weave().outcome, Standing::Dead);
}

#[test]
fn an_interrupted_attempt_is_a_row_that_says_who_lost_its_spans_and_counts() {
    let mut loom = Loom::new();
    let producer = loom.lost_span();
    loom.message(1, "telegram.send", producer, 0)
        .ended(Outcome::Done, 9_000);
    loom.attempt(1, "snooze", 5, Some(6));
    loom.attempt(1, "interrupted", 10, Some(8_000))
        .failed("interrupted", "the worker was lost");
    loom.attempt_span(1, "telegram.send", producer, 2, 8_500, 500);
    loom.attempt(2, "done", 8_500, Some(9_000));

    let story = loom.weave();

    let lost = story
        .rows
        .iter()
        .find(|row| row.attributes.get("sallyport.outcome") == Some(&"interrupted".into()))
        .unwrap();
    assert_eq!(
        (lost.kind, lost.status),
        (RowKind::Attempt, RowStatus::Error)
    );
    assert_eq!(
        lost.attributes["sallyport.note"],
        "spans lost with worker w3".into()
    );
    assert!(story.notes[0].starts_with("spans lost with worker w3, "));
    assert_eq!(story.messages[0].attempts, 2, "a snooze is no attempt");
    assert!(story.sentence.contains("after 1 failed attempt"));
}

#[test]
fn an_interrupted_attempt_whose_worker_lived_on_has_lost_nothing() {
    let mut loom = Loom::new();
    let producer = loom.lost_span();
    loom.message(1, "telegram.send", producer, 0)
        .ended(Outcome::Done, 9_000);
    loom.attempt_span(1, "telegram.send", producer, 1, 10, 7_000);
    loom.attempt(1, "interrupted", 10, Some(8_000));
    loom.attempt(2, "done", 8_500, Some(9_000));

    let story = loom.weave();

    assert!(story.notes.is_empty(), "{:?}", story.notes);
    let attempt = story
        .rows
        .iter()
        .find(|row| row.kind == RowKind::Attempt)
        .unwrap();
    assert!(!attempt.attributes.contains_key("sallyport.note"));
}
