//! Every provider through the real edge: what it signs is stored, what anybody else signs is not, and nobody pays for a forger.

use std::time::{Duration, SystemTime};

use sallyport_telemetry::trace::Value as Attribute;
use serde_json::{Value, json};

use crate::door::{Door, settings};
use crate::senders::{Sender, all, from, route, sender};

/// Longer than any window here.
const TEN_MINUTES: Duration = Duration::from_secs(600);

fn with_hooks() -> Value {
    let mut settings = settings();
    settings["routes"][0] = route();
    settings
}

/// The edge of most tests here, with these limits by address.
async fn open(strangers: Value) -> Door {
    let mut settings = with_hooks();
    settings["strangers"] = strangers;
    settings["trusted_peers"] = json!(["127.0.0.0/8"]);
    Door::with(settings).await
}

fn many() -> Value {
    json!({"failures": {"requests": 1_000_000, "window_seconds": 1}})
}

/// What was stored: who sent it, and which it was.
fn stored(door: &Door) -> Vec<(String, Option<String>)> {
    let stored = door.shelf.stored.lock();
    let named = stored.iter();
    named
        .map(|message| (message.source.clone(), message.delivery_id.clone()))
        .collect()
}

/// The value of a series.
fn counted(series: &str) -> u64 {
    let text = sallyport_telemetry::metrics::install().render();
    let line = text.lines().find(|line| line.starts_with(series));
    let value = line.and_then(|line| line.rsplit(' ').next());
    assert!(value.is_some(), "{series} is not exposed");
    value.unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_each_provider_signs_is_stored_and_answered() {
    let door = open(many()).await;

    for sender in all() {
        let answer = door.ask(sender.delivery("d-1")).await;

        assert_eq!(answer.status, 200, "{}: {answer:?}", sender.name);
        answer.is_dressed();
        assert!(answer.header("ratelimit").is_some(), "{answer:?}");
        let source = format!("{0}:{0}", sender.name);
        assert_eq!(stored(&door).pop().unwrap().0, source);
    }

    assert_eq!(stored(&door).len(), all().len());
}

#[tokio::test]
async fn what_anybody_else_signs_is_401_and_not_stored() {
    let door = open(many()).await;
    let other = "b0b5ea1f00d5c0ffee5ea1f00d5c0ffee5ea1f00d5c0ffee5ea1f00d5c0ffee5";
    let other_standard = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    for sender in all() {
        let secret = match sender.name {
            "standard_webhooks" => other_standard,
            _ => other,
        };
        let forger = sender.clone().with_secret(secret);

        let refused = door.ask(forger.delivery("d-1")).await;

        let problem = refused.is_problem(401, "not-authenticated");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains("no key matched"),
            "{}: {detail}",
            sender.name
        );
        if !sender.proves_itself() {
            let tampered = door.ask(tampered(&sender)).await;
            tampered.is_problem(401, "not-authenticated");
        }
    }

    assert_eq!(stored(&door), []);
}

/// A genuine delivery of which one letter was changed on the way.
fn tampered(sender: &Sender) -> String {
    let mut genuine = sender.delivery("d-1");
    assert_eq!(genuine.pop(), Some('}'));
    genuine + " "
}

#[tokio::test]
async fn a_signature_of_ten_minutes_ago_or_of_the_future_is_401() {
    let door = open(many()).await;
    let now = SystemTime::now();

    for name in ["slack", "discord", "stripe", "standard_webhooks", "hmac"] {
        let sender = sender(name);
        let series = format!(
            "sallyport_signature_checks_total{{source=\"{name}:{name}\",outcome=\"stale\"}}"
        );
        let before = counted(&series);
        for (then, says) in [
            (now - TEN_MINUTES, "too old"),
            (now + TEN_MINUTES, "future"),
        ] {
            let request = sender.signed_at("d-1", &(sender.body)("d-1"), then);

            let refused = door.ask(request).await;

            let problem = refused.is_problem(401, "not-authenticated");
            assert!(
                problem["detail"].as_str().unwrap().contains(says),
                "{problem}"
            );
        }
        assert!(counted(&series) >= before + 2, "{name}");
    }

    assert_eq!(stored(&door), []);
}

#[tokio::test]
async fn a_type_that_the_provider_does_not_send_is_415_and_names_those_that_it_does() {
    let door = open(many()).await;
    let form = |sender: &Sender| {
        let body = "command=%2Fhello&team_id=T1&channel_id=C1";
        let request = sender.request("d-1", body);
        request.replacen("application/json", "application/x-www-form-urlencoded", 1)
    };

    let of_github = door.ask(form(&sender("github"))).await;
    let of_slack = door.ask(form(&sender("slack"))).await;
    let plain = sender("slack").delivery("d-1");
    let plain = door
        .ask(plain.replacen("application/json", "text/plain", 1))
        .await;

    of_github.is_problem(415, "unsupported-type");
    assert_eq!(of_github.header("accept"), Some("application/json"));
    assert_eq!(of_slack.status, 200);
    plain.is_problem(415, "unsupported-type");
    assert_eq!(
        plain.header("accept"),
        Some("application/json, application/x-www-form-urlencoded")
    );
    let stored = door.shelf.stored.lock();
    let [command] = stored.as_slice() else {
        panic!("{stored:?}")
    };
    let fields: Value = serde_json::from_slice(&command.payload).unwrap();
    assert_eq!(fields["command"], "/hello");
}

