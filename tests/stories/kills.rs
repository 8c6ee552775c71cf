//! Kills and stops under load: every update that got a 200 is answered, and every double is owned up to.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use serde_json::Value;

use crate::house::{House, OWN_SERVER};
use crate::updates;

/// Chats of one round; each sends one `/start`, so each must show exactly one greeting in the end.
const CHATS_PER_ROUND: i64 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_by_kills_under_load() {
    // The full hundred runs with `SALLYPORT_STORY_KILLS=100`; ten keep the pipeline short.
    let kills: i64 = std::env::var("SALLYPORT_STORY_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(10);
    let mut house =
        House::open_with(&[OWN_SERVER[0], OWN_SERVER[1], ("SALLYPORT_LEASE_MS", "1000")]).await;
    let mut accepted = Vec::new();

    for round in 0..kills {
        let chats: Vec<i64> = (0..CHATS_PER_ROUND)
            .map(|turn| 10_000 + round * 100 + turn)
            .collect();
        let posts = chats.iter().map(|chat| {
            let house = &house;
            async move {
                house
                    .post_update(&updates::text(*chat, *chat, "/start"))
                    .await
                    .status()
            }
        });
        let statuses = futures::future::join_all(posts).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        accepted.extend(chats);
        let wait = rand::rng().random_range(0..500);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        house.kill_server();
        house.start_server().await;
    }
    house.wait_until_idle().await;

    let mut doubles = BTreeMap::new();
    for chat in &accepted {
        let greetings = house.sent(*chat).await.len();
        assert!(
            greetings >= 1,
            "chat {chat} was promised an answer and got none"
        );
        if greetings > 1 {
            doubles.insert(*chat, greetings);
        }
    }
    let ambiguous = ambiguous_by_chat(&house).await;
    for (chat, count) in &doubles {
        let recorded = ambiguous.get(&chat.to_string()).copied().unwrap_or(0);
        assert!(
            recorded + 1 >= *count as i64,
            "chat {chat} has {count} messages and {recorded} ambiguous records"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_under_load_loses_and_doubles_nothing() {
    let mut house = House::open_with(&OWN_SERVER).await;
    let mut accepted = Vec::new();

    for round in 0..3_i64 {
        for chat in (0..40).map(|turn| 20_000 + round * 100 + turn) {
            assert_eq!(
                house
                    .post_update(&updates::text(chat, chat, "/start"))
                    .await
                    .status(),
                200
            );
            accepted.push(chat);
        }
        let status = house.stop_server(Duration::from_secs(20)).await;
        assert!(status.success(), "{status}\n{}", house.log("server"));
        house.start_server().await;
    }
    house.wait_until_idle().await;

    for chat in accepted {
        let sent = house.sent(chat).await;
        assert_eq!(sent.len(), 1, "chat {chat}: {sent:#?}");
    }
}

/// How many sends of each chat are on record as possibly doubled.
async fn ambiguous_by_chat(house: &House) -> BTreeMap<String, i64> {
    let database = house.database().await;
    let rows = database
        .query(
            "select split_part(m.key, ':', 4), count(*) from ambiguous a join messages m on m.id = a.message_id group by 1",
            &[],
        )
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_that_wakes_up_changes_nothing() {
    let mut house =
        House::open_with(&[("SALLYPORT_LEASE_MS", "1000"), OWN_SERVER[0], OWN_SERVER[1]]).await;
    for chat in 30_000..30_020 {
        assert_eq!(
            house
                .post_update(&updates::text(chat, chat, "/start"))
                .await
                .status(),
            200
        );
    }

    house.signal_server("STOP");
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    house.signal_server("CONT");
    house.wait_until_idle().await;

    let database = house.database().await;
    let twice: i64 = database
        .query_one("select count(*) from (select message_id from endings group by 1 having count(*) > 1) d", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(twice, 0, "one committed end per message");
    let texts: Vec<Value> = house.sent(30_000).await;
    assert!(!texts.is_empty());
    assert!(house.stop_server(Duration::from_secs(20)).await.success());
}
