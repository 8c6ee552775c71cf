//! That the edge changes its rules while it runs, whole or not at all, and that nobody gets a fresh limit out of it.

use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::door::{Door, SECRET, checked, get, post, said, settings};

#[tokio::test]
async fn new_rules_apply_from_the_next_request_on() {
    let door = Door::open().await;
    let mut kept = door.connect().await;
    kept.send(get("/problems/not-found")).await;
    assert_eq!(kept.answer().await.status, 200);
    let mut changed = settings();
    changed["routes"][0]["accept"]["bots"][0]["secrets"] = json!(["the-secret-after-this"]);
    changed["routes"][1] = json!({"path": "/health/alive", "health": "live"});

    let changes = door.handle.reload(&checked(changed)).unwrap();

    assert_eq!(
        changes.to_string(),
        "+/health/alive -/health/live ~/telegram/{bot}"
    );
    // Also on a connection that was there before.
    kept.send(get("/health/live")).await;
    assert_eq!(kept.answer().await.status, 404);
    assert_eq!(door.ask(get("/health/alive")).await.status, 200);
    assert_eq!(door.update(&said(1)).await.status, 401);
    let renewed = post("/telegram/ops", "the-secret-after-this", &said(1));
    assert_eq!(door.ask(renewed).await.status, 200);
}

#[tokio::test]
async fn a_limit_that_stays_keeps_what_it_has_counted() {
    let with = |requests: u32, person: u32| {
        let mut settings = settings();
        settings["strangers"] =
            json!({"unverified": {"requests": requests, "window_seconds": 3600}});
        settings["limits"] = json!({
            "person": {"by": ["user"], "rate": {"requests": person, "window_seconds": 3600}},
            "house": {"rate": {"requests": 100, "window_seconds": 3600}},
        });
        settings["routes"][0]["limits"] = json!(["person", "house"]);
        settings["routes"][0]["accept"]["bots"][0]["limit"] =
            json!({"requests": 4, "window_seconds": 3600});
        settings
    };
    let door = Door::with(with(2, 2)).await;
    for update in 1..=2 {
        assert_eq!(door.update(&said(update)).await.status, 200);
        assert_eq!(door.ask(get("/problems/not-found")).await.status, 200);
    }

    let mut more_routes = with(2, 2);
    more_routes["trusted_peers"] = json!(["10.0.0.0/8"]);
    assert!(
        !door
            .handle
            .reload(&checked(more_routes))
            .unwrap()
            .is_empty()
    );

    assert_eq!(door.update(&said(3)).await.status, 429);
    assert_eq!(door.ask(get("/problems/not-found")).await.status, 429);

    // A limit that changes begins anew; its neighbours go on: one is left of the bot's four, since its own limit is asked
    // before anybody knows whose update it is.
    door.handle.reload(&checked(with(2, 50))).unwrap();
    assert_eq!(door.update(&said(3)).await.status, 200);
    let refused = door.update(&said(4)).await;
    assert_eq!(
        refused.header("ratelimit-policy"),
        Some("\"bot\";q=4;w=3600")
    );
    assert_eq!(door.ask(get("/problems/not-found")).await.status, 429);
}

#[tokio::test]
async fn doors_wait_for_a_restart_and_say_so() {
    let door = Door::open().await;
    let mut changed = settings();
    changed["http"] = json!("127.0.0.1:1");
    changed["connections"] = json!({"total_max": 7});

    let changes = door.handle.reload(&checked(changed)).unwrap();

    assert_eq!(changes.at_restart, ["http", "connections"]);
    assert_eq!(changes.to_string(), "at the next start: http, connections");
    assert_eq!(door.ask(get("/health/live")).await.status, 200);
}

/// A hundred reloads, each turning a route over, under requests on kept connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_rules_are_reloaded() {
    let door = Door::open().await;
    let mut other = settings();
    other["routes"][0]["accept"]["bots"][1]["secrets"] = json!(["yet-another-secret-text"]);
    let (one, other) = (checked(settings()), checked(other));
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(door.connect().await);
    }
    let over = CancellationToken::new();
    let mut asking = JoinSet::new();
    for (number, mut client) in (0..).zip(clients) {
        let over = over.clone();
        asking.spawn(async move {
            let mut answered = 0_i64;
            while !over.is_cancelled() {
                let update = number * 1_000_000 + answered;
                client
                    .send(post("/telegram/ops", SECRET, &said(update)))
                    .await;
                assert_eq!(client.answer().await.status, 200);
                answered += 1;
            }
            answered
        });
    }

    for turn in 0..100 {
        let settings = if turn % 2 == 0 { &other } else { &one };
        assert_eq!(door.handle.reload(settings).unwrap().applied.len(), 1);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    over.cancel();

    assert!(
        asking
            .join_all()
            .await
            .into_iter()
            .all(|answered| answered > 0)
    );
}
