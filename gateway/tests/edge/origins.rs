//! Which other origins' scripts may read what: those on the list, and nobody who looks like them.

use sallyport_security::access_token::corpus::Issuer;
use serde_json::json;

use crate::door::{Answer, Door, settings};
use crate::origin::{Origin, reply};

const APP: &str = "https://app.example.org";

/// An edge before an upstream that gives leave to everybody who asks.
async fn before(origin: &Origin) -> Door {
    let mut settings = settings();
    settings["routes"][4]["forward"] = json!({
        "upstream": origin.address,
        "methods": ["GET", "POST"],
        "cors": {
            "origins": [APP, "http://localhost:3000"],
            "headers": ["x-api-key"],
            "expose": ["ratelimit"],
            "credentials": true,
        },
    });
    Door::with(settings).await
}

async fn reflecting() -> Origin {
    Origin::answering(|request, _| {
        let origin = request.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("origin: ")
                .map(str::to_owned)
        });
        let fields = format!(
            "Access-Control-Allow-Origin: {}\r\nAccess-Control-Allow-Credentials: true\r\n",
            origin.unwrap_or("*".to_owned())
        );
        reply("200 OK", &fields, "{}")
    })
    .await
}

fn asking(method: &str, fields: &str) -> String {
    format!("{method} /ops/a HTTP/1.1\r\nHost: edge\r\n{fields}\r\n")
}

fn leave(answer: &Answer) -> Vec<&str> {
    let names = answer.headers.iter().map(|(name, _)| name.as_str());
    names
        .filter(|name| name.starts_with("access-control-"))
        .collect()
}

#[tokio::test]
async fn a_listed_origin_may_read() {
    let origin = reflecting().await;
    let door = before(&origin).await;

    for listed in [APP, "http://localhost:3000"] {
        let answer = door
            .ask(asking("GET", &format!("Origin: {listed}\r\n")))
            .await;

        assert_eq!(answer.header("access-control-allow-origin"), Some(listed));
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            Some("true")
        );
        assert_eq!(
            answer.header("access-control-expose-headers"),
            Some("ratelimit")
        );
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
    let without = door.ask(asking("GET", "")).await;
    assert_eq!(leave(&without), Vec::<&str>::new());
    assert_eq!(without.header("vary"), Some("Origin"));
}

#[tokio::test]
async fn nobody_else_may_read_however_they_spell_it() {
    let origin = reflecting().await;
    let door = before(&origin).await;
    for other in [
        "null",
        "*",
        "https://evil.org",
        "http://app.example.org",
        "https://app.example.org.evil.org",
        "https://evilapp.example.org",
        "https://app.example.orgevil",
        "https://sub.app.example.org",
        "https://App.Example.org",
        "https://app.example.org:443",
        "https://app.example.org:8443",
        "https://app.example.org/",
        "https://app.example.org, https://evil.org",
        "https://app.example.org\r\nOrigin: https://evil.org",
        "http://localhost:3001",
    ] {
        let fields = format!("Origin: {other}\r\n");
        let answer = door.ask(asking("GET", &fields)).await;
        let question = door
            .ask(asking(
                "OPTIONS",
                &format!("{fields}Access-Control-Request-Method: POST\r\n"),
            ))
            .await;

        assert_eq!(leave(&answer), Vec::<&str>::new(), "{other}");
        assert_eq!(leave(&question), Vec::<&str>::new(), "{other}");
        question.is_problem(403, "origin-not-allowed");
    }
}

#[tokio::test]
async fn a_question_is_answered_at_the_edge_from_the_list_alone() {
    let origin = reflecting().await;
    let door = before(&origin).await;

    let answer = door
        .ask(asking(
            "OPTIONS",
            &format!(
                "Origin: {APP}\r\nAccess-Control-Request-Method: POST\r\n\
                 Access-Control-Request-Headers: x-evil\r\n"
            ),
        ))
        .await;

    assert_eq!(answer.status, 204);
    answer.is_dressed();
    for (name, value) in [
        ("access-control-allow-origin", APP),
        ("access-control-allow-methods", "GET, POST"),
        ("access-control-allow-headers", "x-api-key"),
        ("access-control-max-age", "600"),
        (
            "vary",
            "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        ),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert!(origin.asked().is_empty());
}

#[tokio::test]
async fn a_method_that_is_not_taken_is_not_allowed_either() {
    let origin = reflecting().await;
    let door = before(&origin).await;

    let deleting = format!("Origin: {APP}\r\nAccess-Control-Request-Method: DELETE\r\n");
    let question = door.ask(asking("OPTIONS", &deleting)).await;
    let bare = door.ask(asking("OPTIONS", "")).await;

    question.is_problem(403, "origin-not-allowed");
    bare.is_problem(405, "method-not-allowed");
    assert_eq!(bare.header("allow"), Some("GET, POST"));
}

#[tokio::test]
async fn a_refusal_can_be_read_by_those_who_may_read_answers() {
    let origin = reflecting().await;
    let door = before(&origin).await;

    let refused = door
        .ask(asking("DELETE", &format!("Origin: {APP}\r\n")))
        .await;

    refused.is_problem(405, "method-not-allowed");
    assert_eq!(refused.header("access-control-allow-origin"), Some(APP));
}

#[tokio::test]
async fn without_a_list_an_upstream_gives_leave_to_nobody() {
    let origin = reflecting().await;
    let mut settings = settings();
    settings["routes"][4]["forward"] = json!({"upstream": origin.address});
    let door = Door::with(settings).await;

    let answer = door.ask(asking("GET", &format!("Origin: {APP}\r\n"))).await;

    assert_eq!(leave(&answer), Vec::<&str>::new());
}

/// A browser asks whether it may show a token before it shows it.
#[tokio::test]
async fn a_question_needs_no_token_and_lets_nobody_in() {
    let origin = reflecting().await;
    let issuer = Issuer::new().unwrap();
    let mut settings = settings();
    settings["routes"][4]["forward"] = json!({
        "upstream": origin.address,
        "access_token": issuer.settings(),
        "cors": {"origins": [APP]},
    });
    let door = Door::with(settings).await;
    let asking_to =
        |method| format!("Origin: {APP}\r\nAccess-Control-Request-Method: {method}\r\n");

    let question = door.ask(asking("OPTIONS", &asking_to("GET"))).await;
    let without = door.ask(asking("GET", &asking_to("GET"))).await;
    let bare = door
        .ask(asking("OPTIONS", &format!("Origin: {APP}\r\n")))
        .await;

    assert_eq!(question.status, 204);
    assert_eq!(question.header("access-control-allow-origin"), Some(APP));
    without.is_problem(401, "not-authenticated");
    bare.is_problem(401, "not-authenticated");
    assert!(origin.asked().is_empty());
}
