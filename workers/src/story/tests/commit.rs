//! The time between the edge's last span and the disk.

use super::*;

/// A request of 1 ms whose message is on disk 9 ms after its send ended.
fn accepted_late() -> Loom {
    let mut loom = Loom::new();
    let request = loom.span("POST /telegram/{bot}", SpanKind::Server, None, 0, 1);
    let producer = loom.span(
        "send telegram.update",
        SpanKind::Producer,
        Some(request),
        1,
        0,
    );
    loom.message(1, "telegram.update", producer, 10)
        .ended(Outcome::Done, 40);
    let process = loom.attempt_span(1, "telegram.update", producer, 1, 12, 20);
    loom.attempt(1, "done", 12, Some(40));
    let sent = loom.span(
        "send telegram.send",
        SpanKind::Producer,
        Some(process),
        15,
        0,
    );
    loom.message(2, "telegram.send", sent, 39)
        .caused_by(1)
        .ended(Outcome::Done, 60);
    loom
}

#[test]
fn the_time_from_the_send_to_the_disk_is_the_commits() {
    let story = accepted_late().weave();

    assert_one_tree(&story);
    assert_eq!(
        names(&story).get(..4),
        Some(
            &[
                (0, "POST /telegram/{bot}"),
                (1, "send telegram.update"),
                (2, "commit"),
                (2, "message telegram.update"),
            ][..]
        )
    );
    let commit = row(&story, "commit");
    assert_eq!((commit.start_ms, commit.duration_ms), (1.0, Some(9.0)));
    assert_eq!(
        (commit.kind, commit.source),
        (RowKind::Internal, RowSource::Queue)
    );
    assert!(commit.attributes.contains_key("sallyport.derived"));
}

#[test]
fn the_accepting_rows_are_shown_until_the_commit_and_say_what_was_recorded() {
    let story = accepted_late().weave();

    for (name, shown, recorded) in [
        ("POST /telegram/{bot}", 10.0, 1.0),
        ("send telegram.update", 9.0, 0.0),
    ] {
        let row = row(&story, name);
        assert_eq!(row.duration_ms, Some(shown), "{name}");
        assert_eq!(row.attributes["sallyport.recorded_ms"], recorded.into());
        assert!(row.attributes.contains_key("sallyport.derived"));
    }
}

#[test]
fn what_a_handler_caused_is_committed_by_its_settlement() {
    let story = accepted_late().weave();

    let commits = story.rows.iter().filter(|row| row.name == "commit").count();
    assert_eq!(commits, 1);
    assert_eq!(row(&story, "send telegram.send").duration_ms, Some(0.0));
    assert_eq!(
        row(&story, "process telegram.update").duration_ms,
        Some(20.0)
    );
}

#[test]
fn a_request_that_was_recorded_past_its_commit_stays_as_it_is() {
    let mut loom = Loom::new();
    let request = loom.span("POST /telegram/{bot}", SpanKind::Server, None, 0, 12);
    let producer = loom.span("send x", SpanKind::Producer, Some(request), 1, 2);
    loom.message(1, "x", producer, 10).ended(Outcome::Done, 40);

    let story = loom.weave();

    let request = row(&story, "POST /telegram/{bot}");
    assert_eq!(request.duration_ms, Some(12.0));
    assert!(!request.attributes.contains_key("sallyport.derived"));
    assert_eq!(row(&story, "send x").duration_ms, Some(9.0));
}

#[test]
fn two_messages_of_one_send_are_committed_each_in_its_time() {
    let mut loom = Loom::new();
    let producer = loom.span("send x", SpanKind::Producer, None, 0, 1);
    loom.message(1, "x", producer, 5).ended(Outcome::Done, 40);
    loom.message(2, "x", producer, 7).ended(Outcome::Done, 40);

    let story = loom.weave();

    let commits: Vec<_> = story
        .rows
        .iter()
        .filter(|row| row.name == "commit")
        .map(|row| (row.start_ms, row.duration_ms))
        .collect();
    assert_eq!(commits, [(1.0, Some(4.0)), (1.0, Some(6.0))]);
    let send = row(&story, "send x");
    assert_eq!(send.duration_ms, Some(7.0));
    assert_eq!(send.attributes["sallyport.recorded_ms"], 1.0.into());
}
