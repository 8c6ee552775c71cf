//! Who is slowed down, and above all who is not.

use serde_json::json;

use crate::door::{Door, SECRET, get, post, said, settings};

#[tokio::test]
async fn a_forged_flood_from_next_door_refuses_no_genuine_update() {
    let mut settings = settings();
    settings["strangers"] = json!({"failures": {"requests": 5, "window_seconds": 3600}});
    let door = Door::with(settings).await;
    let mut forger = door.connect().await;
    let mut genuine = door.connect().await;

    let mut statuses = Vec::new();
    for update in 0..50 {
        forger
            .send(post("/telegram/ops", "forged", &said(update)))
            .await;
        statuses.push(forger.answer().await.status);
        genuine
            .send(post("/telegram/ops", SECRET, &said(update)))
            .await;
        assert_eq!(genuine.answer().await.status, 200);
    }

    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 45);
    assert_eq!(door.shelf.stored.lock().len(), 50);
}

/// What is refused waits for the whole window, and not for the next drop into a bucket.
#[tokio::test]
async fn a_limit_is_counted_as_its_settings_say() {
    for (algorithm, retry_after) in [
        ("token_bucket", 30..=30),
        ("sliding_window", 60..=61),
        ("fixed_window", 60..=60),
    ] {
        let mut settings = settings();
        settings["routes"][0]["accept"]["bots"][0]["limit"] =
            json!({"requests": 2, "window_seconds": 60, "algorithm": algorithm});
        let door = Door::with(settings).await;

        for update in 1..=2 {
            assert_eq!(door.update(&said(update)).await.status, 200);
        }
        let refused = door.update(&said(3)).await;

        let problem = refused.is_problem(429, "rate-limited");
        let told = problem["retry_after"].as_u64().unwrap();
        assert!(retry_after.contains(&told), "{algorithm}: {told}");
        assert_eq!(refused.header("ratelimit-policy"), Some("\"bot\";q=2;w=60"));
    }
}

#[tokio::test]
async fn a_bot_beyond_its_limit_reads_429_and_when_while_its_neighbour_goes_on() {
    let mut settings = settings();
    settings["routes"][0]["accept"]["bots"][0]["limit"] =
        json!({"requests": 2, "window_seconds": 60});
    let door = Door::with(settings).await;

    let first = door.update(&said(1)).await;
    assert_eq!(first.header("ratelimit-policy"), Some("\"bot\";q=2;w=60"));
    assert_eq!(first.header("ratelimit"), Some("\"bot\";r=1;t=30"));
    assert_eq!(door.update(&said(2)).await.status, 200);
    let refused = door.update(&said(3)).await;
    let neighbour = door
        .ask(post("/telegram/second", "another-bots-secret", &said(3)))
        .await;

    let problem = refused.is_problem(429, "rate-limited");
    assert_eq!(problem["retry_after"], 30);
    assert!(
        refused
            .header("ratelimit")
            .unwrap()
            .starts_with("\"bot\";r=0;t="),
        "{refused:?}"
    );
    assert_eq!(neighbour.status, 200);
    assert_eq!(door.shelf.stored.lock().len(), 3);
}

#[tokio::test]
async fn a_stranger_uses_up_the_address_and_not_the_health_pages() {
    let mut settings = settings();
    settings["strangers"] = json!({"unverified": {"requests": 3, "window_seconds": 3600}});
    let door = Door::with(settings).await;

    for _ in 0..3 {
        assert_eq!(door.ask(get("/problems/not-found")).await.status, 200);
    }
    let refused = door.ask(get("/problems/not-found")).await;

    refused.is_problem(429, "rate-limited");
    assert_eq!(
        refused.header("ratelimit-policy"),
        Some("\"address\";q=3;w=3600")
    );
    assert_eq!(door.ask(get("/health/live")).await.status, 200);
    assert_eq!(door.update(&said(1)).await.status, 200);
}

/// An update from a chat and somebody in it.
fn from(update_id: i64, chat: i64, person: i64) -> String {
    json!({"update_id": update_id, "message": {"chat": {"id": chat}, "from": {"id": person}, "text": "hi"}})
        .to_string()
}

#[tokio::test]
async fn a_loud_person_waits_while_the_others_and_the_house_go_on() {
    let mut settings = settings();
    settings["limits"] = json!({
        "person": {"by": ["user"], "rate": {"requests": 2, "window_seconds": 60}},
        "house": {"rate": {"requests": 5, "window_seconds": 60, "algorithm": "fixed_window"}},
    });
    settings["routes"][0]["limits"] = json!(["person", "house"]);
    let door = Door::with(settings).await;

    let first = door.update(&from(1, 42, 7)).await;
    assert_eq!(
        first.header("ratelimit-policy"),
        Some("\"bot\";q=20000;w=1, \"person\";q=2;w=60, \"house\";q=5;w=60")
    );
    assert_eq!(first.header("ratelimit"), Some("\"person\";r=1;t=30"));
    // The same person in another chat is the same person.
    assert_eq!(door.update(&from(2, 43, 7)).await.status, 200);
    let mut refused = Vec::new();
    for update in 3..=20 {
        refused.push(door.update(&from(update, 42, 7)).await);
    }
    // What was refused to one has cost the others nothing: three of five are left to the house.
    for update in 21..=23 {
        assert_eq!(door.update(&from(update, 42, update)).await.status, 200);
    }
    let all = door.update(&from(24, 44, 24)).await;

    for answer in &refused {
        answer.is_problem(429, "rate-limited");
        assert_eq!(
            answer.header("ratelimit-policy"),
            Some("\"person\";q=2;w=60")
        );
    }
    all.is_problem(429, "rate-limited");
    assert_eq!(all.header("ratelimit-policy"), Some("\"house\";q=5;w=60"));
    assert_eq!(door.shelf.stored.lock().len(), 5);
}

#[tokio::test]
async fn a_stop_button_is_never_held_up() {
    let mut settings = settings();
    settings["limits"] =
        json!({"chat": {"by": ["chat"], "rate": {"requests": 1, "window_seconds": 3600}}});
    settings["routes"][0]["limits"] = json!(["chat"]);
    let door = Door::with(settings).await;
    let stop = |update_id: i64| {
        let message = json!({"chat": {"id": 42}});
        json!({"update_id": update_id, "callback_query": {"id": "1", "from": {"id": 7}, "data": "stop:1", "message": message}})
            .to_string()
    };

    assert_eq!(door.update(&said(1)).await.status, 200);
    assert_eq!(door.update(&said(2)).await.status, 429);
    for update in 3..=6 {
        assert_eq!(door.update(&stop(update)).await.status, 200);
    }
}

#[tokio::test]
async fn callers_of_an_api_count_by_their_keys() {
    let mut settings = settings();
    settings["limits"] =
        json!({"key": {"by": ["api_key", "route"], "rate": {"requests": 2, "window_seconds": 60}}});
    settings["routes"][4]["limits"] = json!(["key"]);
    let door = Door::with(settings).await;
    let call = |key: &str| {
        format!("GET /ops/x HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer {key}\r\n\r\n")
    };

    // Nobody serves it, which is not the limit's business.
    assert_eq!(door.ask(call("one")).await.status, 502);
    assert_eq!(door.ask(call("one")).await.status, 502);
    let refused = door.ask(call("one")).await;
    let neighbour = door.ask(call("two")).await;

    refused.is_problem(429, "rate-limited");
    assert_eq!(neighbour.status, 502);
}
