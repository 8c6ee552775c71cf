//! What a new owner finds (laws L5 and L9).

use std::time::Duration;

use sallyport_queue::{ErrorNote, HoldChange, NewMessage, Settled, Settlement, Verdict};

use crate::house::{House, end, message, only};

#[tokio::test]
async fn l5_a_crash_counts_as_an_attempt_once() {
    let house = House::new().await;
    let lost = house.worker("a").await;
    let receipt = house.accept(message("in:1")).await;
    lost.claim().await;
    let heir = house.worker("b").await;

    let taken = heir.take_over().await;
    let again = heir.take_over().await;

    assert_eq!(taken.interrupted, [receipt.id]);
    assert!(again.interrupted.is_empty());
    let claimed = only(heir.claim().await);
    assert_eq!((claimed.attempts, claimed.interrupted), (1, true));
    assert_eq!(
        house
            .count("SELECT count(*) FROM attempts WHERE outcome = 'interrupted' AND worker = 'a'")
            .await,
        1
    );
    assert_eq!(
        house
            .count("SELECT count(*) FROM claims WHERE worker = 'a'")
            .await,
        0
    );
}

#[tokio::test]
async fn l5_an_heir_that_crashes_too_is_counted_as_well() {
    let house = House::new().await;
    house.accept(message("in:1")).await;
    for name in ["a", "b", "c"] {
        let worker = house.worker(name).await;
        worker.take_over().await;
        assert_eq!(worker.claim().await.len(), 1);
    }
    let last = house.worker("d").await;

    last.take_over().await;

    assert_eq!(only(last.claim().await).attempts, 3);
}

#[tokio::test]
async fn l5_an_heir_that_dies_before_counting_takes_no_attempt_with_it() {
    let house = House::new().await;
    let lost = house.worker("a").await;
    house.accept(message("in:1")).await;
    lost.claim().await;
    house.worker("short-lived").await;
    let heir = house.worker("b").await;

    assert_eq!(heir.take_over().await.interrupted.len(), 1);
}

#[tokio::test]
async fn l5_what_was_given_back_or_settled_does_not_count() {
    let house = House::new().await;
    let stopping = house.worker("a").await;
    for key in ["given back", "done", "tried"] {
        house.accept(message(key)).await;
    }
    for claimed in stopping.claim().await {
        let error = ErrorNote::new("timeout", "");
        let verdict = match claimed.key.as_str() {
            "given back" => {
                stopping
                    .store
                    .release(&[claimed.reference()])
                    .await
                    .unwrap();
                continue;
            }
            "done" => Verdict::Done,
            _ => Verdict::Retry {
                after: Duration::ZERO,
                error,
            },
        };
        assert_eq!(
            stopping.settle(end(&claimed, verdict)).await,
            Settled::Durable
        );
    }
    let heir = house.worker("b").await;

    assert!(heir.take_over().await.interrupted.is_empty());
    let attempts: Vec<(String, u16)> = heir
        .claim()
        .await
        .iter()
        .map(|message| (message.key.to_string(), message.attempts))
        .collect();
    assert_eq!(
        attempts,
        [("given back".to_owned(), 0), ("tried".to_owned(), 1)]
    );
}

#[tokio::test]
async fn l5_an_unsettled_send_is_ambiguous_and_other_kinds_are_not() {
    let house = House::new().await;
    let lost = house.worker("a").await;
    let send = house
        .accept(NewMessage {
            kind: "telegram.send".to_owned(),
            ..message("out:1")
        })
        .await;
    house.accept(message("in:1")).await;
    lost.claim().await;
    let heir = house.worker("b").await;

    let taken = heir.take_over().await;

    assert_eq!(
        (taken.interrupted.len(), taken.ambiguous),
        (2, vec![send.id])
    );
    assert_eq!(
        house
            .count("SELECT count(*) FROM ambiguous WHERE attempt = 1")
            .await,
        1
    );
}

#[tokio::test]
async fn l5_what_a_loser_learns_of_its_loss_takes_nothing_from_its_heir() {
    let house = House::new().await;
    let loser = house.worker("a").await;
    let send = house
        .accept(NewMessage {
            kind: "telegram.send".to_owned(),
            ..message("out:1")
        })
        .await;
    let claimed = only(loser.claim().await);
    let heir = house.worker("b").await;

    let settled = loser.settle(end(&claimed, Verdict::Done)).await;
    assert_eq!(settled, Settled::Stale);
    assert!(loser.claim().await.is_empty());

    assert_eq!(heir.take_over().await.ambiguous, [send.id]);
}

#[tokio::test]
async fn l9_held_keys_are_loaded_with_what_is_left_of_their_time() {
    let house = House::new().await;
    let lost = house.worker("a").await;
    house.accept(message("waits")).await;
    house.accept(message("parked")).await;
    for claimed in lost.claim().await {
        let hold = if claimed.key.as_str() == "waits" {
            HoldChange::Until(Duration::from_secs(30))
        } else {
            HoldChange::Park
        };
        let error = ErrorNote::new("timeout", "");
        let retry = Verdict::Retry {
            after: Duration::from_secs(60),
            error,
        };
        lost.settle(Settlement {
            hold,
            ..end(&claimed, retry)
        })
        .await;
    }
    let heir = house.worker("b").await;

    let held = heir.take_over().await.held;

    let remaining = |key: &str| {
        held.iter()
            .find(|held| held.key.as_str() == key)
            .unwrap()
            .remaining
    };
    assert_eq!(remaining("parked"), None);
    assert!(remaining("waits").unwrap() <= Duration::from_secs(30));

    heir.store
        .lift(
            &held
                .iter()
                .map(|held| (held.partition, held.key.clone(), held.head))
                .collect::<Vec<_>>(),
        )
        .await
        .unwrap();
    assert!(heir.take_over().await.held.is_empty());
}

#[tokio::test]
async fn an_old_owner_cannot_count_anything_any_more() {
    let house = House::new().await;
    let lost = house.worker("a").await;
    house.accept(message("in:1")).await;
    lost.claim().await;
    let slow = house.worker("b").await;
    let heir = house.worker("c").await;

    assert!(slow.take_over().await.interrupted.is_empty());
    assert_eq!(heir.take_over().await.interrupted.len(), 1);
}
