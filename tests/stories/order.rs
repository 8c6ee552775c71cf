//! Order per chat, other chats undisturbed, and Telegram's pace.

use std::time::Duration;

use serde_json::{Value, json};

use crate::house::{House, OWN_SERVER};
use crate::updates;

#[tokio::test(flavor = "multi_thread")]
async fn every_chat_is_answered_in_order() {
    let house = House::open_with(&OWN_SERVER).await;
    let (chats, turns) = (200_i64, 20_i64);

    let conversations = (0..chats).map(|chat| {
        let house = &house;
        async move {
            for turn in 0..turns {
                let update = updates::text(
                    1_000_000 + chat * 100 + turn,
                    40_000 + chat,
                    &format!("/no{turn:02}"),
                );
                assert_eq!(house.post_update(&update).await.status(), 200);
            }
        }
    });
    futures::future::join_all(conversations).await;
    house.wait_until_idle().await;

    for chat in 0..chats {
        let sent = house.sent(40_000 + chat).await;
        let order: Vec<String> = sent.iter().filter_map(named_command).collect();
        let expected: Vec<String> = (0..turns).map(|turn| format!("/no{turn:02}")).collect();
        assert_eq!(order, expected, "chat {chat}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cloud_pacing_never_meets_a_429_and_keeps_order() {
    let house = House::open().await;

    let conversations = (0..5_i64).map(|chat| {
        let house = &house;
        async move {
            for turn in 0..8_i64 {
                let update = updates::text(
                    2_000_000 + chat * 100 + turn,
                    50_000 + chat,
                    &format!("/no{turn:02}"),
                );
                assert_eq!(house.post_update(&update).await.status(), 200);
            }
        }
    });
    futures::future::join_all(conversations).await;
    house.wait_until_idle().await;

    for chat in 0..5 {
        let order: Vec<String> = house
            .sent(50_000 + chat)
            .await
            .iter()
            .filter_map(named_command)
            .collect();
        let expected: Vec<String> = (0..8).map(|turn| format!("/no{turn:02}")).collect();
        assert_eq!(order, expected, "chat {chat}");
    }
    let log = calls(&house).await;
    assert!(!has_429(&log), "a 429 was earned: {log:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_must_wait_delays_no_other() {
    let house = House::open_with(&OWN_SERVER).await;
    let wait = json!({"target": "telegram", "method": "sendMessage", "chat_id": 60_000, "status": 429, "retry_after": 20, "times": 1});
    house.control("faults", &wait).await;
    assert_eq!(
        house
            .post_update(&updates::text(3_000_000, 60_000, "/start"))
            .await
            .status(),
        200
    );
    house
        .wait_until("the first chat is told to wait", || async {
            has_429(&calls(&house).await)
        })
        .await;

    let asked = std::time::Instant::now();
    assert_eq!(
        house
            .post_update(&updates::text(3_000_001, 60_001, "/start"))
            .await
            .status(),
        200
    );
    house
        .wait_for_message(60_001, |text| text.contains("/help"))
        .await;

    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked.elapsed()
    );
}

/// Every call that the stand-in received, with the status it was answered.
async fn calls(house: &House) -> Value {
    let url = format!("http://127.0.0.1:{}/_/telegram/log", house.doors.playground);
    let answer = house.client.get(url).send().await.unwrap();
    answer.json().await.unwrap()
}

/// Whether anybody was told to wait.
fn has_429(log: &Value) -> bool {
    log.as_array()
        .expect("a list of calls")
        .iter()
        .any(|call| call["status"] == 429)
}

/// The command that an "I don't know /no07." names.
fn named_command(message: &Value) -> Option<String> {
    let text = message["text"].as_str()?;
    let (_, rest) = text.split_once("/no")?;
    Some(format!("/no{}", rest.get(..2)?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_whose_handler_takes_ten_seconds_delays_no_other() {
    let house = House::open_with(&OWN_SERVER).await;
    let slow = json!({"target": "telegram", "method": "sendMessage", "chat_id": 70_000, "latency_ms": 10_000, "times": 1});
    house.control("faults", &slow).await;
    assert_eq!(
        house
            .post_update(&updates::text(4_000_000, 70_000, "/start"))
            .await
            .status(),
        200
    );

    for chat in 1..=300_i64 {
        let update = updates::text(4_000_000 + chat, 70_000 + chat, "/start");
        assert_eq!(house.post_update(&update).await.status(), 200);
    }
    for chat in 1..=300_i64 {
        house
            .wait_for_message(70_000 + chat, |text| text.contains("/help"))
            .await;
    }

    assert!(
        house.sent(70_000).await.is_empty(),
        "the slow one is still on its way"
    );
    let database = house.database().await;
    let waited = "select percentile_cont(0.99) within group (order by extract(epoch from e.started_at - m.accepted_at) * 1000)::float8 \
                  from messages m join endings e on e.message_id = m.id where m.key not like '%:70000'";
    let p99_ms: f64 = database.query_one(waited, &[]).await.unwrap().get(0);
    assert!(p99_ms < 200.0, "accepted to begun: p99 {p99_ms} ms");
    house
        .wait_for_message(70_000, |text| text.contains("/help"))
        .await;
}
