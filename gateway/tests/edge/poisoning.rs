//! That nobody can change what others are given: whatever is not part of the key does not reach the origin.

use serde_json::json;

use crate::caching::{before, site};
use crate::door::{Door, get};
use crate::origin::{Origin, reply};

/// An origin that puts the whole request into its answer, and lets everybody keep it.
async fn echoing() -> Origin {
    Origin::answering(|request, _| {
        reply(
            "200 OK",
            "Cache-Control: max-age=60\r\n",
            &request.to_ascii_lowercase(),
        )
    })
    .await
}

#[tokio::test]
async fn fields_that_are_not_keyed_change_nothing_for_others() {
    for field in [
        "X-Forwarded-Host: evil",
        "X-Forwarded-Proto: evil",
        "X-Forwarded-Scheme: evil",
        "X-Forwarded-For: 6.6.6.6, evil",
        "Forwarded: host=evil",
        "X-Host: evil",
        "X-Original-URL: /evil",
        "X-Rewrite-URL: /evil",
        "X-HTTP-Method-Override: EVIL",
        "X-Request-Id: evil",
        "User-Agent: evil",
        "Accept: evil",
        "Accept-Encoding: evil",
        "Accept-Language: evil",
        "Origin: https://evil",
        "Referer: https://evil",
        "If-None-Match: \"evil\"",
        "Cache-Control: no-cache, evil",
        "Cookie: evil=1",
        "Authorization: Bearer evil",
    ] {
        let origin = echoing().await;
        let door = before(&origin).await;

        door.ask(format!(
            "GET /site/a HTTP/1.1\r\nHost: edge\r\n{field}\r\n\r\n"
        ))
        .await;
        let others = door.ask(get("/site/a")).await;

        let shown = String::from_utf8(others.body).unwrap();
        assert!(!shown.contains("evil"), "{field}: {shown}");
    }
}

#[tokio::test]
async fn the_address_of_who_asked_first_is_not_shown_to_others() {
    let origin = echoing().await;
    let door = before(&origin).await;

    let answer = door.ask(get("/site/a")).await;

    let shown = String::from_utf8(answer.body).unwrap();
    assert!(!shown.contains("127.0.0.1"), "{shown}");
}

#[tokio::test]
async fn hosts_and_queries_are_told_apart() {
    let origin = echoing().await;
    let door = before(&origin).await;
    door.ask("GET /site/a HTTP/1.1\r\nHost: evil\r\n\r\n").await;
    door.ask(get("/site/a?evil=1")).await;

    let others = door.ask(get("/site/a")).await;

    assert!(!String::from_utf8(others.body).unwrap().contains("evil"));
    assert_eq!(origin.asked().len(), 3);
}

#[tokio::test]
async fn how_somebody_writes_the_host_is_not_shown_to_others() {
    let origin =
        Origin::answering(|request, _| reply("200 OK", "Cache-Control: max-age=60\r\n", request))
            .await;
    let door = before(&origin).await;

    door.ask("GET /site/a HTTP/1.1\r\nHost: EvIl\r\n\r\n").await;
    let others = door.ask("GET /site/a HTTP/1.1\r\nHost: evil\r\n\r\n").await;

    assert!(!String::from_utf8(others.body).unwrap().contains("EvIl"));
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn a_parameter_that_is_not_keyed_does_not_reach_the_origin() {
    let origin = echoing().await;
    let door = Door::with(site(&origin, json!({"cache": {"query": ["page"]}}))).await;

    door.ask(get("/site/a?utm=evil&page=2&p%61ge=evil")).await;
    let others = door.ask(get("/site/a?page=2&utm=other")).await;

    let shown = String::from_utf8(others.body).unwrap();
    assert!(
        shown.starts_with("get /site/a?page=2 http/1.1\r\n"),
        "{shown}"
    );
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn a_get_with_a_body_is_neither_kept_nor_given_what_is() {
    let origin = echoing().await;
    let door = before(&origin).await;
    let fat = "GET /site/a HTTP/1.1\r\nHost: edge\r\nContent-Length: 4\r\n\r\nevil";

    door.ask(fat).await;
    let others = door.ask(get("/site/a")).await;
    door.ask(fat).await;

    assert!(!String::from_utf8(others.body).unwrap().contains("evil"));
    assert_eq!(origin.asked().len(), 3);
}

#[tokio::test]
async fn a_head_is_given_what_a_get_has_left_and_leaves_nothing_itself() {
    let origin = Origin::answering(|request, _| {
        let body = if request.starts_with("HEAD") {
            ""
        } else {
            "body"
        };
        format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\n{body}")
    })
    .await;
    let door = before(&origin).await;
    let head = "HEAD /site/a HTTP/1.1\r\nHost: edge\r\n\r\n";

    let before = door.ask_head(head).await;
    let whole = door.ask(get("/site/a")).await;
    let after = door.ask_head(head).await;

    assert_eq!(whole.body, b"body");
    assert!(
        before
            .header("cache-status")
            .unwrap()
            .contains("fwd=method")
    );
    assert!(after.header("cache-status").unwrap().contains("hit"));
    assert_eq!(after.header("content-length"), Some("4"));
    assert_eq!(origin.asked().len(), 2);
}

#[tokio::test]
async fn parts_and_errors_are_not_kept() {
    let origin = Origin::answering(|request, number| {
        let fields = "Cache-Control: max-age=60\r\n";
        if request.to_ascii_lowercase().contains("range: ") {
            let fields = format!("{fields}Content-Range: bytes 0-0/4\r\n");
            return reply("206 Partial Content", &fields, "b");
        }
        match number {
            2 => reply("404 Not Found", fields, "none"),
            3 => reply("500 Oops", fields, "none"),
            _ => reply("200 OK", fields, "body"),
        }
    })
    .await;
    let door = before(&origin).await;

    let part = door
        .ask("GET /site/a HTTP/1.1\r\nHost: edge\r\nRange: bytes=0-0\r\n\r\n")
        .await;
    let statuses = [
        door.ask(get("/site/a")).await.status,
        door.ask(get("/site/a")).await.status,
        door.ask(get("/site/a")).await.status,
    ];

    assert_eq!((part.status, statuses), (206, [404, 500, 200]));
}

#[tokio::test]
async fn what_somebody_was_given_is_not_given_to_others() {
    let origin = echoing().await;
    let door = before(&origin).await;
    door.ask(get("/site/a")).await;

    for field in ["Cookie: session=1", "Authorization: Bearer token"] {
        let request = format!("GET /site/a HTTP/1.1\r\nHost: edge\r\n{field}\r\n\r\n");
        let own = door.ask(request).await;

        let shown = String::from_utf8(own.body.clone()).unwrap();
        assert!(shown.contains(&field.to_ascii_lowercase()), "{shown}");
        assert_eq!(own.header("cache-control"), Some("no-store, max-age=0"));
        assert_eq!(own.header("cache-status"), Some("sallyport; fwd=bypass"));
    }
}

#[tokio::test]
async fn cookies_that_mean_nothing_do_not_reach_the_origin() {
    let origin = echoing().await;
    let door = Door::with(site(&origin, json!({"cache": {"cookies": "ignore"}}))).await;

    door.ask("GET /site/a HTTP/1.1\r\nHost: edge\r\nCookie: evil=1\r\n\r\n")
        .await;
    let others = door.ask(get("/site/a")).await;

    assert!(!String::from_utf8(others.body).unwrap().contains("evil"));
    assert_eq!(origin.asked().len(), 1);
}
