//! Access tokens on forward routes: whom they let in, what those read whom they do not, and who is told whom they name.

use sallyport_gateway::{Outcome, Probe, explain};
use sallyport_security::access_token::corpus::{Issuer, SUBJECT};
use serde_json::{Value, json};

use crate::door::{Answer, Door, checked, settings};
use crate::upstream::{FINE, Upstream};

/// Settings with tokens on `/ops/*`, and a limit that counts by whom they name.
fn with_tokens(issuer: &Issuer, upstream: &str) -> Value {
    let mut settings = settings();
    settings["limits"] = json!({
        "person": {"by": ["user"], "rate": {"requests": 2, "window_seconds": 60}},
    });
    settings["routes"][4] = json!({
        "path": "/ops/*",
        "forward": {"upstream": upstream, "access_token": issuer.settings()},
        "limits": [],
    });
    settings
}

/// A request that shows these header lines.
fn showing(lines: &str) -> String {
    format!("GET /ops/queue HTTP/1.1\r\nHost: edge\r\n{lines}\r\n")
}

fn bearing(token: &str) -> String {
    showing(&format!("Authorization: Bearer {token}\r\n"))
}

/// What somebody reads, without what differs from request to request.
fn words(answer: &Answer) -> Value {
    let mut body = answer.json();
    body["trace_id"] = Value::Null;
    body["code"] = Value::Null;
    body
}

#[tokio::test]
async fn every_bad_token_reads_401_and_the_same_words() {
    let issuer = Issuer::new().unwrap();
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let door = Door::with(with_tokens(&issuer, &upstream.address)).await;

    let none = door.ask(showing("")).await;
    let good = issuer.good(SUBJECT);
    let others = [
        showing("Authorization: Basic dXNlcjpwYXNz\r\n"),
        showing("Authorization: Bearer\r\n"),
        showing(&format!("Authorization: {good}\r\n")),
        showing(&format!(
            "Authorization: Bearer {good}\r\nAuthorization: Bearer {good}\r\n"
        )),
        showing(&format!("Cookie: token={good}\r\n")),
        showing(&format!("X-API-Key: {good}\r\n")),
        format!("GET /ops/queue?access_token={good} HTTP/1.1\r\nHost: edge\r\n\r\n"),
    ];
    // What no header field can hold is refused as a request, before anybody looks for a token.
    let corpus = issuer.corpus();
    let bad = corpus.iter().map(|bad| bearing(&bad.token));
    for request in bad.chain(others) {
        let answer = door.ask(&request).await;
        answer.is_problem(401, "not-authenticated");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert_eq!(words(&answer), words(&none), "{request:.200}");
    }
    assert!(upstream.asked.try_recv().is_err());
}

#[tokio::test]
async fn a_good_token_lets_in_and_its_subject_is_all_that_is_handed_on() {
    let issuer = Issuer::new().unwrap();
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let door = Door::with(with_tokens(&issuer, &upstream.address)).await;

    for (name, token) in issuer.good_ones() {
        let forged = format!("Authorization: Bearer {token}\r\nX-User-ID: root\r\n");
        assert_eq!(door.ask(showing(&forged)).await.status, 200, "{name}");
        let asked = upstream.asked.recv().await.unwrap().to_ascii_lowercase();
        assert!(
            asked.contains(&format!("x-user-id: {SUBJECT}\r\n")),
            "{asked}"
        );
        assert!(
            !asked.contains("root") && !asked.contains("authorization"),
            "{asked}"
        );
    }
}

#[tokio::test]
async fn nobody_names_themselves_by_another_spelling() {
    let issuer = Issuer::new().unwrap();
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let door = Door::with(with_tokens(&issuer, &upstream.address)).await;
    let token = issuer.good(SUBJECT);

    for field in [
        "X_User_Id: root",
        "x-user_id: root",
        "Connection: keep-alive, X-User-ID",
    ] {
        let forged = format!("Authorization: Bearer {token}\r\n{field}\r\n");
        let answer = door.ask(showing(&forged)).await;
        answer.is_problem(400, "malformed-request");
    }
    assert!(upstream.asked.try_recv().is_err());
}

