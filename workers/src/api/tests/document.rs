//! Holds the OpenAPI document against its committed copy, the router, the handlers' bounds and the page that people read.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use sallyport_queue::ListCursor;
use serde_json::{Value, json};

use super::contract::{Contract, Operation};
use super::desk::{BEARER, Desk};
use crate::api::query::{DeliveryRef, Moment, Span};
use crate::api::{BODY_BYTES_MAX, document, paths};
use crate::story::Reference;

const COMMITTED: &str = include_str!("../../../../docs/api/ops.openapi.json");
const PAGE: &str = include_str!("../../../../docs/api/ops.md");

#[test]
fn the_committed_document_is_what_the_types_say() {
    assert!(
        document() == COMMITTED,
        "docs/api/ops.openapi.json is not what the types say (any more). Write it anew and look at what changed:\n\
         cargo run --quiet -- openapi > docs/api/ops.openapi.json"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_is_what_the_document_lists() {
    let desk = Desk::open().await;
    let contract = Contract::read();
    let mut listed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (method, operation) in contract.operations() {
        let methods = listed.entry(operation.path().to_owned()).or_default();
        // Whoever answers GET answers HEAD.
        methods.extend((method == "GET").then(|| "HEAD".to_owned()));
        methods.insert(method);
    }

    let mut served: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in served_paths() {
        let other = desk.ask("PATCH", &path, Some(BEARER), "").await;
        let allowed = other.header("allow").unwrap_or_default().split(',');
        served.insert(
            path.clone(),
            allowed.map(|method| method.trim().to_owned()).collect(),
        );
    }

    assert_eq!(served, listed);
}

/// The paths of the router. Axum tells them nowhere but in what it prints for a debugger.
fn served_paths() -> BTreeSet<String> {
    let (router, _) = paths().split_for_parts();
    let printed = format!("{router:?}");
    let (ours, _) = printed.split_once("fallback_router").unwrap();
    let texts = ours.split('"').skip(1).step_by(2);
    let paths = texts.filter(|text| text.starts_with('/'));
    paths.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_served_to_whoever_has_the_token() {
    let desk = Desk::open().await;

    let served = desk.get("/ops/openapi.json").await;

    assert_eq!(served, serde_json::from_str::<Value>(COMMITTED).unwrap());
    assert_eq!(served["openapi"], "3.1.0");
    let stranger = desk.ask("GET", "/ops/openapi.json", None, "").await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
}

#[test]
fn every_operation_has_a_name_of_its_own_and_one_line() {
    let contract = Contract::read();
    let mut names = BTreeSet::new();

    for (method, operation) in contract.operations() {
        let place = format!("{method} {}", operation.path());
        assert!(
            names.insert(operation.word("operationId").to_owned()),
            "{place}"
        );
        let summary = operation.word("summary");
        assert!((5..=80).contains(&summary.len()), "{place}: {summary}");
    }
}

#[test]
fn the_document_names_the_largest_body() {
    assert!(document().contains(&format!("at most {BODY_BYTES_MAX} bytes")));
    assert!(document().contains(&format!("larger than {BODY_BYTES_MAX} bytes")));
}

#[test]
fn what_the_page_shows_as_a_request_is_taken() {
    let contract = Contract::read();
    let examples = [
        (
            "DELETE",
            "/ops/queue/messages/7",
            r#"{"by": "anna", "why": "…"}"#,
        ),
        (
            "POST",
            "/ops/queue/messages/7/retry",
            r#"{"by": "anna", "why": "…"}"#,
        ),
        (
            "POST",
            "/ops/queue/pauses",
            r#"{"name": "telegram.send", "by": "anna", "why": "…"}"#,
        ),
        (
            "DELETE",
            "/ops/queue/pauses/everything",
            r#"{"by": "anna", "why": "…"}"#,
        ),
        (
            "POST",
            "/ops/queue/schedules/pause",
            r#"{"name": "hub.digest", "by": "anna", "why": "…"}"#,
        ),
        ("POST", "/ops/queue/replays", r#"{"ids": ["812"]}"#),
        (
            "POST",
            "/ops/queue/replays",
            r#"{"from": "2026-11-20T21:00:00Z", "kind": "telegram.send", "live": true, "by": "anna", "why": "…", "per_second": 20}"#,
        ),
        ("POST", "/ops/dead/replay", r#"{"ids": ["7", "9"]}"#),
        (
            "POST",
            "/ops/dead/replay",
            r#"{"group": "telegram.send/unreachable"}"#,
        ),
    ];

    for (method, path, body) in examples {
        assert!(PAGE.contains(body), "{body} is not on the page");
        let operation = contract.find(method, path).unwrap();
        assert!(operation.takes(path, None, body), "{method} {path} {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bounds_of_parameters_are_those_that_the_handlers_have() {
    let desk = Desk::open().await;
    let contract = Contract::read();
    let mut probed = 0;

    for (method, operation) in contract.operations().filter(|(method, _)| method == "GET") {
        for (name, schema) in operation.parameters("query") {
            for (value, fits) in probes(schema) {
                probed += 1;
                let query = url::form_urlencoded::Serializer::new(String::new())
                    .append_pair(name, &text_of(&value))
                    .finish();
                let path = operation.path().to_owned();
                let answer = desk
                    .ask(&method, &format!("{path}?{query}"), Some(BEARER), "")
                    .await;

                let taken = answer.status == StatusCode::OK;
                assert_eq!(taken, fits, "{path}?{query}: {}", answer.body);
                assert_eq!(
                    operation.takes(&path, Some(&query), ""),
                    fits,
                    "{path}?{query}"
                );
            }
        }
    }
    assert!(probed >= 60, "{probed} values are no test");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bounds_of_bodies_are_those_that_the_handlers_have() {
    let desk = Desk::open().await;
    let contract = Contract::read();
    let mut probed = 0;

    for (method, operation) in contract.operations() {
        for (name, schema) in operation.body_fields() {
            for (value, fits) in probes(&schema) {
                probed += 1;
                let body = example(&operation, &name, value);
                let path = operation
                    .path()
                    .replace("{id}", "7")
                    .replace("{name}", "none");
                let answer = desk
                    .ask(&method, &path, Some(BEARER), &body.to_string())
                    .await;

                let place = format!("{method} {path}: {name} in {body}, {}", answer.body);
                assert_eq!(operation.takes_body(&body.to_string()), fits, "{place}");
                // A replay that is fine may still find nothing to do.
                assert_eq!(answer.status != StatusCode::BAD_REQUEST, fits, "{place}");
            }
        }
    }
    assert!(probed >= 80, "{probed} values are no test");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fields_of_a_body_owe_each_other_is_in_the_document() {
    let desk = Desk::open().await;
    let contract = Contract::read();

    for (path, body, fits) in [
        (
            "/ops/dead/replay",
            r#"{"ids": ["+7", "007"], "group": null}"#,
            true,
        ),
        ("/ops/dead/replay", r#"{"ids": null, "group": "a/b"}"#, true),
        (
            "/ops/dead/replay",
            r#"{"ids": ["1"], "group": "a/b"}"#,
            false,
        ),
        ("/ops/dead/replay", r#"{"ids": null}"#, false),
        ("/ops/dead/replay", r#"{"ids": ["x"]}"#, false),
        ("/ops/dead/replay", r#"{"group": "x"}"#, false),
        ("/ops/dead/replay", r#"{"groups": "a/b"}"#, false),
        (
            "/ops/queue/replays",
            r#"{"kind": "x", "ids": [], "from": null, "per_second": null}"#,
            true,
        ),
        (
            "/ops/queue/replays",
            r#"{"kind": "x", "live": true, "by": "anna", "why": "again"}"#,
            true,
        ),
        (
            "/ops/queue/replays",
            r#"{"kind": "x", "live": true, "by": "anna"}"#,
            false,
        ),
        ("/ops/queue/replays", r#"{"ids": [], "kind": null}"#, false),
        ("/ops/queue/replays", r#"{"live": false}"#, false),
        ("/ops/queue/replays", r#"{"from": "yesterday"}"#, false),
    ] {
        let answer = desk.post(path, body).await;

        let place = format!("{body}: {}", answer.body);
        assert_eq!(answer.status != StatusCode::BAD_REQUEST, fits, "{place}");
        assert_eq!(
            contract.find("POST", path).unwrap().takes_body(body),
            fits,
            "{place}"
        );
    }
}

#[test]
fn the_document_takes_whatever_way_of_writing_is_taken() {
    let contract = Contract::read();
    let takes = |path: &str, query: &str| {
        contract
            .find("GET", path)
            .unwrap()
            .takes(path, Some(query), "")
    };

    for text in [
        "200ms",
        "1.5s",
        "2m",
        "1 hour, 5 minutes",
        "PT15M",
        "00:15:00",
        "7 µs",
    ] {
        assert!(
            text.parse::<Span>().is_ok() && text.parse::<Moment>().is_ok(),
            "{text}"
        );
        assert!(
            takes("/ops/traces", &format!("over={text}&since={text}")),
            "{text}"
        );
    }
    for text in [
        "2026-11-20T21:00:00Z",
        "2026-11-20 22:00:00+01:00",
        "20261120T210000.5z",
        "-000044-03-15T12:00Z[UTC]",
    ] {
        assert!(text.parse::<Moment>().is_ok(), "{text}");
        let query = format!("before={}", text.replace('+', "%2B"));
        assert!(takes("/ops/queue/messages", &query), "{text}");
        let replay = contract.find("POST", "/ops/queue/replays").unwrap();
        assert!(
            replay.takes_body(&json!({"from": text}).to_string()),
            "{text}"
        );
    }
    for text in ["telegram:ops:4711", "::4711", "a\nb:c\nd"] {
        assert!(text.parse::<DeliveryRef>().is_ok(), "{text}");
        assert!(takes("/ops/traces", &format!("delivery={text}")), "{text}");
    }
    for text in [
        "K7QF-3M2X",
        " k7qf 3m2x\u{a0}",
        "-OI-L7qf3m",
        "4BF92F3577B34DA6A3CE929D0E0E4736",
    ] {
        assert!(text.parse::<Reference>().is_ok(), "{text}");
        assert!(takes(&format!("/ops/traces/{text}"), ""), "{text}");
    }
}

#[test]
fn the_document_takes_every_place_that_a_list_gives_as_its_next() {
    let contract = Contract::read();
    let list = contract.find("GET", "/ops/queue/messages").unwrap();

    for cursor in [
        ListCursor::Live {
            delayed: true,
            partition: 255,
            priority: 1,
            id: i64::MAX,
        },
        ListCursor::Ended { at: -1, id: 7 },
    ] {
        let query = format!("after={cursor}");
        assert!(
            list.takes("/ops/queue/messages", Some(&query), ""),
            "{query}"
        );
    }
    for text in ["", "e.1", "2.1.1.1", "e.1.x"] {
        assert!(text.parse::<ListCursor>().is_err());
        assert!(
            !list.takes("/ops/queue/messages", Some(&format!("after={text}")), ""),
            "{text}"
        );
    }
}

/// A body that is fine but for what `name` is.
fn example(operation: &Operation<'_>, name: &str, value: Value) -> Value {
    let fields = operation.body_fields();
    let mut body = match (fields.contains_key("group"), fields.contains_key("live")) {
        (true, _) => json!({}),
        (_, true) if name == "ids" => json!({}),
        (_, true) => json!({"kind": "x"}),
        (false, false) => json!({"by": "anna", "why": "to see"}),
    };
    if fields.contains_key("name") {
        body["name"] = json!("x");
    }
    body[name] = value;
    body
}

/// A value as a query has it.
fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Values at the edge of what a schema takes, and whether it takes them.
fn probes(schema: &Value) -> Vec<(Value, bool)> {
    let number = |name: &str| schema[name].as_i64();
    let of_length = |name: &str| number(name).map(|length| usize::try_from(length).unwrap());
    let long = |length: usize| json!("/".repeat(length));
    let ids = |count: usize| json!(vec!["1"; count]);
    let mut probes = Vec::new();
    if let Some(words) = schema["enum"].as_array() {
        probes.extend(words.iter().map(|word| (word.clone(), true)));
        probes.push((json!("nonsense"), false));
    }
    probes.extend(
        number("minimum")
            .into_iter()
            .flat_map(|least| [(json!(least), true), (json!(least - 1), false)]),
    );
    probes.extend(
        number("maximum")
            .into_iter()
            .flat_map(|most| [(json!(most), true), (json!(most + 1), false)]),
    );
    // Characters count, not bytes; `/` is what a group's name has to have.
    probes.extend(
        of_length("minLength")
            .into_iter()
            .flat_map(|least| [(long(least), true), (long(least - 1), false)]),
    );
    probes.extend(
        of_length("maxLength")
            .into_iter()
            .flat_map(|most| [(long(most), true), (long(most + 1), false)]),
    );
    probes.extend(
        of_length("maxLength").map(|most| (json!(format!("/{}", "é".repeat(most - 1))), true)),
    );
    probes.extend(
        of_length("minItems")
            .into_iter()
            .flat_map(|least| [(ids(least), true), (ids(least - 1), false)]),
    );
    probes.extend(
        of_length("maxItems")
            .into_iter()
            .flat_map(|most| [(ids(most), true), (ids(most + 1), false)]),
    );
    probes
}
