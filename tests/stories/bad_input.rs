//! What bad input gets, each line through the real edge, and that none of it reaches a worker.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::flood;
use crate::house::{House, OWN_SERVER};
use crate::updates;

/// Where Telegram puts the secret.
const SECRET: &str = "X-Telegram-Bot-Api-Secret-Token";

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_status_and_says_what_to_do() {
    let house = House::open().await;
    let good = updates::text(1, 5, "hello").to_string();
    let to = |path: &str| {
        house
            .client
            .post(format!("http://127.0.0.1:{}{path}", house.doors.http))
    };
    let json = |path: &str| to(path).header("content-type", "application/json");
    let signed = |path: &str| json(path).header(SECRET, &house.secret);
    let typed = to("/telegram/ops")
        .header("content-type", "text/plain")
        .header(SECRET, &house.secret);

    refused(
        json("/telegram/ops").body(good.clone()),
        401,
        "not-authenticated",
    )
    .await;
    refused(
        json("/telegram/ops")
            .header(SECRET, "wrong")
            .body(good.clone()),
        401,
        "not-authenticated",
    )
    .await;
    refused(
        signed("/telegram/nobody").body(good.clone()),
        404,
        "not-found",
    )
    .await;
    refused(signed("/nowhere").body(good.clone()), 404, "not-found").await;
    refused(typed.body(good.clone()), 415, "unsupported-type").await;
    for broken in ["{\"update_id\":", "[1]", "{\"update_id\":\"7\"}", ""] {
        refused(signed("/telegram/ops").body(broken), 400, "invalid-body").await;
    }
    refused(
        signed("/telegram/ops").body(vec![b' '; 3 << 19]),
        413,
        "body-too-large",
    )
    .await;
    let get = house.client.get(format!(
        "http://127.0.0.1:{}/telegram/ops",
        house.doors.http
    ));
    let (_, headers) = refused(get, 405, "method-not-allowed").await;
    assert_eq!(headers["allow"], "POST");

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
async fn a_stranger_who_keeps_failing_is_told_when_and_mutes_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let few = "strangers:\n  failures: { requests: 5, window_seconds: 60 }\n";
    std::fs::write(folder.path().join("gateway.yaml"), few).unwrap();
    let house = House::open_with(&[("SALLYPORT_CONFIG", folder.path().to_str().unwrap())]).await;
    let forged = || {
        let url = format!("http://127.0.0.1:{}/telegram/ops", house.doors.http);
        house
            .client
            .post(url)
            .header("content-type", "application/json")
            .header(SECRET, "wrong")
            .body("{}")
    };
    for _ in 0..5 {
        refused(forged(), 401, "not-authenticated").await;
    }

    let (problem, headers) = refused(forged(), 429, "rate-limited").await;

    assert!(
        headers.contains_key("retry-after") && headers.contains_key("ratelimit"),
        "{headers:?}"
    );
    assert!(
        problem["retry_after"].as_u64().is_some_and(|wait| wait > 0),
        "{problem}"
    );
    let genuine = house.post_update(&updates::text(2, 5, "/start")).await;
    assert_eq!(
        genuine.status(),
        StatusCode::OK,
        "the same address with the right secret is let in"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_forgeries_refuses_no_genuine_update() {
    let house = House::open_with(&OWN_SERVER).await;
    let forging = tokio::spawn(flood::forge(house.doors.http, 32, Duration::from_secs(4)));

    let mut genuine = 0;
    while !forging.is_finished() {
        let update = updates::text(800_000 + genuine, 800_000 + genuine, "/start");
        assert_eq!(
            house.post_update(&update).await.status(),
            StatusCode::OK,
            "update {genuine}"
        );
        genuine += 1;
    }

    let forged = forging.await.unwrap();
    assert!(
        forged.answered > 1_000 && genuine > 10,
        "{forged:?}, {genuine} genuine"
    );
    assert_eq!(forged.let_in, 0);
    house.wait_until_idle().await;
    for person in 0..genuine {
        assert_eq!(
            house.sent(800_000 + person).await.len(),
            1,
            "person {person} is answered"
        );
    }
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
    let odd = r#"{"update_id":501,"message":{"message_id":1,"date":1,"chat":{"id":6,"type":"private","first_name":"\u0000"},"from":{"id":6,"is_bot":false,"first_name":"\u0000"},"text":"\u0000"}}"#;
    let half_a_character = odd.replace("\\u0000", "\\ud800");
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
        let body = match turn {
            20 => odd.to_owned(),
            21 => half_a_character.clone(),
            _ => updates::text(600 + turn, 6000 + turn, "/start").to_string(),
        };
        post(body)
    });
    let answers = futures::future::join_all(many).await;

    for (turn, answer) in answers.into_iter().enumerate() {
        let expected = if turn == 21 {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::OK
        };
        assert_eq!(answer.unwrap().status(), expected, "turn {turn}");
    }
    for turn in (0..40).filter(|turn| ![20, 21].contains(turn)) {
        house
            .wait_for_message(6000 + turn, |text| text.contains("/help"))
            .await;
    }
}

/// Sends a request that must be refused, looks at everything a refusal must have, and returns it.
async fn refused(request: RequestBuilder, status: u16, name: &str) -> (Value, HeaderMap) {
    let answer = request.send().await.unwrap();
    let headers = answer.headers().clone();
    let told = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    assert_eq!(told, status, "{text}");
    for name in [
        "strict-transport-security",
        "x-content-type-options",
        "content-security-policy",
        "request-id",
    ] {
        assert!(headers.contains_key(name), "{status} without {name}");
    }
    let content_type = headers["content-type"].to_str().unwrap();
    assert!(
        content_type.starts_with("application/problem+json"),
        "{content_type}"
    );
    let problem: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(problem["type"], format!("/problems/{name}"), "{problem}");
    assert_eq!(problem["status"], status, "{problem}");
    assert_eq!(
        problem["trace_id"],
        headers["request-id"].to_str().unwrap(),
        "the Request-Id is the trace id"
    );
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| detail.len() > 10),
        "{problem}"
    );
    (problem, headers)
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
