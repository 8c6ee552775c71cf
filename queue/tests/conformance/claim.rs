//! Taking into hand: law L5, the order of L3 and L10, and what a claim leaves out.

use std::time::Duration;

use sallyport_queue::{NewMessage, Priority, Token, Verdict};

use crate::house::{House, end, ids, message, only};

#[tokio::test]
async fn a_claimed_message_is_what_was_accepted() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let sent = NewMessage {
        expires_in: Some(Duration::from_secs(60)),
        ..message("in:telegram:ops:1")
    };
    let receipt = house.accept(sent.clone()).await;

    let claimed = only(worker.claim().await);

    assert_eq!(claimed.id, receipt.id);
    assert_eq!(
        (claimed.payload, claimed.trace, claimed.key),
        (sent.payload, sent.trace, sent.key)
    );
    assert_eq!((claimed.attempts, claimed.interrupted), (0, false));
    assert!(claimed.expires_at > Some(claimed.accepted_at));
}

#[tokio::test]
async fn l5_a_claim_is_one_row_that_names_what_was_taken() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    for number in 0..5 {
        house.accept(message(&format!("in:{number}"))).await;
    }

    let claimed = worker.claim().await;

    assert_eq!(claimed.len(), 5);
    assert_eq!(
        house
            .count("SELECT count(*) FROM claims WHERE cardinality(ids) = 5 AND worker = 'a'")
            .await,
        1
    );
}

#[tokio::test]
async fn an_empty_queue_writes_no_claim() {
    let house = House::new().await;
    let worker = house.worker("a").await;

    assert!(worker.claim().await.is_empty());

    assert_eq!(house.count("SELECT count(*) FROM claims").await, 0);
}

#[tokio::test]
async fn the_row_of_a_claim_goes_when_nothing_of_it_is_in_hand() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    house.accept(message("in:1")).await;
    let claimed = only(worker.claim().await);

    worker.settle(end(&claimed, Verdict::Done)).await;
    worker.claim().await;

    assert_eq!(house.count("SELECT count(*) FROM claims").await, 0);
}

#[tokio::test]
async fn l10_the_urgent_come_first_and_among_equals_the_oldest() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    for (key, priority) in [
        ("late", Priority::Background),
        ("said", Priority::Delivery),
        ("tap", Priority::Interactive),
        ("tap2", Priority::Interactive),
    ] {
        house
            .accept(NewMessage {
                priority,
                ..message(key)
            })
            .await;
    }

    let claimed = worker.claim().await;

    let keys: Vec<&str> = claimed.iter().map(|message| message.key.as_str()).collect();
    assert_eq!(keys, ["tap", "tap2", "said", "late"]);
}

#[tokio::test]
async fn what_is_in_hand_is_not_claimed_again_and_what_was_released_is() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    house.accept(message("in:1")).await;
    let first = only(worker.claim().await);
    let second = house.accept(message("in:1")).await;

    let more = only(worker.claim_but(std::slice::from_ref(&first)).await);
    assert_eq!(more.id, second.id);

    worker.store.release(&[more.reference()]).await.unwrap();
    let again = only(worker.claim_but(&[first]).await);
    assert_eq!((again.id, again.attempts), (second.id, 0));
}

#[tokio::test]
async fn no_more_is_taken_than_was_asked_for_and_always_the_oldest_of_a_key() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let mut accepted = Vec::new();
    for _ in 0..10 {
        accepted.push(house.accept(message("in:1")).await.id);
    }

    let taken = worker.claim_watched(4, &[], &[]).await;

    assert_eq!(ids(&taken.messages), accepted[..4]);
    let key = sallyport_queue::Key::new("in:1");
    assert_eq!(taken.more, [(key.partition(), Priority::Interactive)]);
}

#[tokio::test]
async fn l4_an_older_ownership_brings_nothing() {
    let house = House::new().await;
    let before = house.worker("a").await;
    let now = house.worker("b").await;
    house.accept(message("in:1")).await;

    assert!(before.claim().await.is_empty());
    assert_eq!(now.token, Token(before.token.0 + 1));
    assert_eq!(now.claim().await.len(), 1);
}

#[tokio::test]
async fn the_plan_of_the_claim_walks_the_index_also_when_it_was_made_on_an_empty_table() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    for _ in 0..8 {
        worker.claim().await;
    }
    house
        .change(
            "INSERT INTO queue (id, day, partition, priority, kind, key)
             SELECT number, current_date, number % 256, 0, 'noop', 'k' || number FROM generate_series(1, 20000) AS number;
             SELECT pg_stat_force_next_flush()",
        )
        .await;
    let scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'queue'";
    let before = house.count(scans).await;

    worker.claim().await;

    house.change("SELECT pg_stat_force_next_flush()").await;
    assert_eq!(house.count(scans).await, before);
}
