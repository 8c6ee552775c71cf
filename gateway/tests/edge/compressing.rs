//! Answers of text in fewer bytes: for whom, and for whom not.

use std::io::Read;

use serde_json::json;

use crate::caching::site;
use crate::door::{Answer, Door, get};
use crate::origin::{Origin, reply};

const HTML: &str = "Content-Type: text/html\r\nETag: \"a\"\r\nAccept-Ranges: bytes\r\n";
const SHARED: &str = "Content-Type: text/html\r\nETag: \"a\"\r\nCache-Control: max-age=60\r\n";

fn page() -> String {
    "<p>the same again and again</p>\n".repeat(200)
}

async fn before(origin: &Origin) -> Door {
    Door::with(site(origin, json!({"compress": true}))).await
}

async fn serving(fields: &'static str) -> Origin {
    Origin::answering(move |_, _| reply("200 OK", fields, &page())).await
}

fn asking(fields: &str) -> String {
    format!("GET /site/a HTTP/1.1\r\nHost: edge\r\n{fields}\r\n\r\n")
}

/// The body as it was before, if it is whole: a stream without its end is an error here.
fn unpressed(answer: &Answer) -> String {
    let (body, mut text) = (answer.body.as_slice(), String::new());
    let read = match answer.header("content-encoding") {
        Some("br") => brotli::Decompressor::new(body, 4_096).read_to_string(&mut text),
        _ => flate2::read::GzDecoder::new(body).read_to_string(&mut text),
    };
    read.unwrap();
    text
}

#[tokio::test]
async fn a_page_is_compressed_as_its_asker_takes_it() {
    for fields in [HTML, SHARED] {
        let origin = serving(fields).await;
        let door = before(&origin).await;
        // The second time it comes from what is kept, if that may be.
        for _ in 0..2 {
            for (accepted, coding) in [("gzip, br", "br"), ("gzip, br;q=0", "gzip")] {
                let answer = door
                    .ask(asking(&format!("Accept-Encoding: {accepted}")))
                    .await;

                assert_eq!(
                    answer.header("content-encoding"),
                    Some(coding),
                    "{answer:?}"
                );
                assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
                assert_eq!(answer.header("etag"), Some("W/\"a\""));
                assert_eq!(answer.header("accept-ranges"), None);
                assert!(answer.body.len() < 1_000, "{}", answer.body.len());
                assert_eq!(unpressed(&answer), page());
                answer.is_dressed();
            }
            let plain = door.ask(get("/site/a")).await;
            assert_eq!(plain.header("content-encoding"), None);
            assert_eq!(plain.header("vary"), Some("Accept-Encoding"));
            assert_eq!(plain.body, page().as_bytes());
        }
    }
}

#[tokio::test]
async fn who_has_the_compressed_form_is_told_so() {
    let origin = serving(SHARED).await;
    let door = before(&origin).await;
    let first = door.ask(asking("Accept-Encoding: gzip")).await;
    let etag = first.header("etag").unwrap();

    let again = door
        .ask(asking(&format!(
            "Accept-Encoding: gzip\r\nIf-None-Match: {etag}"
        )))
        .await;

    assert_eq!(again.status, 304);
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn what_belongs_to_somebody_is_not_compressed_for_another_sites_page() {
    let origin = serving(HTML).await;
    let door = before(&origin).await;
    let ask = async |fields: &str| {
        let answer = door
            .ask(asking(&format!("Accept-Encoding: gzip\r\n{fields}")))
            .await;
        answer.header("content-encoding").is_some()
    };

    assert!(!ask("Cookie: session=1").await);
    assert!(!ask("Authorization: Bearer x").await);
    assert!(!ask("Cookie: session=1\r\nSec-Fetch-Site: cross-site").await);
    assert!(ask("Cookie: session=1\r\nSec-Fetch-Site: same-origin").await);
    assert!(ask("Sec-Fetch-Site: cross-site").await);
}

#[tokio::test]
async fn streams_short_answers_and_what_sets_a_cookie_pass_as_they_are() {
    for (fields, body) in [
        ("Content-Type: text/event-stream\r\n", page()),
        ("Content-Type: image/png\r\n", page()),
        ("Content-Type: text/html\r\nSet-Cookie: a=1\r\n", page()),
        ("Content-Type: text/html\r\n", "short".to_owned()),
        (
            "Content-Type: text/html\r\nContent-Encoding: zstd\r\n",
            page(),
        ),
    ] {
        let expected = body.clone();
        let origin = Origin::answering(move |_, _| reply("200 OK", fields, &body)).await;
        let door = before(&origin).await;

        let answer = door.ask(asking("Accept-Encoding: gzip, br")).await;

        assert_eq!(answer.body, expected.as_bytes(), "{fields}");
    }
}

#[tokio::test]
async fn a_route_that_does_not_ask_for_it_compresses_nothing() {
    let origin = serving(SHARED).await;
    let door = Door::with(site(&origin, json!({}))).await;

    for _ in 0..2 {
        let answer = door.ask(asking("Accept-Encoding: gzip, br")).await;

        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(answer.header("vary"), None);
    }
}
