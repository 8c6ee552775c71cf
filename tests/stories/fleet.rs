//! Several processes on one database: partitions change hands, and every message has one committed effect all the same.

use std::time::Duration;

use crate::house::{House, OWN_SERVER};
use crate::updates;

/// How long a process that is told to stop may take.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// Messages posted in each round, each in a chat of its own.
const CHATS_PER_ROUND: i64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn one_effect_per_message_while_stopped_workers_wake_up_around_the_expiry() {
    // Every pause moves half of the 256 partitions. The long form runs with `SALLYPORT_STORY_PAUSES=100`.
    let pauses: i64 = std::env::var("SALLYPORT_STORY_PAUSES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(6);
    let mut house =
        House::build(&[OWN_SERVER[0], OWN_SERVER[1], ("SALLYPORT_LEASE_MS", "1000")]).await;
    house.start_playground().await;
    house.start_fleet(2).await;
    let mut chats = Vec::new();

    for round in 0..pauses {
        let paused = usize::try_from(round % 2).unwrap();
        for chat in (0..CHATS_PER_ROUND).map(|turn| 100_000 + round * 100 + turn) {
            assert_eq!(
                house
                    .post_update(&updates::text(chat, chat, "/start"))
                    .await
                    .status(),
                200
            );
            chats.push(chat);
            if chat % CHATS_PER_ROUND == 7 {
                house.signal_worker(paused, "STOP");
            }
        }
        // From well before the lease's end to well after it, so that some wake up as owners and some do not.
        let wait = 700 + (round * 137) % 900;
        tokio::time::sleep(Duration::from_millis(wait.unsigned_abs())).await;
        house.signal_worker(paused, "CONT");
    }
    house.wait_until_idle().await;

    let database = house.database().await;
    let count = async |sql: &str| -> i64 { database.query_one(sql, &[]).await.unwrap().get(0) };
    let twice =
        "select count(*) from (select message_id from endings group by 1 having count(*) > 1) ends";
    assert_eq!(count(twice).await, 0, "one committed end per message");
    assert_eq!(
        count("select count(*) from endings where outcome <> 'done'").await,
        0
    );
    let changes = count("select coalesce(sum(token), 0)::bigint from leases").await;
    assert!(changes >= 100, "{changes} ownership changes");
    let ambiguous = count("select count(*) from ambiguous").await;
    let mut doubles = 0;
    for chat in chats {
        let greetings = house.sent(chat).await.len();
        assert!(greetings >= 1, "chat {chat} got no answer");
        doubles += greetings as i64 - 1;
    }
    assert!(
        doubles <= ambiguous,
        "{doubles} doubles, {ambiguous} on record"
    );

    assert!(house.stop_server(STOP_DEADLINE).await.success());
    for status in house.stop_workers(STOP_DEADLINE).await {
        assert!(status.success(), "{status}");
    }
    assert_eq!(
        count("select count(*) from workers").await,
        0,
        "whoever goes in order strikes itself off the list"
    );
}
