//! What bad input gets, each line through the real edge, and that none of it reaches a worker.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::house::House;
use crate::updates;

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_status_and_says_what_to_do() {
    let house = House::open().await;
    let good = updates::text(1, 5, "hello").to_string();
    let post = |path: &str| {
        let url = format!("http://127.0.0.1:{}{path}", house.doors.http);
        house
            .client
            .post(url)
            .header("content-type", "application/json")
    };
    let signed = |path: &str| post(path).header("X-Telegram-Bot-Api-Secret-Token", &house.secret);
    let wrong = post("/telegram/ops").header("X-Telegram-Bot-Api-Secret-Token", "wrong");

    refused(
        post("/telegram/ops").body(good.clone()),
        401,
        "unauthorized",
    )
    .await;
    refused(wrong.body(good.clone()), 401, "not-authenticated").await;
    refused(
        signed("/telegram/nobody").body(good.clone()),
        404,
        "not-found",
    )
    .await;
    refused(signed("/nowhere").body(good.clone()), 404, "not-found").await;
    refused(signed("/telegram/ops").body("{\"update_id\":"), 400, "bad").await;
    refused(signed("/telegram/ops").body("[1]"), 400, "bad").await;
    refused(
        signed("/telegram/ops").body("{\"update_id\":\"7\"}"),
        400,
        "bad",
    )
    .await;
    refused(
        signed("/telegram/ops").body(vec![b' '; 3 << 20]),
        413,
        "too-large",
    )
    .await;
    let typed = post("/telegram/ops").header("X-Telegram-Bot-Api-Secret-Token", &house.secret);
    let plain = typed
        .header("content-type", "text/plain")
        .body(good.clone());
    refused_any(plain, &[400, 415]).await;
    let get = house.client.request(
        Method::GET,
        format!("http://127.0.0.1:{}/telegram/ops", house.doors.http),
    );
    let answer = get.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers()["allow"], "POST");

    let database = house.database().await;
    let stored: i64 = database
        .query_one("select count(*) from messages", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(stored, 0, "nothing refused may reach the queue");
    let metrics = house.metrics().await;
    assert!(
        metrics.contains("sallyport_intake_rejected_total"),
        "refusals are counted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_head_is_told_408_and_a_large_one_431() {
    let house = House::open_with(&[("SALLYPORT_HEAD_TIMEOUT_MS", "500")]).await;

    let slow = raw(
        house.doors.http,
        b"POST /telegram/ops HTTP/1.1\r\nHost: x\r\n",
    );
    let mut large = b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Long: ".to_vec();
    large.extend(std::iter::repeat_n(b'a', 64 * 1024));
    large.extend(b"\r\n\r\n");
    let large = raw(house.doors.http, &large);

    assert!(slow.starts_with("HTTP/1.1 408"), "{slow}");
    assert!(large.starts_with("HTTP/1.1 431"), "{large}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_should_not_be_are_refused() {
    let house = House::open().await;
    let odd: [&[u8]; 6] = [
        b"GET /health/live HTTP/1.1\r\n\r\n",
        b"GET /health/live HTTP/1.1\nHost: x\n\n",
        b"get /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health /live HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /telegram/ops HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"POST /telegram/ops HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc",
    ];

    for request in odd {
        let answer = raw(house.doors.http, request);
        let text = String::from_utf8_lossy(request);
        assert!(answer.starts_with("HTTP/1.1 4"), "{text:?} got {answer:?}");
        assert!(
            answer.to_lowercase().contains("strict-transport-security"),
            "{text:?} without security headers: {answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_of_a_new_shape_is_stored_and_ignored() {
    let house = House::open().await;

    let answer = house
        .post_update(&json!({"update_id": 77, "hologram": {"chat": 5}}))
        .await;

    assert_eq!(answer.status(), StatusCode::OK);
    house.wait_until_idle().await;
    let database = house.database().await;
    let row = database
        .query_one("select payload from messages where delivery_id = '77'", &[])
        .await
        .unwrap();
    let payload: Vec<u8> = row.get(0);
    assert!(
        String::from_utf8(payload).unwrap().contains("hologram"),
        "its bytes are kept"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_postgres_json_would_refuse_fails_nobody() {
    let house = House::open().await;
    let odd = r#"{"update_id":501,"message":{"message_id":1,"date":1,"chat":{"id":6,"type":"private","first_name":"\u0000"},"from":{"id":6,"is_bot":false,"first_name":"\ud800"},"text":"\u0000\ud800"}}"#;
    let post = |body: String| {
        let url = format!("http://127.0.0.1:{}/telegram/ops", house.doors.http);
        let request = house
            .client
            .post(url)
            .header("content-type", "application/json");
        request
            .header("X-Telegram-Bot-Api-Secret-Token", &house.secret)
            .body(body)
            .send()
    };

    let many = (0..40).map(|turn| {
        let body = if turn == 20 {
            odd.to_owned()
        } else {
            updates::text(600 + turn, 6000 + turn, "/start").to_string()
        };
        post(body)
    });
    let answers = futures::future::join_all(many).await;

    assert!(
        answers
            .into_iter()
            .all(|answer| answer.unwrap().status() == StatusCode::OK)
    );
    for turn in (0..40).filter(|turn| *turn != 20) {
        house
            .wait_for_message(6000 + turn, |text| text.contains("/help"))
            .await;
    }
}

async fn refused(request: RequestBuilder, status: u16, kind: &str) {
    let problem = refused_any(request, &[status]).await;
    assert!(
        problem["type"]
            .as_str()
            .is_some_and(|it| it.starts_with("/problems/")),
        "{problem}"
    );
    assert!(
        problem["type"].as_str().unwrap().contains(kind) || kind == "bad",
        "{problem}"
    );
}

async fn refused_any(request: RequestBuilder, statuses: &[u16]) -> Value {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let id = answer
        .headers()
        .get("request-id")
        .map(|id| id.to_str().unwrap().to_owned());
    let headers = answer.headers().clone();
    let text = answer.text().await.unwrap();
    assert!(
        statuses.contains(&status),
        "expected {statuses:?}, got {status}: {text}"
    );
    assert_eq!(
        headers["content-type"], "application/problem+json",
        "{text}"
    );
    for name in [
        "strict-transport-security",
        "x-content-type-options",
        "content-security-policy",
    ] {
        assert!(headers.contains_key(name), "{status} without {name}");
    }
    let problem: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(problem["status"], status, "{problem}");
    assert_eq!(
        problem["trace_id"].as_str(),
        id.as_deref(),
        "the Request-Id is the trace id: {problem}"
    );
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| detail.len() > 10),
        "{problem}"
    );
    problem
}

/// Sends bytes, keeps the connection open, returns what comes back until it is closed.
fn raw(port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    // The edge may close while we still write; what it said before is what counts.
    drop(stream.write_all(request));
    let mut answer = Vec::new();
    let mut chunk = [0_u8; 4096];
    while let Ok(count) = stream.read(&mut chunk) {
        if count == 0 {
            break;
        }
        answer.extend_from_slice(&chunk[..count]);
        if answer.windows(4).any(|window| window == b"\r\n\r\n") && answer.len() > 20 {
            // A whole head is enough to judge; the body may follow on a kept connection.
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}
