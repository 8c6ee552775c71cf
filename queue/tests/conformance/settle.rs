//! Making ends durable: laws L6, L9 and L11.

use std::time::Duration;

use sallyport_queue::{ErrorNote, HoldChange, NewMessage, Settled, Settlement, Verdict};

use crate::house::{House, end, message, only, wait_until};

#[tokio::test]
async fn every_verdict_leaves_its_own_ending() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let verdicts = [
        (Verdict::Done, "done"),
        (Verdict::Ignored, "ignored"),
        (
            Verdict::Cancelled {
                reason: "not wanted".to_owned(),
            },
            "cancelled",
        ),
        (Verdict::Expired, "expired"),
        (Verdict::Erased, "erased"),
        (
            Verdict::Dead {
                error: ErrorNote::new("schema", "no such field"),
            },
            "dead",
        ),
    ];
    for (verdict, word) in verdicts {
        house.accept(message("in:1")).await;
        let claimed = only(worker.claim().await);

        assert_eq!(
            worker.settle(end(&claimed, verdict)).await,
            Settled::Durable
        );

        let question = format!(
            "SELECT count(*) FROM endings WHERE message_id = {} AND outcome = '{word}'",
            claimed.id
        );
        assert_eq!(house.count(&question).await, 1, "{word}");
    }
    assert_eq!(house.count("SELECT count(*) FROM queue").await, 0);
}

#[tokio::test]
async fn l6_outgoing_messages_exist_exactly_when_the_settlement_does() {
    let house = House::new().await;
    let before = house.worker("a").await;
    house.accept(message("in:1")).await;
    let claimed = only(before.claim().await);
    let reply = Settlement {
        outgoing: vec![message("out:1"), message("out:1")],
        ..end(&claimed, Verdict::Done)
    };
    let now = house.worker("b").await;
    now.take_over().await;

    assert_eq!(before.settle(reply.clone()).await, Settled::Stale);
    assert_eq!(
        house
            .count("SELECT count(*) FROM queue WHERE key = 'out:1'")
            .await,
        0
    );

    let again = only(now.claim().await);
    assert_eq!(
        now.settle(Settlement {
            message: again.reference(),
            ..reply
        })
        .await,
        Settled::Durable
    );
    assert_eq!(
        house
            .count("SELECT count(*) FROM queue WHERE key = 'out:1'")
            .await,
        2
    );
}

#[tokio::test]
async fn l6_a_batch_is_fenced_row_by_row() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    for number in 0..10 {
        house.accept(message(&format!("in:{number}"))).await;
    }
    let claimed = worker.claim().await;
    let lost = claimed[3].partition;
    house
        .change(&format!(
            "UPDATE leases SET owner = 'b', token = token + 1 WHERE partition = {lost}"
        ))
        .await;
    let settlements: Vec<Settlement> = claimed
        .iter()
        .map(|claimed| Settlement {
            outgoing: vec![message("out")],
            ..end(claimed, Verdict::Done)
        })
        .collect();

    let answers = worker.store.settle(&settlements).await.unwrap();

    for (claimed, answer) in claimed.iter().zip(&answers) {
        assert_eq!(*answer == Settled::Stale, claimed.partition == lost);
    }
    let durable = answers
        .iter()
        .filter(|answer| **answer == Settled::Durable)
        .count();
    assert_eq!(
        house
            .count("SELECT count(*) FROM messages WHERE key = 'out'")
            .await,
        i64::try_from(durable).unwrap()
    );
}

#[tokio::test]
async fn l6_settling_twice_is_durable_once() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    house.accept(message("in:1")).await;
    let claimed = only(worker.claim().await);
    let settlement = Settlement {
        outgoing: vec![message("out:1")],
        ..end(&claimed, Verdict::Done)
    };

    // The second is what a worker does after a commit whose answer got lost.
    assert_eq!(worker.settle(settlement.clone()).await, Settled::Durable);
    assert_eq!(worker.settle(settlement).await, Settled::Durable);

    assert_eq!(
        house
            .count("SELECT count(*) FROM messages WHERE key = 'out:1'")
            .await,
        1
    );
    assert_eq!(house.count("SELECT count(*) FROM endings").await, 1);
}

