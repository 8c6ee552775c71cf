//! The live bus: at least once, to every group, and nobody believes that nothing was missed when something was.

use std::collections::BTreeSet;
use std::time::Duration;

use sallyport_redis::live::{Heard, LiveEvent, Subscriber};
use sallyport_redis::testing::{OwnServer, open, shared, shared_settings};
use sallyport_redis::{Redis, Settings};

const SILENT_MAX: Duration = Duration::from_millis(50);

fn event(number: i64) -> LiveEvent {
    LiveEvent {
        id: format!("message:{number}"),
        name: "message.ended".to_owned(),
        trace: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        at: "2026-03-09T12:00:00Z".to_owned(),
        data: format!(r#"{{"message":{number}}}"#),
    }
}

async fn publish(redis: &Redis, last: i64, numbers: impl IntoIterator<Item = i64>) -> i64 {
    let events: Vec<_> = numbers.into_iter().map(event).collect();
    redis.publish_live(last, &events).await.unwrap()
}

/// A reader that has been told already that it missed what was before it.
async fn reader(redis: &Redis, group: &str, consumer: &str) -> Subscriber {
    let mut reader = Subscriber::new(redis.clone(), group, consumer, SILENT_MAX);
    assert_eq!(reader.next().await.unwrap(), Heard::Gap);
    reader.done().await.unwrap();
    reader
}

async fn hears(reader: &mut Subscriber) -> Vec<String> {
    match reader.next().await.unwrap() {
        Heard::Events(events) => events.into_iter().map(|event| event.id).collect(),
        Heard::Gap => panic!("there is a gap"),
    }
}

async fn hears_all(reader: &mut Subscriber, how_many: usize) -> BTreeSet<String> {
    let mut heard = BTreeSet::new();
    while heard.len() < how_many {
        heard.extend(hears(reader).await);
        reader.done().await.unwrap();
    }
    heard
}

#[tokio::test]
async fn every_group_hears_everything_in_order_and_whole() {
    let redis = shared();
    let mut pages = reader(&redis, "pages", "a").await;
    let mut caches = reader(&redis, "caches", "a").await;

    assert_eq!(publish(&redis, 0, 1..=3).await, 3);

    assert_eq!(
        pages.next().await.unwrap(),
        Heard::Events(vec![event(1), event(2), event(3)])
    );
    assert_eq!(hears(&mut caches).await.len(), 3);
}

#[tokio::test]
async fn what_was_heard_and_not_done_comes_again_after_a_restart() {
    let redis = shared();
    let mut before = reader(&redis, "pages", "a").await;
    publish(&redis, 0, 1..=2).await;
    hears(&mut before).await;
    drop(before);

    let mut after = Subscriber::new(redis.clone(), "pages", "a", SILENT_MAX);

    assert_eq!(hears(&mut after).await, ["message:1", "message:2"]);
    after.done().await.unwrap();
    publish(&redis, 2, [3]).await;
    assert_eq!(hears(&mut after).await, ["message:3"]);
}

#[tokio::test]
async fn what_a_silent_consumer_had_comes_to_another_of_its_group() {
    let redis = shared();
    let mut crashed = reader(&redis, "pages", "a").await;
    publish(&redis, 0, 1..=2).await;
    hears(&mut crashed).await;
    drop(crashed);

    let mut other = Subscriber::new(redis.clone(), "pages", "b", SILENT_MAX);

    assert_eq!(hears(&mut other).await, ["message:1", "message:2"]);
}

#[tokio::test]
async fn whoever_reads_too_slowly_is_told_of_the_gap_until_it_is_done() {
    let redis = open(&Settings {
        live_entries_max: 100,
        ..shared_settings()
    });
    let mut slow = reader(&redis, "pages", "a").await;
    publish(&redis, 0, 1..=1_000).await;

    assert_eq!(slow.next().await.unwrap(), Heard::Gap);
    drop(slow);
    let mut slow = Subscriber::new(redis.clone(), "pages", "a", SILENT_MAX);
    assert_eq!(slow.next().await.unwrap(), Heard::Gap);
    slow.done().await.unwrap();

    let kept = hears(&mut slow).await;
    assert!(kept.len() >= 100 && !kept.contains(&"message:1".to_owned()));
}

#[tokio::test]
async fn what_was_heard_but_trimmed_before_it_was_done_is_a_gap() {
    let redis = open(&Settings {
        live_entries_max: 100,
        ..shared_settings()
    });
    let mut slow = reader(&redis, "pages", "a").await;
    publish(&redis, 0, 1..=10).await;
    hears(&mut slow).await;
    publish(&redis, 10, 11..=1_000).await;

    let mut after = Subscriber::new(redis.clone(), "pages", "a", SILENT_MAX);
    assert_eq!(after.next().await.unwrap(), Heard::Gap);
    after.done().await.unwrap();

    let kept = hears(&mut after).await;
    assert!(!kept.contains(&"message:5".to_owned()));
}

#[tokio::test]
async fn a_redis_that_lost_its_data_is_filled_again_and_every_group_hears_of_the_gap() {
    let mut server = OwnServer::start();
    let redis = open(&server.settings());
    let mut pages = reader(&redis, "pages", "a").await;
    publish(&redis, 0, 1..=5).await;
    hears_all(&mut pages, 5).await;

    server.restart();
    while redis.publish_live(5, &[event(6)]).await.is_err() {}
    let heard = loop {
        match pages.next().await {
            Ok(heard) => break heard,
            Err(_) => tokio::task::yield_now().await,
        }
    };

    assert_eq!(heard, Heard::Gap);
    pages.done().await.unwrap();
    assert_eq!(hears(&mut pages).await, ["message:6"]);
}

#[tokio::test]
async fn what_is_published_again_comes_again_and_leaves_no_hole() {
    let redis = shared();
    let mut pages = reader(&redis, "pages", "a").await;
    publish(&redis, 0, 1..=2).await;

    // The answer got lost, so the same is published again.
    let last = publish(&redis, 0, 1..=2).await;

    assert_eq!(last, 4);
    assert_eq!(
        hears(&mut pages).await,
        ["message:1", "message:2", "message:1", "message:2"]
    );
}
