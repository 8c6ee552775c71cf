//! From a webhook to its answer at the stand-in: one message per chat, 500 a second, open loop, so a stall cannot hide by slowing the sender.
//!
//! The clock runs from the moment an update *should* have been sent to the moment the stand-in received the answer.
#![expect(
    clippy::disallowed_methods,
    reason = "a bench reads its environment and spawns senders that it awaits"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot go on has no result"
)]
#![expect(clippy::print_stdout, reason = "its output is its result")]

#[path = "../tests/stories/house.rs"]
#[expect(dead_code, reason = "the stories use the rest of it")]
mod house;
#[path = "../tests/stories/updates.rs"]
mod updates;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use house::{House, OWN_SERVER};
use serde_json::Value;

const PER_SECOND: i64 = 500;
const SECONDS: i64 = 20;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let house = House::open_with(&[OWN_SERVER[0], OWN_SERVER[1], ("RUST_LOG", "warn")]).await;
    let first_chat = 5_000_000_i64;
    let started_at = jiff::Timestamp::now();
    let started = Instant::now();

    let mut posts = Vec::new();
    for turn in 0..PER_SECOND * SECONDS {
        let due = Duration::from_micros((turn * 1_000_000 / PER_SECOND).unsigned_abs());
        tokio::time::sleep_until((started + due).into()).await;
        let update = updates::text(first_chat + turn, first_chat + turn, "/help");
        let request = house
            .client
            .post(format!(
                "http://127.0.0.1:{}/telegram/ops",
                house.doors.http
            ))
            .header("X-Telegram-Bot-Api-Secret-Token", &house.secret)
            .json(&update);
        posts.push(tokio::spawn(async move {
            request.send().await.unwrap().status()
        }));
    }
    for post in posts {
        assert_eq!(post.await.unwrap(), 200);
    }
    house.wait_until_idle().await;

    let arrived = arrivals(&house).await;
    let mut took: Vec<f64> = (0..PER_SECOND * SECONDS)
        .map(|turn| {
            let due = started_at.as_millisecond() as f64 + turn as f64 * 1000.0 / PER_SECOND as f64;
            let at = arrived.get(&(first_chat + turn)).copied();
            at.unwrap_or_else(|| panic!("chat {} got no answer", first_chat + turn)) - due
        })
        .collect();
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!(
        "{} messages at {PER_SECOND}/s: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
        took.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}

/// When the stand-in received the answer of each chat, in milliseconds since 1970.
async fn arrivals(house: &House) -> BTreeMap<i64, f64> {
    let url = format!("http://127.0.0.1:{}/_/telegram/log", house.doors.playground);
    let log: Value = house
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let rows = log.as_array().unwrap().iter().filter_map(|row| {
        let at: jiff::Timestamp = row["at"].as_str()?.parse().ok()?;
        Some((
            row["chat_id"].as_i64()?,
            at.as_microsecond() as f64 / 1000.0,
        ))
    });
    rows.collect()
}
