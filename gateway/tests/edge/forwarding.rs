//! Handing on: what crosses the edge in each direction, and what a caller reads when nobody answers.

use serde_json::json;

use crate::door::{Door, get, settings};
use crate::upstream::{FINE, Upstream};

async fn before(upstream: &Upstream) -> Door {
    let mut settings = settings();
    settings["routes"][4]["forward"] = json!({
        "upstream": upstream.address,
        "methods": ["GET", "POST"],
        "body_bytes_max": 100,
        "answer_deadline_ms": 300,
    });
    Door::with(settings).await
}

#[tokio::test]
async fn an_answer_comes_back_dressed_and_without_what_it_would_tell() {
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let door = before(&upstream).await;

    let answer = door.ask(get("/ops/queue?x=1")).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, b"{}");
    answer.is_dressed();
    assert_eq!(answer.header("cache-control"), Some("no-store, max-age=0"));
    assert_eq!(answer.header("x-powered-by"), None);
    assert_eq!(answer.header("traceparent"), None);
    assert!(
        answer
            .header("ratelimit")
            .unwrap()
            .starts_with("\"address\";r=")
    );
    let asked = upstream.asked.recv().await.unwrap().to_ascii_lowercase();
    assert!(
        asked.starts_with("get /ops/queue?x=1 http/1.1\r\n"),
        "{asked}"
    );
    let trace = answer.header("request-id").unwrap();
    assert!(
        asked.contains(&format!("traceparent: 00-{trace}-")),
        "{asked}"
    );
}

#[tokio::test]
async fn what_a_stranger_says_about_others_does_not_cross() {
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let door = before(&upstream).await;

    door.ask(
        "GET /ops/queue HTTP/1.1\r\nHost: edge\r\nX-Forwarded-For: 6.6.6.6\r\nX-User-ID: root\r\nForwarded: for=6.6.6.6\r\n\
         traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nAuthorization: Bearer mine\r\n\r\n",
    )
    .await;

    let asked = upstream.asked.recv().await.unwrap().to_ascii_lowercase();
    assert!(
        !asked.contains("6.6.6.6") && !asked.contains("root") && !asked.contains("0af7651916cd"),
        "{asked}"
    );
    assert!(asked.contains("x-forwarded-for: 127.0.0.1"), "{asked}");
    assert!(asked.contains("authorization: bearer mine"), "{asked}");
}

#[tokio::test]
async fn nobody_there_is_502_and_nobody_answering_504() {
    let door = Door::open().await;
    let silent = Upstream::answering(None).await;

    door.ask(get("/ops/queue"))
        .await
        .is_problem(502, "upstream-unreachable");
    before(&silent)
        .await
        .ask(get("/ops/queue"))
        .await
        .is_problem(504, "upstream-too-slow");
}

#[tokio::test]
async fn nonsense_from_an_upstream_is_502() {
    let broken = Upstream::answering(Some("SSH-2.0-OpenSSH\r\n\r\n")).await;

    before(&broken)
        .await
        .ask(get("/ops/queue"))
        .await
        .is_problem(502, "upstream-unreachable");
}

#[tokio::test]
async fn a_body_is_handed_on_up_to_its_limit() {
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let door = before(&upstream).await;
    let post = |body: &str| {
        format!(
            "POST /ops/replay HTTP/1.1\r\nHost: edge\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };

    assert_eq!(door.ask(post("{\"code\":1}")).await.status, 200);
    let announced = door.ask(post(&"x".repeat(101))).await;
    let chunked = format!(
        "POST /ops/replay HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n{}\r\n0\r\n\r\n",
        "x".repeat(101)
    );

    assert!(upstream.asked.recv().await.unwrap().contains("replay"));
    announced.is_problem(413, "body-too-large");
    door.ask(chunked).await.is_problem(413, "body-too-large");
    door.ask("DELETE /ops/replay HTTP/1.1\r\nHost: edge\r\n\r\n")
        .await
        .is_problem(405, "method-not-allowed");
}
