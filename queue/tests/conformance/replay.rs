//! Replays: what is handed in once more, what is refused, and that no step is done twice (law L11, ADR 0010).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sallyport_queue::{
    DryRun, ErrorNote, MessageId, NewMessage, Refusal, ReplayError, ReplayFilter, ReplayOrder,
    ReplayStory, Verdict,
};

use crate::house::{House, Worker, end, message, only};

const BUDGET: Duration = Duration::from_secs(10);

/// Accepts a message of this kind and ends it so.
async fn ended(
    house: &House,
    worker: &Worker,
    key: &str,
    kind: &str,
    verdict: Verdict,
) -> MessageId {
    let message = NewMessage {
        kind: kind.to_owned(),
        ..message(key)
    };
    let receipt = house.accept(message).await;
    let claimed = only(worker.claim().await);
    worker.settle(end(&claimed, verdict)).await;
    receipt.id
}

fn dead(kind: &'static str) -> Verdict {
    Verdict::Dead {
        error: ErrorNote::new(kind, "it did not work"),
    }
}

fn of_kind(kind: &str) -> ReplayFilter {
    ReplayFilter {
        kind: Some(kind.to_owned()),
        ..ReplayFilter::default()
    }
}

fn named(ids: &[MessageId]) -> ReplayFilter {
    ReplayFilter {
        ids: ids.to_vec(),
        ..ReplayFilter::default()
    }
}

fn order(filter: ReplayFilter, forced: bool) -> ReplayOrder {
    ReplayOrder {
        filter,
        forced,
        per_second: 1_000,
        by: "anna".to_owned(),
        why: "the model was down".to_owned(),
    }
}

async fn dry(house: &House, filter: &ReplayFilter, forced: bool) -> DryRun {
    house
        .queue
        .replays()
        .dry_run(filter, forced, BUDGET)
        .await
        .unwrap()
}

/// Orders it and carries it out to its end, whatever its pace.
async fn carried_out(house: &House, order: &ReplayOrder) -> ReplayStory {
    let replays = house.queue.replays();
    let asked = replays.start(order).await.unwrap();
    for _ in 0..100 {
        house.change("UPDATE replays SET next_at = now()").await;
        replays.step().await.unwrap();
        let story = replays.get(asked.id).await.unwrap().unwrap();
        if story.state != "running" {
            return story;
        }
    }
    panic!("the replay did not end")
}

#[tokio::test]
async fn a_dry_run_counts_what_would_be_done_and_refused_and_changes_nothing() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let first = ended(&house, &worker, "in:1", "ask", dead("timeout")).await;
    ended(&house, &worker, "in:2", "send", dead("timeout")).await;
    ended(&house, &worker, "in:2", "send", dead("schema")).await;
    let done = ended(&house, &worker, "in:3", "ask", Verdict::Done).await;
    house.accept(message("in:4")).await;
    let hour = ReplayFilter {
        from: Some(Timestamp::now() - SignedDuration::from_hours(1)),
        ..ReplayFilter::default()
    };

    let run = dry(&house, &hour, false).await;
    assert_eq!((run.count, run.complete), (3, true));
    assert_eq!(
        run.by_kind.into_iter().collect::<Vec<_>>(),
        [("ask".to_owned(), 1), ("send".to_owned(), 2)]
    );
    assert_eq!(run.first.unwrap().id, first);
    assert_eq!(run.first_refused.unwrap().id, done);
    let refused: Vec<_> = run.refused.into_iter().collect();
    assert_eq!(refused, [(Refusal::StillLive, 1), (Refusal::Done, 1)]);

    let timeouts = ReplayFilter {
        error_kind: Some("timeout".to_owned()),
        ..hour.clone()
    };
    assert_eq!(dry(&house, &timeouts, false).await.count, 2);
    assert_eq!(
        dry(&house, &hour, true).await.count,
        4,
        "forced, what is done counts"
    );
    assert_eq!(house.count("SELECT count(*) FROM replays").await, 0);
    assert_eq!(house.count("SELECT count(*) FROM queue").await, 1);
}

#[tokio::test]
async fn a_replay_keeps_the_order_of_a_key_and_leaves_a_record() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let mut old = Vec::new();
    for _ in 0..4 {
        old.push(ended(&house, &worker, "in:1", "ask", dead("timeout")).await);
    }

    let story = carried_out(&house, &order(of_kind("ask"), false)).await;

    assert_eq!(
        (story.replayed, story.refused, story.state.as_str()),
        (4, 0, "done")
    );
    assert_eq!(
        (story.by.as_str(), story.why.as_str()),
        ("anna", "the model was down")
    );
    let claimed = worker.claim().await;
    let causes: Vec<_> = claimed.iter().filter_map(|claimed| claimed.cause).collect();
    assert_eq!(causes, old);
    assert!(claimed.windows(2).all(|pair| pair[0].id < pair[1].id));
    let again = carried_out(&house, &order(of_kind("ask"), true)).await;
    assert_eq!(
        again.refused, 4,
        "forced or not, what is live is not doubled: {again:?}"
    );
}