#[tokio::test]
async fn a_question_is_answered_and_kept_as_a_trace_and_nothing_is_stored() {
    let door = open(many()).await;
    let challenge = json!({"type": "url_verification", "challenge": "3eZbrw1aB"}).to_string();

    let slack = door.ask(sender("slack").request("", &challenge)).await;
    let discord = door
        .ask(sender("discord").request("", r#"{"type":1}"#))
        .await;

    for (answer, body) in [
        (&slack, json!({"challenge": "3eZbrw1aB"})),
        (&discord, json!({"type": 1})),
    ] {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.is_dressed().json(), body);
        assert_eq!(
            answer.header("content-type"),
            Some("application/json; charset=utf-8")
        );
    }
    assert_eq!(stored(&door), []);
    let kept = door.kept.0.lock();
    let decisions: Vec<_> = kept
        .iter()
        .map(|span| {
            (
                span.trace_id.to_string(),
                span.attribute("sallyport.decision"),
            )
        })
        .collect();
    for (span, answer) in decisions.iter().zip([slack, discord]) {
        assert_eq!(Some(span.0.as_str()), answer.header("request-id"));
        assert_eq!(span.1, Some(&Attribute::from("answered")));
    }
    assert_eq!(decisions.len(), 2);
}

#[tokio::test]
async fn a_question_counts_against_the_hooks_limit() {
    let mut settings = with_hooks();
    limit(&mut settings, "discord", 2);
    let door = Door::with(settings).await;

    let ping = || sender("discord").request("", r#"{"type":1}"#);

    assert_eq!(door.ask(ping()).await.status, 200);
    assert_eq!(door.ask(ping()).await.status, 200);
    door.ask(ping()).await.is_problem(429, "rate-limited");
}

#[tokio::test]
async fn a_command_of_discord_is_stored_and_deferred_also_when_it_comes_again() {
    let door = open(many()).await;

    for _ in 0..2 {
        let answer = door.ask(sender("discord").delivery("11")).await;

        assert_eq!(answer.status, 200);
        assert_eq!(answer.json(), json!({"type": 5}));
    }

    let once = ("discord:discord".to_owned(), Some("11".to_owned()));
    assert_eq!(stored(&door), [once]);
}

#[tokio::test]
async fn a_redelivery_of_github_is_stored_once_and_answered_with_nothing() {
    let door = open(many()).await;

    for _ in 0..2 {
        let answer = door.ask(sender("github").delivery("72d3162e")).await;

        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, b"");
        assert_eq!(answer.header("content-type"), None);
        assert_eq!(answer.header("content-length"), Some("0"));
        answer.is_dressed();
    }

    let once = ("github:github".to_owned(), Some("72d3162e".to_owned()));
    assert_eq!(stored(&door), [once]);
}

#[tokio::test]
async fn alertmanager_is_stored_every_time_and_slowed_down_by_503() {
    let mut settings = with_hooks();
    limit(&mut settings, "alertmanager", 2);
    let door = Door::with(settings).await;
    let notification = sender("alertmanager").delivery("");

    for _ in 0..2 {
        assert_eq!(door.ask(&notification).await.status, 200);
    }
    let refused = door.ask(&notification).await;

    let problem = refused.is_problem(503, "rate-limited");
    assert!(problem["retry_after"].as_u64().unwrap() > 0, "{problem}");
    assert_eq!(
        refused.header("ratelimit-policy"),
        Some("\"bot\";q=2;w=3600")
    );
    assert_eq!(stored(&door).len(), 2);
    assert!(
        counted(
            "sallyport_intake_rejected_total{source=\"alertmanager:alertmanager\",reason=\"rate_limited\"}"
        ) > 0
    );
}

/// Also by a limit with a name, which is counted elsewhere.
#[tokio::test]
async fn a_limit_with_a_name_slows_alertmanager_down_by_503_too() {
    let mut settings = with_hooks();
    settings["limits"] = json!({"few": {"rate": {"requests": 1, "window_seconds": 3600}}});
    settings["routes"][0]["limits"] = json!(["few"]);
    let door = Door::with(settings).await;

    assert_eq!(
        door.ask(sender("alertmanager").delivery("")).await.status,
        200
    );

    let alert = door.ask(sender("alertmanager").delivery("")).await;
    alert.is_problem(503, "rate-limited");
    let push = door.ask(sender("github").delivery("d-1")).await;
    push.is_problem(429, "rate-limited");
}

#[tokio::test]
async fn a_forgers_address_is_stopped_before_its_bodies_and_nobody_else_is() {
    let door = open(json!({"failures": {"requests": 3, "window_seconds": 3600}})).await;
    let forged = from("198.51.100.7", &tampered(&sender("github")));
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(door.ask(&forged).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429, 429]);

    // Only the head is sent, so this cannot have waited for a body.
    let (head, _body) = forged.split_once("\r\n\r\n").unwrap();
    let stopped = door.ask(format!("{head}\r\n\r\n")).await;

    let problem = stopped.is_problem(429, "rate-limited");
    assert!(problem["retry_after"].as_u64().unwrap() > 0, "{problem}");
    let policy = stopped.header("ratelimit-policy");
    assert_eq!(policy, Some("\"failures\";q=3;w=3600"));
    let elsewhere = from("198.51.100.8", &sender("github").delivery("d-1"));
    assert_eq!(door.ask(elsewhere).await.status, 200);
    let another_hook = from("198.51.100.8", &sender("stripe").delivery("d-1"));
    assert_eq!(door.ask(another_hook).await.status, 200);
    // Who proves itself in the head is not asked about its address.
    let neighbour = from("198.51.100.7", &sender("telegram").delivery("d-1"));
    assert_eq!(door.ask(neighbour).await.status, 200);
}

