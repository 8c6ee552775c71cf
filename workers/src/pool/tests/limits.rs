//! So many at once, so often: exact across workers, and in nobody's way.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sallyport_queue::Limit;

use super::house::{Bot, House, quick, wait_until};
use crate::pool::{Handled, KindPolicy, Limits};

/// At most `max` of the test's messages at once, except those whose key says otherwise.
fn at_once(max: u32) -> KindPolicy {
    KindPolicy {
        limits: Some(Limits::new(move |message| {
            match message.key.as_str().starts_with("in:free:") {
                true => Vec::new(),
                false => vec![Limit::at_once("group", max)],
            }
        })),
        ..quick()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_never_run_more_of_a_group_than_it_allows() {
    let house = House::build().await;
    let bot = Bot::new(at_once(3), |_, _| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Handled::done()
    });
    let pine = house.pool("pine", &bot).await;
    let oak = house.pool("oak", &bot).await;
    wait_until("both own something", async || {
        house.count("leases", "owner = 'pine'").await == 128
            && house.count("leases", "owner = 'oak'").await == 128
    })
    .await;

    house
        .enqueue((0..60).map(|number| format!("in:test:{number}")))
        .await;
    wait_until("all end", async || {
        house.count("endings", "outcome = 'done'").await == 60
    })
    .await;

    let most = bot.most_at_once.load(Ordering::SeqCst);
    assert!((2..=3).contains(&most), "{most} at once");
    assert_eq!(
        house.count("attempts", "true").await,
        0,
        "waiting is no attempt"
    );
    pine.drain(Duration::from_secs(1)).await;
    oak.drain(Duration::from_secs(1)).await;
    assert_eq!(house.count("slots", "true").await, 0);
    assert_eq!(house.count("waiting", "true").await, 0);
    assert_eq!(house.count("held_keys", "true").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_group_stands_in_nobodys_way_and_starts_in_order_when_there_is_room() {
    let house = House::build().await;
    let began = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&began);
    let bot = Bot::new(at_once(1), move |message, _| {
        let notes = Arc::clone(&notes);
        async move {
            let free = message.key.as_str().starts_with("in:free:");
            let start = Instant::now();
            if !free {
                tokio::time::sleep(Duration::from_millis(50)).await;
                notes.lock().push((message.id, start, Instant::now()));
            }
            Handled::done()
        }
    });
    let pool = house.pool("pine", &bot).await;

    let limited = house
        .enqueue((0..10).map(|number| format!("in:test:{number}")))
        .await;
    house
        .enqueue((0..200).map(|number| format!("in:free:{number}")))
        .await;
    wait_until("the others are done", async || {
        bot.order.lock().len() >= 200
    })
    .await;
    assert!(began.lock().len() < 10, "they did not wait for the group");
    wait_until("all end", async || house.count("queue", "true").await == 0).await;

    let began = began.lock().clone();
    let order: Vec<_> = began.iter().map(|(id, _, _)| *id).collect();
    assert_eq!(order, limited, "the oldest first");
    let gaps = began
        .windows(2)
        .map(|pair| pair[1].1.duration_since(pair[0].2));
    let longest = gaps.max().unwrap();
    assert!(
        longest < Duration::from_millis(500),
        "{longest:?} of room unused"
    );
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_holders_place_is_free_at_the_takeover() {
    let house = House::build().await;
    let hung = Bot::new(at_once(1), |_, _| std::future::pending());
    let pine = house.pool("pine", &hung).await;
    house
        .enqueue((0..3).map(|number| format!("in:test:{number}")))
        .await;
    wait_until("one runs", async || hung.runs.load(Ordering::Relaxed) == 1).await;
    wait_until("the others wait", async || {
        house.count("waiting", "true").await == 2
    })
    .await;

    house.kill(&pine, "pine").await;
    let bot = Bot::new(at_once(1), |_, _| async { Handled::done() });
    let oak = house.pool("oak", &bot).await;
    wait_until("all end", async || house.count("queue", "true").await == 0).await;

    assert_eq!(hung.runs.load(Ordering::Relaxed), 1);
    assert_eq!(bot.most_at_once.load(Ordering::SeqCst), 1);
    oak.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_never_come_faster_than_their_rate_across_workers() {
    const EACH: Duration = Duration::from_millis(100);
    let house = House::build().await;
    let policy = KindPolicy {
        limits: Some(Limits::new(|_| vec![Limit::rate("chat", EACH, 2)])),
        ..quick()
    };
    let starts = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&starts);
    let bot = Bot::new(policy, move |_, _| {
        notes.lock().push(Instant::now());
        async { Handled::done() }
    });
    let pine = house.pool("pine", &bot).await;
    let oak = house.pool("oak", &bot).await;
    wait_until("both own something", async || {
        house.count("leases", "owner IS NULL").await == 0
            && house.count("leases", "owner = 'oak'").await == 128
    })
    .await;

    house
        .enqueue((0..20).map(|number| format!("in:test:{number}")))
        .await;
    wait_until("all end", async || house.count("queue", "true").await == 0).await;

    let starts = starts.lock().clone();
    let took = starts[19].duration_since(starts[0]);
    assert!(took < EACH * 60, "{took:?} for 20 starts");
    for window in starts.windows(6) {
        // Two in a row and one per interval; a start may reach its handler a little late, never early.
        let span = window[5].duration_since(window[0]) + Duration::from_millis(60);
        assert!(span >= EACH * 3, "six starts within {span:?}");
    }
    pine.drain(Duration::from_secs(1)).await;
    oak.drain(Duration::from_secs(1)).await;
}
