//! What bad input gets: each line of the promise, with its status, its words, and nothing stored.

use crate::door::{Door, SECRET, get, post, said};

fn with_type(content_type: &str) -> String {
    let body = said(1);
    format!(
        "POST /telegram/ops HTTP/1.1\r\nHost: edge\r\n{content_type}Content-Length: {}\r\n\
         X-Telegram-Bot-Api-Secret-Token: {SECRET}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_wrong_secret_and_none_are_401_and_say_which() {
    let door = Door::open().await;
    let bare =
        post("/telegram/ops", "x", &said(1)).replace("X-Telegram-Bot-Api-Secret-Token: x\r\n", "");

    let wrong = door.ask(post("/telegram/ops", "wrong", &said(1))).await;
    let missing = door.ask(bare).await;

    let wrong = wrong.is_problem(401, "not-authenticated");
    assert!(
        wrong["detail"].as_str().unwrap().contains("no key matched"),
        "{wrong}"
    );
    assert!(!wrong.to_string().contains(SECRET));
    let missing = missing.is_problem(401, "not-authenticated");
    assert!(
        missing["detail"].as_str().unwrap().contains("missing"),
        "{missing}"
    );
    let counted = sallyport_telemetry::metrics::install().render();
    for series in [
        "sallyport_intake_rejected_total{source=\"telegram:ops\",reason=\"signature\"}",
        "sallyport_signature_checks_total{source=\"telegram:ops\",outcome=\"bad\"}",
        "sallyport_signature_checks_total{source=\"telegram:ops\",outcome=\"missing\"}",
    ] {
        let line = counted.lines().find(|line| line.starts_with(series));
        assert!(line.is_some_and(|line| !line.ends_with(" 0")), "{series}");
    }
    assert!(door.shelf.stored.lock().is_empty());
}

#[tokio::test]
async fn an_unknown_bot_and_an_unknown_route_are_404() {
    let door = Door::open().await;

    door.ask(post("/telegram/nobody", SECRET, &said(1)))
        .await
        .is_problem(404, "not-found");
    door.ask(get("/nowhere")).await.is_problem(404, "not-found");
    door.ask(get("/")).await.is_problem(404, "not-found");
    door.ask(post("/telegram/ops/more", SECRET, &said(1)))
        .await
        .is_problem(404, "not-found");
    door.ask(get("/problems/nothing"))
        .await
        .is_problem(404, "not-found");
}

#[tokio::test]
async fn a_wrong_method_is_405_and_reads_the_right_one() {
    let door = Door::open().await;

    for method in ["GET", "PUT", "TRACE", "BREW"] {
        let answer = door
            .ask(format!(
                "{method} /telegram/ops HTTP/1.1\r\nHost: edge\r\n\r\n"
            ))
            .await;
        answer.is_problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
    }
    for target in ["/telegram/ops", "example.org:443"] {
        let answer = door
            .ask(format!("CONNECT {target} HTTP/1.1\r\nHost: edge\r\n\r\n"))
            .await;
        answer.is_problem(405, "method-not-allowed");
    }
    let answer = door
        .ask("POST /health/live HTTP/1.1\r\nHost: edge\r\nContent-Length: 0\r\n\r\n")
        .await;
    answer.is_problem(405, "method-not-allowed");
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
}

#[tokio::test]
async fn a_wrong_type_is_415_and_reads_the_right_one() {
    let door = Door::open().await;

    for line in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/json\r\nContent-Type: text/plain\r\n",
    ] {
        let answer = door.ask(with_type(line)).await;
        let problem = answer.is_problem(415, "unsupported-type");
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("application/json")
        );
        assert_eq!(
            answer.header("accept"),
            Some("application/json"),
            "{line:?}"
        );
    }
    assert!(door.shelf.stored.lock().is_empty());
}

#[tokio::test]
async fn a_compressed_body_is_415_and_goes_nowhere() {
    let door = Door::open().await;
    let json = "Content-Type: application/json\r\n";

    for coding in ["gzip", "br", "identity", "gzip, gzip, gzip"] {
        let line = format!("{json}Content-Encoding: {coding}\r\n");
        let webhook = door.ask(with_type(&line)).await;
        let forwarded = door
            .ask(format!(
                "POST /ops/queue HTTP/1.1\r\nHost: edge\r\n{line}Content-Length: 2\r\n\r\n{{}}"
            ))
            .await;

        for answer in [webhook, forwarded] {
            answer.is_problem(415, "compressed-body");
            assert_eq!(answer.header("accept-encoding"), Some("identity"));
        }
    }
    assert!(door.shelf.stored.lock().is_empty());
}

#[tokio::test]
async fn what_is_no_update_is_400_and_reads_where_and_why() {
    let door = Door::open().await;

    for body in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        r#"{"update_id":"1"}"#,
        r#"{"update_id":1.5}"#,
    ] {
        let problem = door.update(body).await.is_problem(400, "invalid-body");
        assert!(problem["errors"][0]["reason"].is_string(), "{body:?}");
        assert!(problem["errors"][0]["pointer"].is_string(), "{body:?}");
    }
    let problem = door.update("{}").await.is_problem(400, "invalid-body");
    assert_eq!(problem["errors"][0]["pointer"], "/update_id");
    assert!(door.shelf.stored.lock().is_empty());
}

#[tokio::test]
async fn a_body_too_large_is_413_and_reads_the_limit() {
    let door = Door::open().await;
    let large = format!(r#"{{"update_id":1,"x":"{}"}}"#, "y".repeat(3_000));

    let announced = door.update(&large).await;
    let chunked = door
        .ask(format!(
            "POST /telegram/ops HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\n\
             X-Telegram-Bot-Api-Secret-Token: {SECRET}\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
            large.len()
        ))
        .await;

    for answer in [announced, chunked] {
        let problem = answer.is_problem(413, "body-too-large");
        assert!(
            problem["detail"].as_str().unwrap().contains("2048"),
            "{problem}"
        );
    }
    assert!(door.shelf.stored.lock().is_empty());
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    client
        .send(
            post("/telegram/ops", SECRET, "")
                .replace("Content-Length: 0", "Content-Length: 9000000"),
        )
        .await;
    client.send(vec![b'x'; 100_000]).await;

    let answer = client.answer().await;

    answer.is_problem(413, "body-too-large");
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test]
async fn a_body_too_slow_is_408() {
    let door = Door::open().await;
    let mut client = door.connect().await;

    client
        .send(
            post("/telegram/ops", SECRET, "{").replace("Content-Length: 1", "Content-Length: 100"),
        )
        .await;
    let answer = client.answer().await;

    answer.is_problem(408, "too-slow");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn every_problem_has_its_page() {
    let door = Door::open().await;
    let problem = door.ask(get("/nowhere")).await.is_problem(404, "not-found");

    let page = door.ask(get(problem["type"].as_str().unwrap())).await;

    assert_eq!(page.status, 200);
    page.is_dressed();
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(
        String::from_utf8(page.body)
            .unwrap()
            .contains("<h1>Not found</h1>")
    );
}

#[tokio::test]
async fn head_gets_the_headers_alone() {
    let door = Door::open().await;
    let mut client = door.connect().await;

    client
        .send("HEAD /health/live HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n")
        .await;
    let mut all = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut client.0, &mut all)
        .await
        .unwrap();

    let text = String::from_utf8(all).unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(
        text.to_ascii_lowercase().contains("content-length: 17"),
        "{text}"
    );
    assert!(text.ends_with("\r\n\r\n"), "{text}");
}
