//! That what `sallyport explain` says of a request is what the edge does with it.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sallyport_gateway::{Outcome, Probe, explain};
use serde_json::json;

use crate::door::{Door, SECRET, TOKEN, checked, get, post, said, settings};
use crate::openapi::Written;
use crate::senders::{route, sender};

/// How many requests are asked about and sent.
const REQUESTS: usize = 600;

/// A request as it would be typed.
#[derive(Debug, Clone)]
struct Typed {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
}

fn one_of(choices: &[&'static str]) -> impl Strategy<Value = &'static str> + use<> {
    prop::sample::select(choices.to_vec())
}

fn target() -> impl Strategy<Value = String> {
    let sound = one_of(&[
        "/telegram/ops",
        "/telegram/ops",
        "/telegram/second",
        "/telegram/nobody",
        "/telegram/",
        "/health/live",
        "/health/status",
        "/ops/queue?limit=3",
        "/ops/queue?limit=9",
        "/ops/",
        "/problems/not-found",
        "/problems/nothing",
        "/nowhere",
    ]);
    let odd = one_of(&[
        "", "/", "//", "%2f", "%zz", ";a", "/../x", "?a=b", "#", " ", "\u{e9}",
    ]);
    (sound, prop::option::weighted(0.15, odd))
        .prop_map(|(sound, odd)| format!("{sound}{}", odd.unwrap_or_default()))
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let secret = prop::sample::select(vec![
        SECRET,
        SECRET,
        SECRET,
        "another-bots-secret",
        "forged",
        "",
    ]);
    let field = prop_oneof![
        8 => secret.prop_map(|secret| ("X-Telegram-Bot-Api-Secret-Token", secret.to_owned())),
        8 => one_of(&["application/json", "application/json; charset=utf-8", "text/plain", ""])
            .prop_map(|media_type| ("Content-Type", media_type.to_owned())),
        2 => prop::sample::select(vec![format!("Bearer {TOKEN}"), "Bearer wrong".to_owned(), TOKEN.to_owned()])
            .prop_map(|token| ("Authorization", token)),
        1 => Just(("Content-Encoding", "gzip".to_owned())),
        1 => one_of(&["nothing", "100-continue "]).prop_map(|wish| ("Expect", wish.to_owned())),
        1 => one_of(&["edge", "two hosts"]).prop_map(|host| ("Host", host.to_owned())),
        1 => one_of(&["99999", "-1", "3, 3"]).prop_map(|length| ("Content-Length", length.to_owned())),
        1 => Just(("X-Strange", "\u{1}".to_owned())),
        1 => Just(("Bad Name", "x".to_owned())),
    ];
    let good = vec![
        ("X-Telegram-Bot-Api-Secret-Token", SECRET.to_owned()),
        ("Content-Type", "application/json".to_owned()),
    ];
    prop_oneof![
        2 => Just(good),
        3 => prop::collection::vec(field, 0..4),
    ]
}

/// What GitHub and Slack sign with, in small letters.
const SIGNED: [&str; 5] = [
    "x-hub-signature-256",
    "x-github-event",
    "x-github-delivery",
    "x-slack-signature",
    "x-slack-request-timestamp",
];

/// What only its body proves: genuine, changed on the way, or signed long ago; a delivery, a question, or neither.
fn signed() -> impl Strategy<Value = Typed> {
    let target = one_of(&["/hooks/github", "/hooks/slack", "/hooks/slack"]);
    let body = one_of(&[
        r#"{"repository":{"id":7}}"#,
        r#"{"type":"event_callback","event_id":"E1"}"#,
        r#"{"type":"url_verification","challenge":"c"}"#,
        "[]",
        "",
    ]);
    let age = prop::sample::select(vec![0, 0, 0, 600]);
    let added = one_of(&["", "", "", " "]);
    (target, body, age, added).prop_map(|(target, body, age, added)| {
        let then = SystemTime::now() - Duration::from_secs(age);
        let name = target.trim_start_matches("/hooks/");
        let fields = sender(name).fields("d-1", body, then).into_iter();
        let mut headers: Vec<_> = fields
            .map(|(name, value)| {
                let mut known = SIGNED.into_iter();
                (known.find(|known| *known == name).unwrap(), value)
            })
            .collect();
        headers.push(("Content-Type", "application/json".to_owned()));
        Typed {
            method: "POST",
            target: target.to_owned(),
            headers,
            body: Some(format!("{body}{added}")),
        }
    })
}

/// One in four is what Telegram sends, but perhaps for its body, and one comes to a hook; the others are anything.
fn typed() -> impl Strategy<Value = Typed> {
    let genuine = Typed {
        method: "POST",
        target: "/telegram/ops".to_owned(),
        headers: vec![
            ("X-Telegram-Bot-Api-Secret-Token", SECRET.to_owned()),
            ("Content-Type", "application/json".to_owned()),
        ],
        body: None,
    };
    prop_oneof![
        1 => body().prop_map(move |body| Typed { body: Some(body), ..genuine.clone() }),
        1 => signed(),
        2 => anything(),
    ]
}

fn body() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (1i64..1_000_000).prop_map(said),
        1 => one_of(&["", "{}", "[1]", "{\"update_id\": \"x\"}", "{\"update_id\": 1, \"update_id\": 2}"])
            .prop_map(str::to_owned),
        1 => (0..2_500usize).prop_map(|length| format!("{{\"update_id\": 5, \"a\": \"{}\"}}", "x".repeat(length))),
    ]
}

