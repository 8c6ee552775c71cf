//! Taking in: laws L1, L2 and L3.

use bytes::Bytes;
use futures::future::join_all;
use sallyport_queue::{AcceptError, NewMessage, Receipt, Settings};

use crate::house::{House, delivery, message};

#[tokio::test]
async fn l1_a_receipt_means_that_the_message_is_in_the_table() {
    let house = House::new().await;

    let receipt = house.accept(message("in:telegram:ops:1")).await;

    let stored = house
        .count(&format!(
            "SELECT count(*) FROM messages WHERE id = {}",
            receipt.id
        ))
        .await;
    assert_eq!((stored, receipt.duplicate), (1, false));
}

#[tokio::test]
async fn l1_concurrent_accepts_share_commits() {
    let house = House::new().await;
    let before = house.count("SELECT pg_current_xact_id()::text::int8").await;

    let accepts = (0..500).map(|number| house.accept(message(&format!("in:{number}"))));
    let receipts: Vec<Receipt> = join_all(accepts).await;

    let transactions = house.count("SELECT pg_current_xact_id()::text::int8").await - before;
    assert_eq!(receipts.len(), 500);
    assert!(
        transactions < 100,
        "{transactions} transactions for 500 messages"
    );
}

#[tokio::test]
async fn l1_a_strangers_bytes_fail_nobody() {
    let house = House::new().await;
    let nul = NewMessage {
        payload: Bytes::from_static(b"{\"text\":\"a\\u0000b\0\"}"),
        ..delivery("1")
    };
    let surrogate = NewMessage {
        payload: Bytes::from_static(b"{\"text\":\"\\ud800\xff\xfe\"}"),
        ..delivery("2")
    };

    let (first, second, third) = tokio::join!(
        house.intake.accept(nul),
        house.intake.accept(surrogate),
        house.intake.accept(delivery("3"))
    );

    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    let kept = house
        .count("SELECT count(*) FROM messages WHERE payload IN ('{\"text\":\"a\\\\u0000b\\000\"}')")
        .await;
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn l1_what_the_table_refuses_fails_alone() {
    let house = House::new().await;
    house
        .change("ALTER TABLE messages_default ADD CHECK (subject <> 'poison')")
        .await;
    let poison = NewMessage {
        subject: Some("poison".to_owned()),
        ..delivery("2")
    };

    let (first, refused, third) = tokio::join!(
        house.intake.accept(delivery("1")),
        house.intake.accept(poison),
        house.intake.accept(delivery("3"))
    );

    assert!(first.is_ok() && third.is_ok());
    assert!(
        matches!(&refused, Err(AcceptError::Refused { .. })),
        "{refused:?}"
    );
    assert!(refused.unwrap_err().is_senders_fault());
}

#[tokio::test]
async fn l1_crossing_pairs_from_two_edges_do_not_lock_each_other_out() {
    let house = House::new().await;
    let other = house.queue.intake();

    let here = join_all((0..200).map(|number| house.intake.accept(delivery(&number.to_string()))));
    let there = join_all(
        (0..200)
            .rev()
            .map(|number| other.accept(delivery(&number.to_string()))),
    );
    let (here, there) = tokio::join!(here, there);

    assert!(here.iter().chain(&there).all(Result::is_ok));
    assert_eq!(house.count("SELECT count(*) FROM messages").await, 200);
}

#[tokio::test]
async fn l2_a_repeat_is_stored_once_and_answered_with_the_first_ones_number_and_trace() {
    let house = House::new().await;
    let first = house.accept(delivery("77")).await;

    let again = house.accept(delivery("77")).await;

    assert_eq!(
        again,
        Receipt {
            duplicate: true,
            ..first
        }
    );
    assert_eq!(house.count("SELECT count(*) FROM queue").await, 1);
}

#[tokio::test]
async fn l2_two_of_a_kind_in_one_batch_are_one_message() {
    let house = House::new().await;

    let receipts = join_all((0..20).map(|_| house.accept(delivery("77")))).await;

    assert_eq!(
        receipts.iter().filter(|receipt| !receipt.duplicate).count(),
        1
    );
    assert!(receipts.iter().all(|receipt| receipt.id == receipts[0].id));
}

#[tokio::test]
async fn l2_an_answer_that_got_lost_is_no_duplicate() {
    let house = House::new().await;
    let sent = delivery("77");
    let first = house.accept(sent.clone()).await;

    // The same message with the same trace: the committer asking again after a commit whose answer it never saw.
    let again = house.accept(sent).await;

    assert_eq!(again, first);
}

#[tokio::test]
async fn l2_a_source_without_numbers_is_not_deduplicated() {
    let house = House::new().await;

    let first = house.accept(message("alerts")).await;
    let second = house.accept(message("alerts")).await;

    assert!(second.id > first.id && !second.duplicate);
}

#[tokio::test]
async fn l3_what_begins_after_an_answer_comes_after_it() {
    let house = House::new().await;
    let other_edge = house.queue.intake();

    let mut order = Vec::new();
    for number in 0..20 {
        let intake = if number % 2 == 0 {
            &house.intake
        } else {
            &other_edge
        };
        order.push(
            intake
                .accept(message("in:telegram:ops:1"))
                .await
                .unwrap()
                .stored()
                .unwrap()
                .id,
        );
    }

    assert!(order.is_sorted());
}

#[tokio::test]
async fn while_postgres_is_away_nothing_is_accepted_and_the_sender_is_told_when_to_come_back() {
    let house = House::with(Settings {
        accept_deadline_ms: 300,
        ..Settings::default()
    })
    .await;
    house.accept(delivery("1")).await;
    house
        .change("REVOKE INSERT ON messages FROM sallyport_edge")
        .await;
    let refused = house.intake.accept(delivery("2")).await;
    house
        .change("GRANT INSERT ON messages TO sallyport_edge")
        .await;
    assert!(
        matches!(refused, Err(AcceptError::Refused { .. })),
        "{refused:?}"
    );

    let lock = house.database.owner().await;
    lock.batch_execute("BEGIN; LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let unavailable = house.intake.accept(delivery("3")).await;

    assert!(unavailable.unwrap_err().retry_after().is_some());
}

#[tokio::test]
async fn a_payload_larger_than_the_limit_is_refused_with_both_sizes() {
    let house = House::with(Settings {
        payload_bytes_max: 10,
        ..Settings::default()
    })
    .await;
    let large = NewMessage {
        payload: Bytes::from_static(b"0123456789a"),
        ..delivery("1")
    };

    let refused = house.intake.accept(large).await;

    assert!(matches!(
        refused,
        Err(AcceptError::TooLarge {
            bytes: 11,
            bytes_max: 10
        })
    ));
}
