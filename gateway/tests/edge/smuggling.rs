//! What Pingora lets through and must not reach anybody: everything that two programs could read differently.

use serde_json::json;

use crate::door::{Door, SECRET, get, post, said, settings};

#[path = "../smuggling/corpus.rs"]
mod corpus;

use corpus::sending::{self, Doors};

/// Fewer cases than this are no corpus.
const CASES_MIN: usize = 150;

#[tokio::test(flavor = "multi_thread")]
async fn no_smuggled_request_reaches_hyper_or_node_behind_the_edge() {
    let passes = sending::passes().await;
    let mut settings = settings();
    settings["tls"] = json!("127.0.0.1:0");
    // Framing alone has to stop them, not what they look like.
    let off =
        json!({"path": "off", "query": "off", "headers": "off", "cookies": "off", "body": "off"});
    let routes = passes.iter().map(|pass| {
        let forward = json!({"upstream": pass.origin.address, "body_deadline_ms": 2000});
        json!({"path": format!("/{}/*", pass.letter), "forward": forward, "inspection": {"modes": off}})
    });
    settings["routes"] = routes.collect();
    let door = Door::with(settings).await;
    let doors = Doors {
        plain: door.http(),
        tls: door.handle.tls_addr().unwrap(),
        authority: &door.certificate,
    };

    let mut mistakes = Vec::new();
    for pass in &passes {
        mistakes.extend(sending::mistakes(&doors, pass).await);
    }

    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    assert!(corpus::cases().len() >= CASES_MIN);
}

#[tokio::test]
async fn heads_that_can_be_read_in_two_ways_are_400_and_end_the_connection() {
    let door = Door::open().await;
    for head in [
        "GET /health/live HTTP/1.1\r\n\r\n",
        "GET /health/live HTTP/1.1\nHost: edge\n\n",
        "get /health/live HTTP/1.1\r\nHost: edge\r\n\r\n",
        "GET /health/live x HTTP/1.1\r\nHost: edge\r\n\r\n",
        "GET http://edge/health/live HTTP/1.1\r\nHost: edge\r\n\r\n",
        "POST /telegram/ops HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST /telegram/ops HTTP/1.1\r\nHost: edge\r\nContent-Length: 3, 3\r\n\r\nabc",
        "POST /telegram/ops HTTP/1.1\r\nHost: edge\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "POST /telegram/ops HTTP/1.1\r\nHost: edge\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /health/live HTTP/1.1\r\nHost: edge\r\nX: a\r\n b\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01",
    ] {
        let mut client = door.connect().await;
        client.send(head).await;
        client.answer().await.is_problem(400, "malformed-request");
        assert!(client.is_closed().await, "{head:?}");
    }
}

#[tokio::test]
async fn paths_that_hide_something_are_400() {
    let door = Door::open().await;

    for path in [
        "/ops/../health",
        "/ops//x",
        "/ops/%2e%2e/x",
        "/ops/%2fx",
        "/ops/;x",
        "/health/live%00",
        "/ops/%252e",
    ] {
        door.ask(get(path))
            .await
            .is_problem(400, "malformed-request");
    }
}

#[tokio::test]
async fn another_version_is_505_and_an_odd_expectation_417() {
    let door = Door::open().await;

    let version = door.ask("GET / HTTP/3.0\r\nHost: edge\r\n\r\n").await;
    let expectation = door
        .ask("GET / HTTP/1.1\r\nHost: edge\r\nExpect: tea\r\n\r\n")
        .await;

    version.is_problem(505, "version-not-supported");
    expectation.is_problem(417, "expectation-failed");
}

#[tokio::test]
async fn a_second_request_behind_the_first_is_never_answered() {
    let door = Door::open().await;
    let mut client = door.connect().await;

    client
        .send(format!(
            "{}{}",
            post("/telegram/ops", SECRET, &said(1)),
            post("/telegram/ops", SECRET, &said(2))
        ))
        .await;

    assert_eq!(client.answer().await.status, 200);
    assert!(client.is_closed().await);
    assert_eq!(door.shelf.stored.lock().len(), 1);
}
