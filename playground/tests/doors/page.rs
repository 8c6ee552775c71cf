//! The page and its window into the house.

use axum::{Json, Router, http::HeaderMap, http::StatusCode, response::IntoResponse, routing::get};
use sallyport_playground::{OpsToken, PlaygroundSettings};
use serde_json::{Value, json};

use crate::stage::{Stage, wait_until};

#[tokio::test]
async fn the_page_comes_with_a_strict_policy_and_nothing_inline() {
    let stage = Stage::open().await;

    let answer = stage.client.get(stage.url("/")).send().await.unwrap();

    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    let page = answer.text().await.unwrap();
    assert!(
        !page.contains("style=") && !page.contains("onclick") && !page.contains("<style"),
        "nothing inline"
    );
    for file in [
        "/app.js",
        "/chat.js",
        "/dom.js",
        "/house.js",
        "/story.js",
        "/style.css",
        "/icon.svg",
    ] {
        assert_eq!(
            stage
                .client
                .get(stage.url(file))
                .send()
                .await
                .unwrap()
                .status(),
            200,
            "{file}"
        );
    }
}

/// An edge that shows the queue to whoever brings the token.
async fn edge() -> String {
    let queue = |headers: HeaderMap| async move {
        let known = headers
            .get("authorization")
            .is_some_and(|token| token == "Bearer hush");
        if known {
            Json(json!({"waiting": 3})).into_response()
        } else {
            StatusCode::UNAUTHORIZED.into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        axum::serve(listener, Router::new().route("/ops/queue", get(queue))).await
    });
    format!("http://{address}")
}

#[tokio::test]
async fn the_page_sees_the_house_with_a_token_it_never_holds() {
    let settings = PlaygroundSettings {
        ops_url: Some(edge().await.parse().unwrap()),
        ops_token: Some(OpsToken::new("hush")),
        ..PlaygroundSettings::default()
    };
    let stage = Stage::with(settings).await;

    assert_eq!(stage.get("/ops/queue").await, json!({"waiting": 3}));

    let elsewhere = stage
        .client
        .get(stage.url("/ops/secrets"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        elsewhere.status(),
        404,
        "only the known paths are passed on"
    );
}

#[tokio::test]
async fn a_house_that_is_away_is_said_to_be_away() {
    let settings = PlaygroundSettings {
        ops_url: Some("http://127.0.0.1:9".parse().unwrap()),
        ..PlaygroundSettings::default()
    };
    let stage = Stage::with(settings).await;

    let answer = stage
        .client
        .get(stage.url("/ops/queue"))
        .send()
        .await
        .unwrap();

    assert_eq!(answer.status(), 502);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["title"], "Server not reachable");
}

#[tokio::test]
async fn a_change_is_told_to_the_pages_that_watch() {
    let stage = Stage::open().await;
    let mut live = stage.client.get(stage.url("/_/live")).send().await.unwrap();

    stage.say(7, "hello").await;

    let event = String::from_utf8(live.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(
        event.starts_with("event: change") && event.contains("\"chat_id\":7"),
        "{event}"
    );
}

#[tokio::test]
async fn a_stop_ends_long_polls_and_streams_in_time() {
    let stop = tokio_util::sync::CancellationToken::new();
    let settings = PlaygroundSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        ..PlaygroundSettings::default()
    };
    let handle = sallyport_playground::Playground::start(settings, stop.clone())
        .await
        .unwrap();
    let client = reqwest::Client::new();
    let _live = client
        .get(format!("{}/_/live", handle.url()))
        .send()
        .await
        .unwrap();
    let said = client.post(format!("{}/_/telegram/say", handle.url()));
    let said = said.json(&json!({"chat_id": 7, "text": "hello"})).send();
    let said: Value = said.await.unwrap().json().await.unwrap();
    let bot = format!("{}/bot1000001:x", handle.url());
    let offset = said["update_id"].as_i64().unwrap() + 1;
    let poll = client.get(format!("{bot}/getUpdates?timeout=50&offset={offset}"));
    let poll = tokio::spawn(poll.send());
    wait_until("the poll has begun and confirmed what was said", || async {
        let info = client.get(format!("{bot}/getWebhookInfo")).send();
        let info: Value = info.await.unwrap().json().await.unwrap();
        info["result"]["pending_update_count"] == 0
    })
    .await;

    stop.cancel();

    assert!(
        handle.stopped().await,
        "everything ended within the deadline"
    );
    assert_eq!(
        poll.await.unwrap().unwrap().json::<Value>().await.unwrap()["result"],
        json!([])
    );
}
