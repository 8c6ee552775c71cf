//! A plain door that faces the world: pages send their readers on, programs are refused.

use serde_json::{Value, json};

use crate::door::{Door, SECRET, get, post, said, settings};

fn facing_the_world() -> Value {
    let mut settings = settings();
    settings["tls"] = json!("127.0.0.1:0");
    settings["http_serves"] = json!("redirects");
    settings["routes"].as_array_mut().unwrap().push(
        json!({"path": "/pages/*", "forward": {"upstream": "127.0.0.1:1", "serves": "pages"}}),
    );
    settings
}

fn ask(method: &str, target: &str, host: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[tokio::test]
async fn readers_of_pages_are_sent_on_to_https() {
    let door = Door::with(facing_the_world()).await;

    for (method, target, host, location) in [
        (
            "GET",
            "/problems/not-found",
            "example.org",
            "https://example.org/problems/not-found",
        ),
        (
            "GET",
            "/pages/a?b=%20c",
            "example.org:8080",
            "https://example.org/pages/a?b=%20c",
        ),
        ("GET", "/pages/a", "[::1]:8080", "https://[::1]/pages/a"),
        (
            "HEAD",
            "/pages/a",
            "example.org",
            "https://example.org/pages/a",
        ),
    ] {
        let answer = door.ask(ask(method, target, host)).await;

        assert_eq!(answer.status, 308, "{answer:?}");
        assert_eq!(answer.is_dressed().header("location"), Some(location));
    }
}

#[tokio::test]
async fn a_tls_door_on_another_port_is_named() {
    let mut settings = facing_the_world();
    settings["https_port"] = json!(8443);
    let door = Door::with(settings).await;

    let answer = door.ask(ask("GET", "/pages/a", "example.org:8080")).await;

    assert_eq!(
        answer.header("location"),
        Some("https://example.org:8443/pages/a")
    );
}

#[tokio::test]
async fn programs_are_refused_and_not_sent_on() {
    let door = Door::with(facing_the_world()).await;

    for request in [
        post("/telegram/ops", SECRET, &said(1)),
        post("/telegram/ops", "a-wrong-secret-of-somebody", &said(1)),
        get("/ops/queue"),
        get("/health/live"),
        ask("POST", "/pages/a", "example.org"),
    ] {
        let answer = door.ask(&request).await;

        answer.is_problem(403, "https-required");
        assert_eq!(answer.header("location"), None, "{request}");
    }
    assert!(door.shelf.stored.lock().is_empty());
    door.ask(get("/nowhere")).await.is_problem(404, "not-found");
}

#[tokio::test]
async fn the_tls_door_serves_everything_all_the_same() {
    let door = Door::with(facing_the_world()).await;
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&door.certificate).unwrap()])
        .build()
        .unwrap();
    let port = door.handle.tls_addr().unwrap().port();

    let answer = client
        .post(format!("https://localhost:{port}/telegram/ops"))
        .header("X-Telegram-Bot-Api-Secret-Token", SECRET)
        .header("Content-Type", "application/json")
        .body(said(1))
        .send()
        .await
        .unwrap();

    assert_eq!(answer.status(), 200);
    assert_eq!(door.shelf.stored.lock().len(), 1);
}

#[test]
fn redirects_need_somewhere_to_go() {
    let settings = json!({"http": "127.0.0.1:0", "tls": null, "http_serves": "redirects"});
    let settings: sallyport_gateway::Settings = serde_json::from_value(settings).unwrap();

    assert!(validator::Validate::validate(&settings).is_err());
}