fn anything() -> impl Strategy<Value = Typed> {
    let method = one_of(&[
        "POST", "POST", "POST", "GET", "HEAD", "PUT", "TRACE", "CONNECT", "post", "BREW",
    ]);
    (
        method,
        target(),
        headers(),
        prop::option::weighted(0.7, body()),
    )
        .prop_map(|(method, target, headers, body)| Typed {
            method,
            target,
            headers,
            body: body.filter(|_| method != "GET" && method != "HEAD"),
        })
}

impl Typed {
    fn has(&self, wanted: &str) -> bool {
        self.headers.iter().any(|(name, _)| *name == wanted)
    }

    fn probe(&self) -> Probe {
        let headers = self.headers.iter();
        Probe {
            method: self.method.to_owned(),
            target: self.target.clone(),
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            body: Some(self.body.clone().unwrap_or_default().into_bytes()),
            peer: "127.0.0.1".parse().unwrap(),
            has_tls: false,
        }
    }

    fn bytes(&self) -> String {
        let body = self.body.clone().unwrap_or_default();
        let mut wire = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            wire += &format!("{name}: {value}\r\n");
        }
        if !self.has("Host") {
            wire += "Host: edge\r\n";
        }
        if !self.has("Content-Length") {
            wire += &format!("Content-Length: {}\r\n", body.len());
        }
        wire + "\r\n" + &body
    }
}

#[tokio::test]
async fn the_edge_does_what_was_said_of_six_hundred_requests() {
    let mut settings = settings();
    let many = json!({"requests": 1_000_000, "window_seconds": 1});
    settings["strangers"] = json!({"failures": many, "unverified": many});
    settings["routes"].as_array_mut().unwrap().push(route());
    // Nobody serves it in this test.
    let written = Written::new();
    settings["routes"][4] = written.route("127.0.0.1:1", "block");
    let known = checked(settings.clone());
    let door = Door::with(settings).await;
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), seed);
    let mut seen = std::collections::BTreeMap::new();

    for _ in 0..REQUESTS {
        let typed = typed().new_tree(&mut runner).unwrap().current();
        let explanation = explain(&known, &typed.probe()).unwrap();
        let expected = match &explanation.outcome {
            Outcome::Stored { .. } | Outcome::Replied { .. } | Outcome::Answered => 200,
            Outcome::Moved { .. } => 308,
            // Nobody serves it in this test.
            Outcome::Forwarded { .. } => 502,
            Outcome::Refused { status, .. } => *status,
        };

        let mut client = door.connect().await;
        client.send(typed.bytes()).await;
        let status = client.head().await;

        assert_eq!(status, expected, "{typed:?}\n{explanation:#?}");
        let last = explanation.steps.last().unwrap();
        let is_refused = matches!(explanation.outcome, Outcome::Refused { .. });
        assert_eq!(last.passed, !is_refused, "{explanation:#?}");
        let what = format!("{:?} {status}", last.rule);
        *seen.entry(what).or_insert(0) += 1;
    }

    // The requests must have met many different fates, or this says little.
    assert!(seen.len() >= 12, "{seen:?}");
    assert!(seen["Delivery 200"] >= 50, "{seen:?}");
    assert!(seen["Signature 401"] >= 20, "{seen:?}");
    assert!(seen["OpenApi 400"] >= 5, "{seen:?}");
}

#[test]
fn how_important_a_request_is_is_said_where_it_could_be_turned_away() {
    let mut settings = settings();
    settings["routes"].as_array_mut().unwrap().push(route());
    settings["routes"][0]["accept"]["bots"][1]["importance"] = json!("background");
    let known = checked(settings);
    let of = |request: &str| {
        let mut lines = request.split("\r\n");
        let mut words = lines.next().unwrap().split(' ').map(str::to_owned);
        let headers = lines.filter_map(|line| line.split_once(": "));
        let probe = Probe {
            method: words.next().unwrap(),
            target: words.next().unwrap(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: None,
            peer: "192.0.2.1".parse().unwrap(),
            has_tls: true,
        };
        let explanation = explain(&known, &probe).unwrap();
        explanation.importance.map(|importance| importance.name())
    };

    let bulk = post("/telegram/second", "another-bots-secret", "");
    assert_eq!(of(&bulk), Some("background"));
    assert_eq!(of(&post("/telegram/ops", SECRET, "")), Some("interactive"));
    assert_eq!(of(&sender("github").delivery("1")), Some("normal"));
    assert_eq!(of(&get("/ops/queue")), Some("normal"));
    assert_eq!(of(&get("/health/live")), None);
    assert_eq!(of(&post("/telegram/ops", "forged", "")), None);
}