#[tokio::test]
async fn what_is_done_or_was_replayed_is_refused_unless_forced() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let done = ended(&house, &worker, "in:1", "ask", Verdict::Done).await;
    let erased = ended(&house, &worker, "in:2", "ask", Verdict::Erased).await;
    let both = named(&[done, erased]);

    let refused = carried_out(&house, &order(both.clone(), false)).await;
    assert_eq!((refused.replayed, refused.refused), (0, 2));

    let forced = carried_out(&house, &order(both, true)).await;
    assert_eq!(
        (forced.replayed, forced.refused),
        (1, 1),
        "what was erased stays erased"
    );
    let claimed = only(worker.claim().await);
    worker.settle(end(&claimed, Verdict::Done)).await;
    let run = dry(&house, &named(&[done]), false).await;
    assert_eq!(
        run.refused.into_iter().collect::<Vec<_>>(),
        [(Refusal::Replayed, 1)]
    );
    let story = house
        .queue
        .inspect()
        .by_trace(claimed.trace.trace_id)
        .await
        .unwrap();
    assert_eq!(story[0].replayed_as, Some(claimed.id));
    assert_eq!(story[1].replay_of, Some(done));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_one_replay_and_each_message_is_handed_in_once_at_its_rate() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let accepts = (0..120).map(|number| house.accept(message(&format!("in:{number}"))));
    futures::future::join_all(accepts).await;
    let ends: Vec<_> = worker
        .claim()
        .await
        .iter()
        .map(|claimed| end(claimed, dead("timeout")))
        .collect();
    worker.store.settle(&ends).await.unwrap();
    let replays = house.queue.replays();
    let slow = ReplayOrder {
        per_second: 40,
        ..order(of_kind("telegram.update"), false)
    };
    let asked = replays.start(&slow).await.unwrap();

    assert!(
        replays.step().await.unwrap(),
        "first the dead letters that outlived their day"
    );
    let (one, two) = tokio::join!(replays.step(), replays.step());
    assert!(one.unwrap() ^ two.unwrap(), "one has it, the other goes on");
    assert!(
        !replays.step().await.unwrap(),
        "the rate is kept by the row"
    );
    assert_eq!(replays.get(asked.id).await.unwrap().unwrap().replayed, 10);

    for _ in 0..40 {
        house.change("UPDATE replays SET next_at = now()").await;
        let (one, two) = tokio::join!(replays.step(), replays.step());
        one.and(two).unwrap();
    }
    let story = replays.get(asked.id).await.unwrap().unwrap();
    assert_eq!((story.state.as_str(), story.replayed), ("done", 120));
    assert_eq!(
        house
            .count("SELECT count(DISTINCT cause) FROM messages WHERE cause IS NOT NULL")
            .await,
        120
    );
    assert_eq!(house.count("SELECT count(*) FROM queue").await, 120);
}

#[tokio::test]
async fn a_cancelled_replay_stops_where_it_is() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    for _ in 0..3 {
        ended(&house, &worker, "in:1", "ask", dead("timeout")).await;
    }
    let replays = house.queue.replays();
    let slow = ReplayOrder {
        per_second: 1,
        ..order(of_kind("ask"), false)
    };
    let asked = replays.start(&slow).await.unwrap();
    while replays.get(asked.id).await.unwrap().unwrap().replayed == 0 {
        house.change("UPDATE replays SET next_at = now()").await;
        replays.step().await.unwrap();
    }

    assert!(replays.cancel(asked.id, "ben", "enough").await.unwrap());

    house.change("UPDATE replays SET next_at = now()").await;
    assert!(!replays.step().await.unwrap());
    assert!(!replays.cancel(asked.id, "ben", "enough").await.unwrap());
    assert_eq!(house.count("SELECT count(*) FROM queue").await, 1);
}

#[tokio::test]
async fn what_is_older_than_the_log_is_refused_but_a_dead_letter_owns_its_payload() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let gone = ended(&house, &worker, "in:1", "ask", Verdict::Done).await;
    let letter = ended(&house, &worker, "in:2", "ask", dead("timeout")).await;
    house
        .change("DELETE FROM messages; UPDATE dead_letters SET accepted_at = now() - interval '30 days'")
        .await;
    let kept = house.accept(message("in:3")).await;
    let replays = house.queue.replays();

    let refused = replays.start(&order(named(&[gone]), true)).await;
    let Err(ReplayError::Gone {
        earliest: Some(earliest),
    }) = refused
    else {
        panic!("{refused:?}")
    };
    assert!(earliest < Timestamp::now());
    assert_eq!(replays.payload(gone).await.unwrap(), None);
    assert_eq!(
        replays.payload(letter).await.unwrap().as_deref(),
        Some(&b"{}"[..])
    );

    let story = carried_out(&house, &order(of_kind("ask"), false)).await;
    assert_eq!(story.replayed, 1);
    let mut claimed = worker.claim().await;
    claimed.retain(|claimed| claimed.id != kept.id);
    assert_eq!(only(claimed).cause, Some(letter));
}

#[tokio::test]
async fn everything_at_once_or_without_a_reason_is_refused() {
    let house = House::new().await;
    let replays = house.queue.replays();
    let nothing = replays.start(&order(ReplayFilter::default(), false)).await;
    let silent = ReplayOrder {
        why: " ".to_owned(),
        ..order(of_kind("ask"), false)
    };

    assert!(matches!(nothing, Err(ReplayError::Everything)));
    assert!(matches!(
        replays.start(&silent).await,
        Err(ReplayError::NoReason)
    ));
}
