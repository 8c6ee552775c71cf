//! A message that kills its worker, again and again, and its neighbours (law L5).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::Notify;

use super::house::{Bot, House, KIND, quick, wait_until};
use crate::pool::{Handled, KindPolicy};

const INNOCENT: i64 = 200;
const POISON: &str = "in:test:poison";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_kills_every_worker_dies_alone_and_its_neighbours_are_done() {
    let house = House::build().await;
    let killed = Arc::new(Notify::new());
    let poison = Arc::clone(&killed);
    let bot = Bot::new(quick(), move |message, _| {
        let poison = Arc::clone(&poison);
        async move {
            if message.key.as_str() == POISON {
                poison.notify_one();
                std::future::pending::<()>().await;
            }
            if message.kind.as_ref() == KIND && !message.interrupted {
                // Whatever met the first crash was in hand with the poison, in the middle of its work.
                std::future::pending::<()>().await;
            }
            Handled::done()
        }
    });
    let keys = (0..INNOCENT).map(|number| match number {
        100 => POISON.to_owned(),
        _ => format!("in:test:{number}"),
    });
    house.enqueue(keys).await;

    let mut crashes = 0;
    let last = loop {
        let name = format!("pine{crashes}");
        let pool = house.pool(&name, &bot).await;
        tokio::select! {
            () = killed.notified() => {}
            () = wait_until("it is dead", async || house.count("dead_letters", "true").await > 0) => break pool,
        }
        house.kill(&pool, &name).await;
        // A start that the kill cut off may have rung as well; it is the same crash.
        killed.notified().now_or_never();
        crashes += 1;
    };
    // The poison's place among the two hundred is taken by what its person is told.
    wait_until("the others are done", async || {
        house.count("endings", "outcome = 'done'").await == INNOCENT
    })
    .await;

    assert_eq!(crashes, 3, "one in the crowd, two alone");
    let reason = "error_kind = 'interrupted' AND attempts = 4";
    assert_eq!(house.count("dead_letters", reason).await, 1);
    let dead = format!("key <> '{POISON}'");
    assert_eq!(house.count("dead_letters", &dead).await, 0);
    last.drain(Duration::from_secs(1)).await;
    assert_eq!(house.count("queue", "true").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_go_on_while_a_suspect_runs_alone() {
    let house = House::build().await;
    let over = Arc::new(Notify::new());
    let ends = Arc::clone(&over);
    let policy = KindPolicy {
        attempts_max: 5,
        ..quick()
    };
    let bot = Bot::new(policy, move |message, _| {
        let ends = Arc::clone(&ends);
        async move {
            if message.interrupted {
                ends.notified().await;
            }
            Handled::done()
        }
    });
    house
        .enqueue((0..40).map(|number| format!("in:test:suspect:{number}")))
        .await;
    let suspects = "UPDATE queue SET attempts = 3, interrupted = true";
    house.owner.batch_execute(suspects).await.unwrap();
    house
        .enqueue((0..40).map(|number| format!("in:test:suspect:{number}")))
        .await;
    house
        .enqueue((0..200).map(|number| format!("in:test:{number}")))
        .await;

    let pool = house.pool("pine", &bot).await;
    wait_until("the others are done", async || {
        house.count("endings", "outcome = 'done'").await == 200
    })
    .await;
    wait_until("one suspect runs", async || {
        bot.runs.load(Ordering::Relaxed) == 201
    })
    .await;
    let alone = "alone AND cardinality(ids) = 1";
    assert_eq!(house.count("claims", alone).await, 1);

    wait_until("all are done, in the order of their keys", async || {
        over.notify_one();
        house.count("queue", "true").await == 0
    })
    .await;
    let order = bot.order.lock().clone();
    assert_eq!(order.len(), 280);
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_gives_waiting_suspects_back_uncounted() {
    let house = House::build().await;
    let bot = Bot::new(quick(), |_, _| std::future::pending());
    house
        .enqueue((0..20).map(|number| format!("in:test:{number}")))
        .await;
    let suspects = "UPDATE queue SET attempts = 1, interrupted = true";
    house.owner.batch_execute(suspects).await.unwrap();
    let pool = house.pool("pine", &bot).await;
    wait_until("one runs", async || bot.runs.load(Ordering::Relaxed) == 1).await;

    pool.drain(Duration::from_millis(100)).await;

    let calm = Bot::new(quick(), |_, run| async move {
        assert_eq!(run.attempt, 2);
        Handled::done()
    });
    let oak = house.pool("oak", &calm).await;
    wait_until("all are done", async || {
        house
            .count("endings", "outcome = 'done' AND attempt = 2")
            .await
            == 20
    })
    .await;
    oak.drain(Duration::from_secs(1)).await;
}
