//! Messages that harm: unreadable, too new, too late by the thousand, and handlers that never come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sallyport_queue::{Key, NewMessage};

use super::house::{Bot, House, KIND, message, quick, wait_until};
use crate::pool::{Handled, KindPolicy};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_newer_than_the_handler_backs_off_and_is_taken_by_an_upgraded_worker() {
    let house = House::build().await;
    let old = KindPolicy {
        newest_version: Some(1),
        ..quick()
    };
    let old = Bot::new(old, |_, _| async { Handled::done() });
    let pine = house.pool("pine", &old).await;
    let newer = NewMessage {
        kind_version: 2,
        ..message(KIND, Key::from("in:test:new".to_owned()), String::new())
    };
    house.enqueue_all([newer]).await;
    wait_until("it backs off", async || {
        house
            .count("attempts", "error_kind = 'schema' AND outcome = 'retry'")
            .await
            == 1
    })
    .await;
    let waits = "state = 1 AND ready_at > now() + interval '3 s'";
    assert_eq!(house.count("queue", waits).await, 1, "it does not spin");
    assert_eq!(old.runs.load(Ordering::Relaxed), 0);
    pine.drain(Duration::from_secs(1)).await;

    let spent = "UPDATE queue SET attempts = 9, ready_at = now()";
    house.owner.batch_execute(spent).await.unwrap();
    let new = KindPolicy {
        newest_version: Some(2),
        ..quick()
    };
    let new = Bot::new(new, |_, _| async { Handled::done() });
    let oak = house.pool("oak", &new).await;
    wait_until("it is done", async || {
        house.count("endings", "outcome = 'done'").await == 1
    })
    .await;
    oak.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_ever_reads_becomes_a_dead_letter_of_the_kind_schema() {
    let house = House::build().await;
    let bot = Bot::new(quick(), |_, _| async { Handled::done() });
    let pool = house.pool("pine", &bot).await;
    let stranger = message(
        "test.stranger",
        Key::from("in:test:x".to_owned()),
        String::new(),
    );
    house.enqueue_all([stranger]).await;
    wait_until("it backs off", async || {
        house.count("attempts", "error_kind = 'schema'").await == 1
    })
    .await;

    let spent = "UPDATE queue SET attempts = 11, ready_at = now()";
    house.owner.batch_execute(spent).await.unwrap();
    wait_until("it is dead", async || {
        house.count("dead_letters", "error_kind = 'schema'").await == 1
    })
    .await;
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_of_late_messages_expires_without_a_single_handler() {
    let house = House::build().await;
    let late = NewMessage {
        expires_in: Some(Duration::ZERO),
        ..message(KIND, Key::from("in:test:late".to_owned()), String::new())
    };
    let late = (0..2_000).map(|number| NewMessage {
        key: Key::from(format!("in:test:{}", number % 500)),
        ..late.clone()
    });
    house.enqueue_all(late).await;
    let bot = Bot::new(quick(), |_, _| async { Handled::done() });

    let pool = house.pool("pine", &bot).await;
    let start = Instant::now();
    wait_until("all expire", async || {
        house.count("endings", "outcome = 'expired'").await == 2_000
    })
    .await;

    assert_eq!(bot.runs.load(Ordering::Relaxed), 0);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_handler_that_blocks_its_thread_is_given_up_and_its_neighbours_go_on() {
    let house = House::build().await;
    let over = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&over);
    let policy = KindPolicy {
        deadline: Duration::from_millis(200),
        ..quick()
    };
    let bot = Bot::new(policy, move |message, _| {
        let ends = Arc::clone(&ends);
        async move {
            while message.key.as_str() == "in:test:loop" && !ends.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
            Handled::done()
        }
    });
    let pool = house.pool("pine", &bot).await;
    house
        .enqueue(["in:test:loop", "in:test:loop:2"].map(String::from))
        .await;
    house
        .enqueue((0..200).map(|number| format!("in:test:{number}")))
        .await;
    wait_until("the others are done", async || {
        house.count("endings", "outcome = 'done'").await == 201
    })
    .await;
    wait_until("it is given up", async || {
        house.count("dead_letters", "error_kind = 'stuck'").await == 1
    })
    .await;

    // The notice of the burial is a message, too.
    wait_until("nothing waits", async || {
        house.count("queue", "true").await == 0
    })
    .await;

    over.store(true, Ordering::Relaxed);
    pool.drain(Duration::from_secs(1)).await;
}