#[tokio::test]
async fn l9_a_retry_waits_and_counts_and_a_snooze_waits_and_does_not() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    house.accept(message("in:1")).await;
    let error = ErrorNote::new("timeout", "no answer in 1 s");

    let first = only(worker.claim().await);
    worker
        .settle(end(
            &first,
            Verdict::Retry {
                after: Duration::from_millis(1),
                error,
            },
        ))
        .await;
    let second = claim_when_due(&worker).await;
    worker
        .settle(end(
            &second,
            Verdict::Snooze {
                for_: Duration::from_millis(1),
            },
        ))
        .await;
    let third = claim_when_due(&worker).await;

    assert_eq!((first.attempts, second.attempts, third.attempts), (0, 1, 1));
    assert_eq!(
        house
            .count("SELECT count(*) FROM attempts WHERE error_kind = 'timeout'")
            .await,
        1
    );
    assert_eq!(
        house
            .count("SELECT count(*) FROM attempts WHERE outcome = 'snooze'")
            .await,
        1
    );
}

async fn claim_when_due(worker: &crate::house::Worker) -> sallyport_queue::Claimed {
    let partitions: Vec<_> = sallyport_queue::Partition::all().collect();
    wait_until("a delayed message is due", || async {
        worker.store.promote(&partitions).await.unwrap().promoted > 0
    })
    .await;
    only(worker.claim().await)
}

#[tokio::test]
async fn a_delayed_message_says_when_it_is_due() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    house
        .accept(NewMessage {
            delay: Some(Duration::from_secs(600)),
            ..message("in:1")
        })
        .await;
    let partitions: Vec<_> = sallyport_queue::Partition::all().collect();

    assert!(worker.claim().await.is_empty());
    let promoted = worker.store.promote(&partitions).await.unwrap();

    assert_eq!(promoted.promoted, 0);
    let due = promoted.next_due.unwrap().as_secs();
    assert!((590..=600).contains(&due), "{due} s");
}

#[tokio::test]
async fn l9_a_hold_keeps_its_first_end_and_goes_with_its_head() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    house.accept(message("in:1")).await;
    let failing = |after| Verdict::Retry {
        after,
        error: ErrorNote::new("timeout", ""),
    };
    let claimed = only(worker.claim().await);
    let hold = |seconds| HoldChange::Until(Duration::from_secs(seconds));

    worker
        .settle(Settlement {
            hold: hold(30),
            ..end(&claimed, failing(Duration::ZERO))
        })
        .await;
    let claimed = only(worker.claim().await);
    worker
        .settle(Settlement {
            hold: hold(900),
            ..end(&claimed, failing(Duration::ZERO))
        })
        .await;
    let short =
        "SELECT count(*) FROM held_keys WHERE key = 'in:1' AND until < now() + interval '60 s'";
    assert_eq!(house.count(short).await, 1);

    let claimed = only(worker.claim().await);
    worker
        .settle(Settlement {
            hold: HoldChange::Lift,
            ..end(&claimed, Verdict::Done)
        })
        .await;
    assert_eq!(house.count("SELECT count(*) FROM held_keys").await, 0);
}

#[tokio::test]
async fn l11_a_dead_letter_owns_its_payload_and_tells_its_person_in_the_same_commit() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let receipt = house.accept(message("in:1")).await;
    let claimed = only(worker.claim().await);
    let error = ErrorNote::new("schema", "bad\0text");

    let buried = Settlement {
        outgoing: vec![message("out:1")],
        ..end(&claimed, Verdict::Dead { error })
    };
    worker.settle(buried).await;

    house.change("TRUNCATE messages").await;
    let groups = house.queue.dead_letters().groups().await.unwrap();
    let group = only(groups);
    assert_eq!(
        (group.newest, group.count, group.newest_text.as_str()),
        (receipt.id, 1, "badtext")
    );
    assert_eq!(
        house
            .count("SELECT count(*) FROM queue WHERE key = 'out:1'")
            .await,
        1
    );
    assert_eq!(
        house
            .count("SELECT count(*) FROM dead_letters WHERE payload = '{}'")
            .await,
        1
    );
}

#[tokio::test]
async fn an_outgoing_message_with_a_number_of_its_own_is_said_once() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let numbered = NewMessage {
        delivery_id: Some("reply:1".to_owned()),
        ..message("out:1")
    };
    for _ in 0..2 {
        house.accept(message("in:1")).await;
        let claimed = only(
            worker
                .claim()
                .await
                .into_iter()
                .filter(|message| message.key.as_str() == "in:1")
                .collect(),
        );
        worker
            .settle(Settlement {
                outgoing: vec![numbered.clone()],
                ..end(&claimed, Verdict::Done)
            })
            .await;
    }

    assert_eq!(
        house
            .count("SELECT count(*) FROM queue WHERE key = 'out:1'")
            .await,
        1
    );
}
