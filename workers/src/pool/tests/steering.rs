//! Pauses, cancellations and progress, as people see them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sallyport_queue::mailboxes::HeadPolicy;
use sallyport_queue::{CancelAnswer, ErrorNote, Key, NewMessage, Scope};
use tokio::sync::Notify;

use super::house::{Bot, House, KIND, NOTICE, message, quick, wait_until};
use crate::pool::{Handled, KindPolicy};

fn the_kind() -> Scope {
    Scope::Kind(KIND.to_owned())
}

fn done() -> Arc<Bot> {
    Bot::new(quick(), |_, _| async { Handled::done() })
}

fn hung(policy: KindPolicy) -> Arc<Bot> {
    Bot::new(policy, |_, _| std::future::pending())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_kind_waits_while_others_go_on_and_a_key_keeps_its_order() {
    let house = House::build().await;
    let bot = done();
    house
        .control()
        .pause(&the_kind(), "ann", "deploy")
        .await
        .unwrap();
    let pool = house.pool("pine", &bot).await;
    let of = |kind: &str, key: &str| message(kind, Key::from(key.to_owned()), String::new());
    let ids = house
        .enqueue_all([
            of(KIND, "in:test:mixed"),
            of(NOTICE, "in:test:mixed"),
            of(NOTICE, "in:test:other"),
        ])
        .await;
    wait_until("the paused one is set aside", async || {
        house.count("waiting", "room LIKE 'pause:%'").await == 1
    })
    .await;
    wait_until("the other key is done", async || {
        house.count("endings", "outcome = 'done'").await == 1
    })
    .await;
    assert_eq!(*bot.order.lock(), [ids[2]], "what is behind it waits, too");

    let resumed = Instant::now();
    house
        .control()
        .resume(&the_kind(), "ann", "fine")
        .await
        .unwrap();
    wait_until("all end", async || house.count("queue", "true").await == 0).await;

    assert!(
        resumed.elapsed() < Duration::from_secs(2),
        "{:?}",
        resumed.elapsed()
    );
    assert_eq!(*bot.order.lock(), [ids[2], ids[0], ids[1]]);
    assert_eq!(house.count("held_keys", "true").await, 0);
    assert_eq!(
        house.count("attempts", "true").await,
        0,
        "waiting is no attempt"
    );
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_is_picked_up_within_a_second_and_outlives_the_worker() {
    let house = House::build().await;
    let bot = done();
    let pine = house.pool("pine", &bot).await;
    house.enqueue([String::from("in:test:first")]).await;
    wait_until("the first ends", async || {
        house.count("endings", "true").await == 1
    })
    .await;

    house
        .control()
        .pause(&the_kind(), "ann", "deploy")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    house
        .enqueue((0..200).map(|number| format!("in:test:{number}")))
        .await;
    wait_until("all are set aside", async || {
        house.count("waiting", "true").await == 200
    })
    .await;
    pine.kill().await;
    let oak = house.pool("oak", &bot).await;
    wait_until("another owns them", async || {
        house.count("leases", "owner = 'oak'").await == 256
    })
    .await;
    assert_eq!(bot.runs.load(Ordering::Relaxed), 1);

    house
        .control()
        .resume(&the_kind(), "bob", "fine")
        .await
        .unwrap();
    wait_until("all end", async || house.count("queue", "true").await == 0).await;
    assert_eq!(bot.runs.load(Ordering::Relaxed), 201);
    oak.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_of_everything_stops_whole_pools_until_somebody_resumes() {
    let house = House::build().await;
    let bot = done();
    let everything = Scope::Everything;
    house
        .control()
        .pause(&everything, "ann", "restore")
        .await
        .unwrap();
    let pool = house.pool("pine", &bot).await;
    house.enqueue([String::from("in:test:one")]).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(bot.runs.load(Ordering::Relaxed), 0);

    house
        .control()
        .resume(&everything, "ann", "fine")
        .await
        .unwrap();

    wait_until("it ends", async || house.count("queue", "true").await == 0).await;
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_held_waiting_and_delayed_messages_are_cancelled_with_the_reason() {
    let house = House::build().await;
    let policy = KindPolicy {
        head: HeadPolicy::Park,
        backoff: sallyport_queue::retry::Backoff {
            first: Duration::from_secs(600),
            longest: Duration::from_secs(600),
        },
        ..quick()
    };
    let bot = Bot::new(policy, |message, _| async move {
        if message.key.as_str() == "in:test:failing" {
            return Handled::from(sallyport_queue::Verdict::Retry {
                after: Duration::from_secs(600),
                error: ErrorNote::new("planted", "no"),
            });
        }
        std::future::pending().await
    });
    let pool = house.pool("pine", &bot).await;
    let keys = [
        "in:test:hung",
        "in:test:hung",
        "in:test:failing",
        "in:test:failing",
    ];
    let mut ids = house.enqueue(keys.map(String::from)).await;
    let delayed = NewMessage {
        delay: Some(Duration::from_secs(600)),
        ..message(KIND, Key::from("in:test:later".to_owned()), String::new())
    };
    ids.extend(house.enqueue_all([delayed]).await);
    wait_until("two ran", async || {
        bot.runs.load(Ordering::Relaxed) == 2 && house.count("held_keys", "true").await == 1
    })
    .await;

    for id in ids.iter().rev() {
        let answer = house
            .control()
            .cancel(*id, "ann", "a mistake")
            .await
            .unwrap();
        assert_eq!(answer, CancelAnswer::Ordered);
    }
    wait_until("all are ended", async || {
        house.count("queue", "true").await == 0
    })
    .await;

    let kept = "outcome = 'cancelled' AND error_text = 'cancelled by ann: a mistake'";
    assert_eq!(house.count("endings", kept).await, 5);
    wait_until("the orders are gone", async || {
        house.count("cancellations", "true").await == 0
    })
    .await;
    assert_eq!(house.count("held_keys", "true").await, 0);
    assert_eq!(
        bot.runs.load(Ordering::Relaxed),
        2,
        "nothing else was started"
    );
    house.enqueue([String::from("in:test:failing")]).await;
    wait_until("the key goes on", async || {
        bot.runs.load(Ordering::Relaxed) == 3
    })
    .await;
    pool.drain(Duration::from_millis(50)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_handler_learns_who_and_why_and_may_put_things_away() {
    let house = House::build().await;
    let seen = Arc::new(parking_lot::Mutex::new(None));
    let told = Arc::clone(&seen);
    let bot = Bot::new(quick(), move |_, run| {
        let told = Arc::clone(&told);
        async move {
            run.cancelled.cancelled().await;
            *told.lock() = run.cancelled_by().map(str::to_owned);
            Handled::retry(ErrorNote::new("planted", "broken off"))
        }
    });
    let pool = house.pool("pine", &bot).await;
    let ids = house.enqueue([String::from("in:test:one")]).await;
    wait_until("it runs", async || bot.runs.load(Ordering::Relaxed) == 1).await;

    house
        .control()
        .cancel(ids[0], "ann", "too dear")
        .await
        .unwrap();
    wait_until("it ends", async || {
        house.count("endings", "outcome = 'cancelled'").await == 1
    })
    .await;

    assert_eq!(seen.lock().as_deref(), Some("cancelled by ann: too dear"));
    assert_eq!(
        house.count("attempts", "true").await,
        0,
        "it is not tried again"
    );
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_without_a_live_worker_is_carried_out_by_the_next_one() {
    let house = House::build().await;
    let bot = hung(quick());
    let pine = house.pool("pine", &bot).await;
    let ids = house
        .enqueue(["in:test:one", "in:test:two"].map(String::from))
        .await;
    wait_until("they run", async || bot.runs.load(Ordering::Relaxed) == 2).await;
    pine.kill().await;

    let answer = house.control().cancel(ids[0], "ann", "gone").await.unwrap();
    assert_eq!(answer, CancelAnswer::Ordered);
    let oak = house.pool("oak", &bot).await;
    wait_until("it is ended", async || {
        house.count("endings", "outcome = 'cancelled'").await == 1
    })
    .await;

    wait_until("the other runs again", async || {
        bot.runs.load(Ordering::Relaxed) == 3
    })
    .await;
    oak.drain(Duration::from_millis(50)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_can_be_read_while_it_is_made_and_goes_with_its_message() {
    let house = House::build().await;
    let go_on = Arc::new(Notify::new());
    let waits = Arc::clone(&go_on);
    let bot = Bot::new(quick(), move |_, run| {
        let waits = Arc::clone(&waits);
        async move {
            for done in 0..=1_000 {
                run.progress(done, Some(4_000), "pages read");
            }
            waits.notified().await;
            Handled::done()
        }
    });
    let pool = house.pool("pine", &bot).await;
    let ids = house.enqueue([String::from("in:test:long")]).await;
    wait_until("it is written down", async || {
        !house.control().progress(&ids).await.unwrap().is_empty()
    })
    .await;

    let progress = house.control().progress(&ids).await.unwrap();
    assert_eq!(
        (progress[0].done, progress[0].of, progress[0].note.as_str()),
        (1_000, Some(4_000), "pages read")
    );
    go_on.notify_one();
    wait_until("it is forgotten", async || {
        house.count("progress", "true").await == 0
    })
    .await;
    pool.drain(Duration::from_secs(1)).await;
}
