//! Trying dead letters again (law L11).

use sallyport_queue::{ErrorNote, MessageId, Outcome, RecentFilter, State, Verdict};

use crate::house::{House, Worker, end, message, only};

async fn bury(house: &House, worker: &Worker, key: &str, error_kind: &'static str) -> MessageId {
    let receipt = house.accept(message(key)).await;
    let claimed = only(worker.claim().await);
    let error = ErrorNote::new(error_kind, "it did not work");
    worker.settle(end(&claimed, Verdict::Dead { error })).await;
    receipt.id
}

#[tokio::test]
async fn a_replay_is_a_new_message_under_the_old_trace_and_happens_once() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let dead = bury(&house, &worker, "in:1", "timeout").await;
    let letters = house.queue.dead_letters();

    let replayed = letters.replay(&[dead]).await.unwrap();
    let again = letters.replay(&[dead]).await.unwrap();

    let (old, new) = only(replayed);
    assert_eq!((old, again), (dead, vec![]));
    let claimed = only(worker.claim().await);
    assert_eq!(
        (claimed.id, claimed.cause, claimed.attempts),
        (new, Some(dead), 0)
    );
    let letter = only(letters.get(&[dead]).await.unwrap());
    assert_eq!(
        (letter.replayed_as, letter.trace),
        (Some(new), claimed.trace)
    );
    let story = house
        .queue
        .inspect()
        .by_trace(claimed.trace.trace_id)
        .await
        .unwrap();
    assert_eq!(
        story
            .iter()
            .map(|message| message.state.as_str())
            .collect::<Vec<_>>(),
        ["dead", State::Running.as_str()]
    );
    assert_eq!(
        story
            .iter()
            .map(|message| (message.replayed_as, message.replay_of))
            .collect::<Vec<_>>(),
        [(Some(new), None), (None, Some(dead))]
    );
}

#[tokio::test]
async fn a_trace_is_listed_as_its_replay_ended_and_not_as_the_death_before() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let dead = bury(&house, &worker, "in:1", "timeout").await;
    let outcome = async || {
        let filter = RecentFilter {
            limit: 10,
            ..RecentFilter::default()
        };
        let listed = only(house.queue.inspect().recent(&filter).await.unwrap());
        (listed.outcome, listed.ended_at.is_some())
    };
    assert_eq!(outcome().await, (Some(Outcome::Dead), true));

    house.queue.dead_letters().replay(&[dead]).await.unwrap();
    assert_eq!(outcome().await, (None, false));
    let claimed = only(worker.claim().await);
    worker.settle(end(&claimed, Verdict::Done)).await;

    assert_eq!(outcome().await, (Some(Outcome::Done), true));
}

#[tokio::test]
async fn dead_letters_are_grouped_by_what_killed_them() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    for (key, error_kind) in [("in:1", "timeout"), ("in:2", "timeout"), ("in:3", "schema")] {
        bury(&house, &worker, key, error_kind).await;
    }
    let letters = house.queue.dead_letters();

    let groups = letters.groups().await.unwrap();

    let counted: Vec<(&str, u64, u64)> = groups
        .iter()
        .map(|group| (group.error_kind.as_str(), group.count, group.people))
        .collect();
    assert_eq!(counted, [("timeout", 2, 1), ("schema", 1, 1)]);
    assert_eq!(
        letters
            .of_group("telegram.update", "timeout")
            .await
            .unwrap()
            .len(),
        2
    );
}
