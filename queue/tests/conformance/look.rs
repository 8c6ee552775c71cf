//! What the rows tell about messages.

use std::time::Duration;

use sallyport_queue::{
    ErrorNote, HoldChange, NewMessage, Outcome, RecentFilter, Settlement, State, Verdict,
};

use crate::house::{House, delivery, end, message, only};

#[tokio::test]
async fn a_message_that_fails_twice_and_survives_a_kill_shows_every_attempt_under_its_first_code() {
    let house = House::new().await;
    let receipt = house.accept(delivery("1")).await;
    let first = house.worker("a").await;
    for text in ["first", "second"] {
        let claimed = only(first.claim().await);
        let error = ErrorNote::new("timeout", text);
        first
            .settle(end(
                &claimed,
                Verdict::Retry {
                    after: Duration::ZERO,
                    error,
                },
            ))
            .await;
    }
    first.claim().await;
    let heir = house.worker("b").await;
    heir.take_over().await;
    let claimed = only(heir.claim().await);
    let reply = NewMessage {
        trace: receipt.trace,
        cause: Some(receipt.id),
        ..message("out:1")
    };
    heir.settle(Settlement {
        outgoing: vec![reply],
        ..end(&claimed, Verdict::Done)
    })
    .await;

    let code = receipt.trace.trace_id.support_code();
    let found = house
        .queue
        .inspect()
        .traces_between(code.bounds(), 10)
        .await
        .unwrap();
    let story = house.queue.inspect().by_trace(only(found)).await.unwrap();

    let outcomes: Vec<(u16, &str)> = story[0]
        .attempts
        .iter()
        .map(|attempt| (attempt.attempt, attempt.outcome.as_str()))
        .collect();
    assert_eq!(
        outcomes,
        [(1, "retry"), (2, "retry"), (3, "interrupted"), (4, "done")]
    );
    assert_eq!(story[0].state, State::Ended(Outcome::Done));
    assert_eq!(
        (story[1].state, story[1].cause),
        (State::Ready, Some(receipt.id))
    );
}

#[tokio::test]
async fn a_story_says_where_a_message_stands() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let state = async |receipt: &sallyport_queue::Receipt| {
        only(
            house
                .queue
                .inspect()
                .by_trace(receipt.trace.trace_id)
                .await
                .unwrap(),
        )
        .state
    };

    let head = house.accept(message("in:1")).await;
    assert_eq!(state(&head).await, State::Ready);
    let claimed = only(worker.claim().await);
    assert_eq!(state(&head).await, State::Running);
    let retry = Verdict::Retry {
        after: Duration::from_secs(60),
        error: ErrorNote::new("timeout", ""),
    };
    let hold = HoldChange::Until(Duration::from_secs(30));
    worker
        .settle(Settlement {
            hold,
            ..end(&claimed, retry)
        })
        .await;
    assert_eq!(state(&head).await, State::Delayed);
    let behind = house.accept(message("in:1")).await;
    assert_eq!(state(&behind).await, State::Held);
    worker.put_behind(&worker.claim().await).await;
    assert_eq!(state(&behind).await, State::Held);

    let held = only(house.queue.inspect().held().await.unwrap());
    assert_eq!(
        (held.head, held.waiting, held.error_kind.as_deref()),
        (head.id, 1, Some("timeout"))
    );
}

#[tokio::test]
async fn a_summary_counts_by_kind_and_state() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    house.accept(message("running")).await;
    worker.claim().await;
    house.accept(message("ready")).await;
    house
        .accept(NewMessage {
            delay: Some(Duration::from_secs(60)),
            ..message("delayed")
        })
        .await;

    let summary = house.queue.inspect().summary().await.unwrap();

    let kind = only(summary.kinds);
    assert_eq!(
        (kind.ready, kind.delayed, kind.running, kind.dead),
        (1, 1, 1, 0)
    );
    assert!(kind.oldest_ready.is_some());
    assert_eq!(
        (
            summary.partitions_total,
            summary.partitions_owned,
            summary.paused
        ),
        (256, 256, false)
    );
}

#[tokio::test]
async fn traces_are_found_by_delivery_and_listed_by_outcome() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let receipt = house.accept(delivery("41")).await;
    let claimed = only(worker.claim().await);
    worker.settle(end(&claimed, Verdict::Ignored)).await;
    house.accept(delivery("42")).await;
    let inspector = house.queue.inspect();

    let found = inspector.by_delivery("telegram:ops", "41").await.unwrap();
    let ignored = RecentFilter {
        outcome: Some(Outcome::Ignored),
        limit: 10,
        ..RecentFilter::default()
    };
    let listed = only(inspector.recent(&ignored).await.unwrap());

    assert_eq!(found, Some(receipt.trace.trace_id));
    assert_eq!(
        (listed.id, listed.outcome),
        (receipt.id, Some(Outcome::Ignored))
    );
    assert_eq!(
        inspector
            .recent(&RecentFilter {
                limit: 10,
                ..RecentFilter::default()
            })
            .await
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        inspector.by_delivery("telegram:ops", "43").await.unwrap(),
        None
    );
}

#[tokio::test]
async fn a_trace_whose_answer_was_cancelled_is_listed_as_cancelled() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let receipt = house.accept(delivery("41")).await;
    let claimed = only(worker.claim().await);
    let reply = NewMessage {
        trace: receipt.trace,
        cause: Some(receipt.id),
        ..message("out:1")
    };
    worker
        .settle(Settlement {
            outgoing: vec![reply],
            ..end(&claimed, Verdict::Done)
        })
        .await;
    let with = async |outcome: Option<Outcome>| {
        let filter = RecentFilter {
            outcome,
            limit: 10,
            ..RecentFilter::default()
        };
        house.queue.inspect().recent(&filter).await.unwrap()
    };
    assert_eq!(only(with(None).await).outcome, None);

    let reason = "the chat cannot be reached".to_owned();
    let send = only(worker.claim().await);
    worker
        .settle(end(&send, Verdict::Cancelled { reason }))
        .await;

    let listed = only(with(Some(Outcome::Cancelled)).await);
    assert_eq!(
        (listed.id, listed.outcome),
        (receipt.id, Some(Outcome::Cancelled))
    );
    assert!(with(Some(Outcome::Done)).await.is_empty());
}

#[tokio::test]
async fn an_ambiguous_send_is_part_of_the_story() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let receipt = house.accept(message("out:1")).await;

    worker
        .store
        .note_ambiguous(receipt.id, 1, "the answer got lost")
        .await
        .unwrap();

    let story = only(
        house
            .queue
            .inspect()
            .by_trace(receipt.trace.trace_id)
            .await
            .unwrap(),
    );
    assert_eq!(only(story.ambiguous).reason, "the answer got lost");
}