#[tokio::test]
async fn forged_bodies_use_up_nothing_that_belongs_to_the_hook() {
    let mut settings = with_hooks();
    limit(&mut settings, "github", 2);
    let door = Door::with(settings).await;

    for _ in 0..5 {
        let refused = door.ask(tampered(&sender("github"))).await;
        refused.is_problem(401, "not-authenticated");
    }

    for id in ["d-1", "d-2"] {
        assert_eq!(door.ask(sender("github").delivery(id)).await.status, 200);
    }
    let third = door.ask(sender("github").delivery("d-3")).await;
    third.is_problem(429, "rate-limited");
}

/// A stranger's body is a stranger's, whatever is wrong with it.
#[tokio::test]
async fn a_body_that_is_too_long_counts_for_its_address_until_somebody_is_proved() {
    let mut settings = with_hooks();
    settings["routes"][0]["accept"]["body_bytes_max"] = json!(64);
    settings["strangers"] = json!({"failures": {"requests": 1, "window_seconds": 3600}});
    let door = Door::with(settings).await;
    let chunked = |sender: Sender| {
        let long = sender.request("d-1", &format!("{{\"a\":\"{}\"}}", "x".repeat(90)));
        let (head, body) = long.split_once("\r\n\r\n").unwrap();
        let head = head.replacen("Content-Length: 98", "Transfer-Encoding: chunked", 1);
        format!("{head}\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
    };

    for _ in 0..3 {
        let genuine = door.ask(chunked(sender("telegram"))).await;
        genuine.is_problem(413, "body-too-large");
    }
    let first = door.ask(chunked(sender("github"))).await;
    let second = door.ask(chunked(sender("github"))).await;

    first.is_problem(413, "body-too-large");
    second.is_problem(429, "rate-limited");
}

#[tokio::test]
async fn every_signature_is_counted_once_with_its_outcome() {
    let mut settings = with_hooks();
    let mut hook = sender("github").hook();
    hook["name"] = json!("counted");
    settings["routes"][0]["accept"]["hooks"] = json!([hook]);
    let door = Door::with(settings).await;
    let to_it = |request: String| request.replacen("/hooks/github", "/hooks/counted", 1);
    let genuine = to_it(sender("github").delivery("d-1"));
    let unsigned = genuine.replacen("x-hub-signature-256", "x-nothing", 1);

    for request in [&genuine, &to_it(tampered(&sender("github"))), &unsigned] {
        door.ask(request).await;
    }

    for (outcome, times) in [("ok", 1), ("bad", 1), ("missing", 1), ("stale", 0)] {
        let series = format!(
            "sallyport_signature_checks_total{{source=\"github:counted\",outcome=\"{outcome}\"}}"
        );
        assert_eq!(counted(&series), times, "{outcome}");
    }
}

#[tokio::test]
async fn a_route_may_name_the_source_of_all_its_hooks() {
    let mut settings = with_hooks();
    let mut hook = sender("github").hook();
    hook.as_object_mut().unwrap().remove("source");
    settings["routes"][0]["accept"] =
        json!({"source": "github", "hooks": [hook, sender("slack").hook()]});
    let door = Door::with(settings).await;

    assert_eq!(door.ask(sender("github").delivery("d-1")).await.status, 200);
    // Its own word comes first.
    assert_eq!(door.ask(sender("slack").delivery("d-1")).await.status, 200);
}

/// Gives the hook of this name a limit of so many an hour.
fn limit(settings: &mut Value, name: &str, requests: u32) {
    let hooks = settings["routes"][0]["accept"]["hooks"].as_array_mut();
    let mut hooks = hooks.unwrap().iter_mut();
    let hook = hooks.find(|hook| hook["name"] == name).unwrap();
    hook["limit"] = json!({"requests": requests, "window_seconds": 3600});
}
