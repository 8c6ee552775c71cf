//! The health pages: two for everybody, one for those who hold a token.

use std::time::Duration;

use crate::door::{Door, TOKEN, get};

#[tokio::test]
async fn live_and_ready_answer_everybody() {
    let door = Door::open().await;
    let postgres = door.health.component("postgres", true);
    postgres.up(Duration::from_millis(1));
    postgres.up(Duration::from_millis(1));

    assert_eq!(door.ask(get("/health/live")).await.status, 200);
    let ready = door.ask(get("/health/ready")).await;

    assert_eq!(ready.status, 200);
    assert_eq!(ready.is_dressed().json()["status"], "ready");
    door.health.set_draining();
    assert_eq!(door.ask(get("/health/ready")).await.status, 503);
    assert_eq!(door.ask(get("/health/live")).await.status, 200);
}

#[tokio::test]
async fn everything_is_shown_to_those_who_hold_a_token() {
    let door = Door::open().await;
    let with = |authorization: &str| {
        format!(
            "GET /health/status HTTP/1.1\r\nHost: edge\r\nAuthorization: {authorization}\r\n\r\n"
        )
    };

    let shown = door.ask(with(&format!("Bearer {TOKEN}"))).await;
    let bare = door.ask(get("/health/status")).await;

    assert!(
        shown.json()["components"].is_array() || shown.json()["components"].is_object(),
        "{shown:?}"
    );
    bare.is_problem(401, "not-authenticated");
    assert_eq!(bare.header("www-authenticate"), Some("Bearer"));
    for wrong in ["Bearer wrong", "Basic YTpi", "Bearer", TOKEN] {
        door.ask(with(wrong))
            .await
            .is_problem(401, "not-authenticated");
    }
}
