//! The auditor of the ledger, and the watch over old snapshots.

use std::time::Duration;

use sallyport_queue::{Ledger, MessageId, Settings, Verdict};

use crate::house::{House, end, message};

/// Makes turns until one has seen everything; the number of unaccounted messages then.
async fn unaccounted(ledger: &mut Ledger) -> (usize, Vec<MessageId>) {
    let mut turns = 0;
    loop {
        let audited = ledger.audit().await.unwrap().unwrap();
        if audited.whole {
            return (audited.unaccounted, audited.oldest);
        }
        turns += 1;
        assert!(turns < 50, "no turn saw everything");
    }
}

/// A house with messages in every state that a message can have.
async fn lived_in() -> House {
    let house = House::new().await;
    house.queue.janitor().sweep().await.unwrap();
    for number in 0..30 {
        let mut message = message(&format!("in:{number}"));
        message.delay = (number >= 20).then_some(Duration::from_secs(600));
        house.accept(message).await;
    }
    let worker = house.worker("w").await;
    let claimed = worker.claim().await;
    let ends: Vec<_> = claimed
        .iter()
        .take(10)
        .map(|message| end(message, Verdict::Done))
        .collect();
    worker.store.settle(&ends).await.unwrap();
    house
}

#[tokio::test]
async fn a_sound_house_has_nothing_unaccounted() {
    let house = lived_in().await;

    let (unaccounted, oldest) = unaccounted(&mut house.queue.ledger()).await;

    assert_eq!((unaccounted, oldest), (0, Vec::new()));
}

#[tokio::test]
async fn rows_deleted_by_hand_are_counted_exactly_wherever_they_were() {
    let losses = [
        "DELETE FROM queue WHERE state <> 1 AND id IN (SELECT id FROM queue WHERE state <> 1 ORDER BY id LIMIT 3)",
        "DELETE FROM queue WHERE state = 1 AND id IN (SELECT id FROM queue WHERE state = 1 ORDER BY id LIMIT 3)",
        "DELETE FROM endings WHERE message_id IN (SELECT message_id FROM endings ORDER BY 1 LIMIT 3)",
        "DELETE FROM messages WHERE id IN (SELECT message_id FROM endings ORDER BY 1 LIMIT 3)",
        "DELETE FROM messages WHERE id IN (SELECT id FROM queue ORDER BY id LIMIT 3)",
    ];
    for loss in losses {
        let house = lived_in().await;
        let mut ledger = house.queue.ledger();
        assert_eq!(unaccounted(&mut ledger).await.0, 0);

        house.change(loss).await;

        let (count, oldest) = unaccounted(&mut ledger).await;
        assert_eq!((count, oldest.len()), (3, 3), "{loss}");
    }
}

#[tokio::test]
async fn what_is_put_back_is_accounted_for_again() {
    let house = lived_in().await;
    let mut ledger = house.queue.ledger();
    house
        .change("CREATE TABLE away AS SELECT * FROM endings; DELETE FROM endings")
        .await;
    assert_eq!(unaccounted(&mut ledger).await.0, 10);

    house.change("INSERT INTO endings SELECT * FROM away").await;

    assert_eq!(unaccounted(&mut ledger).await.0, 0);
}

#[tokio::test]
async fn a_turn_is_bounded_and_the_walk_still_sees_everything() {
    let house = House::with(Settings {
        ledger_rows_max: 1_000,
        ..Settings::default()
    })
    .await;
    house.queue.janitor().sweep().await.unwrap();
    house.accept(message("in:1")).await;
    // A log of 5,000 ended messages, with one ending missing in the middle.
    house
        .change(
            "INSERT INTO messages (id, day, bot, tenant, source, kind, kind_version, key, partition, priority, payload,
                                   payload_format, trace, trace_id)
             SELECT n, day, bot, tenant, source, kind, kind_version, key, partition, priority, payload,
                    payload_format, trace, trace_id
             FROM messages, generate_series(10, 5009) n",
        )
        .await;
    house
        .change(
            "INSERT INTO endings (message_id, day, outcome, attempt, started_at, worker, claim)
             SELECT id, day, 'done', 1, now(), 'w', 1 FROM messages WHERE id >= 10 AND id <> 2500",
        )
        .await;
    let mut ledger = house.queue.ledger();
    let mut seen = 0;

    for _ in 0..30 {
        let audited = ledger.audit().await.unwrap().unwrap();
        assert!(audited.rows <= 1_000 + 1, "{audited:?}");
        seen = seen.max(audited.unaccounted);
    }

    assert_eq!(seen, 1);
}

#[tokio::test]
async fn one_audits_and_another_takes_over_when_that_one_is_gone() {
    let house = lived_in().await;
    let mut first = house.queue.ledger();
    let mut second = house.queue.ledger();
    assert!(first.audit().await.unwrap().is_some());
    assert!(second.audit().await.unwrap().is_none());

    drop(first);

    // The server notices the closed connection a moment later.
    let mut turns = 0;
    while second.audit().await.unwrap().is_none() {
        turns += 1;
        assert!(turns < 1_000, "nobody took over");
    }
}

#[tokio::test]
async fn a_foreign_snapshot_is_reported_with_its_process() {
    let house = lived_in().await;
    let stranger = house.database.owner().await;
    stranger
        .batch_execute(
            "SET application_name = 'forgotten report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM queue",
        )
        .await
        .unwrap();
    let pid: i32 = stranger
        .query_one("SELECT pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);

    // The house's own sessions may hold as old a snapshot for a moment; the stranger's stays.
    let mut turns = 0;
    let holder = loop {
        let holder = house.queue.oldest_snapshot().await.unwrap().unwrap();
        if holder.pid == pid {
            break holder;
        }
        turns += 1;
        assert!(turns < 1_000, "{holder:?} holds it, not the stranger");
    };

    assert_eq!(holder.name, "forgotten report");
    assert_eq!(holder.state, "idle in transaction");
    assert!(holder.age.is_some());
    stranger.batch_execute("COMMIT").await.unwrap();
    let after = house.queue.oldest_snapshot().await.unwrap();
    assert!(after.is_none_or(|holder| holder.pid != pid));
}