#[tokio::test]
async fn a_token_goes_on_where_it_is_meant_to() {
    let issuer = Issuer::new().unwrap();
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let mut settings = with_tokens(&issuer, &upstream.address);
    settings["routes"][4]["forward"]["access_token"]["hand_on"] = json!(true);
    let door = Door::with(settings).await;
    let token = issuer.good(SUBJECT);

    assert_eq!(door.ask(bearing(&token)).await.status, 200);

    let asked = upstream.asked.recv().await.unwrap();
    assert!(asked.contains(&token), "{asked}");
}

#[tokio::test]
async fn a_limit_by_user_counts_whom_the_token_names_and_nobody_who_is_refused() {
    let issuer = Issuer::new().unwrap();
    let upstream = Upstream::answering(Some(FINE)).await;
    let mut settings = with_tokens(&issuer, &upstream.address);
    settings["routes"][4]["limits"] = json!(["person"]);
    let door = Door::with(settings).await;

    // Two tokens of one person are one person.
    for _ in 0..2 {
        let answer = door.ask(bearing(&issuer.good("loud"))).await;
        assert_eq!(answer.status, 200);
    }
    let refused = door.ask(bearing(&issuer.good("loud"))).await;
    let forged = door.ask(bearing("forged")).await;
    let other = door.ask(bearing(&issuer.good("quiet"))).await;

    refused.is_problem(429, "rate-limited");
    assert_eq!(
        refused.header("ratelimit-policy"),
        Some("\"person\";q=2;w=60")
    );
    assert_eq!(forged.status, 401);
    assert_eq!(forged.header("ratelimit-policy"), None);
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn a_reload_exchanges_the_keys_for_the_next_request() {
    let (before, after) = (Issuer::new().unwrap(), Issuer::new().unwrap());
    let upstream = Upstream::answering(Some(FINE)).await;
    let door = Door::with(with_tokens(&before, &upstream.address)).await;
    let status = async |issuer: &Issuer| door.ask(bearing(&issuer.good(SUBJECT))).await.status;

    assert_eq!((status(&before).await, status(&after).await), (200, 401));
    let changes = door
        .handle
        .reload(&checked(with_tokens(&after, &upstream.address)))
        .unwrap();

    assert_eq!(changes.applied, ["~/ops/*"]);
    assert_eq!((status(&before).await, status(&after).await), (401, 200));
}

#[tokio::test]
async fn why_a_token_was_refused_stands_in_the_trace_and_in_explain_and_nowhere_else() {
    let issuer = Issuer::new().unwrap();
    let settings = with_tokens(&issuer, "127.0.0.1:1");
    let door = Door::with(settings.clone()).await;
    let expired = issuer.token(&json!({}), &json!({"exp": 1}));

    let answer = door.ask(bearing(&expired)).await;
    let probe = Probe {
        method: "GET".to_owned(),
        target: "/ops/queue".to_owned(),
        headers: vec![("Authorization".to_owned(), format!("Bearer {expired}"))],
        body: None,
        peer: "192.0.2.1".parse().unwrap(),
        has_tls: true,
    };
    let explanation = explain(&checked(settings), &probe).unwrap();

    let body = String::from_utf8(answer.body).unwrap();
    assert!(!body.contains("expired"), "{body}");
    let last = explanation.steps.last().unwrap();
    assert_eq!((last.rule.name(), last.passed), ("access token", false));
    let Outcome::Refused { reason, note, .. } = explanation.outcome else {
        panic!("{:?}", explanation.outcome);
    };
    assert_eq!(reason, "access_token");
    assert_eq!(note.as_deref(), Some("the token has expired"));
    let kept = format!("{:?}", door.kept.0.lock());
    assert!(
        kept.contains("the token has expired") && !kept.contains(&expired),
        "{kept}"
    );
}

#[test]
fn a_limit_by_user_needs_somebody_who_names_one() {
    let issuer = Issuer::new().unwrap();
    let mut settings = with_tokens(&issuer, "127.0.0.1:1");
    settings["routes"][4]["limits"] = json!(["person"]);
    checked(settings.clone());

    settings["routes"][4]["forward"]["access_token"] = Value::Null;
    let settings: sallyport_gateway::Settings = serde_json::from_value(settings).unwrap();
    let told = validator::Validate::validate(&settings)
        .unwrap_err()
        .to_string();
    assert!(told.contains("nobody knows the user"), "{told}");
}
