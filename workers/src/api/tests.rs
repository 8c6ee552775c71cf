//! Asks the API about a queue in a scratch database of its own, and sees to it that wrong questions are refused.

mod contract;
mod desk;
mod document;

use http::StatusCode;
use sallyport_queue::{ErrorNote, Verdict};
use sallyport_telemetry::trace::{self, SpanContext, SpanKind, Trail};
use serde_json::json;

use self::desk::{BEARER, Desk};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_answered_without_the_operators_token() {
    let desk = Desk::open().await;

    for path in [
        "/ops/traces",
        "/ops/traces/K7QF-3M2X",
        "/ops/queue",
        "/ops/dead",
        "/ops/nowhere",
    ] {
        for authorization in [
            None,
            Some("Bearer wrong"),
            Some("Bearer "),
            Some("Basic b3BzOm9wcw=="),
            Some("Bearer"),
        ] {
            let answer = desk.ask("GET", path, authorization, "").await;

            assert_eq!(
                answer.status,
                StatusCode::UNAUTHORIZED,
                "{path} {authorization:?}"
            );
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert_eq!(
                answer.header("content-type"),
                Some("application/problem+json")
            );
            assert_eq!(answer.body["type"], "/problems/not-authenticated");
        }
    }
    assert_eq!(
        desk.ask("POST", "/ops/dead/replay", None, "{}")
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_configured_token_nobody_is_an_operator() {
    let desk = Desk::open_with(|settings| settings.ops_token = "".into()).await;

    for authorization in [None, Some("Bearer "), Some("Bearer x")] {
        assert_eq!(
            desk.ask("GET", "/ops/queue", authorization, "")
                .await
                .status,
            StatusCode::UNAUTHORIZED
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_found_as_soon_as_it_is_on_disk() {
    let desk = Desk::open().await;
    let receipt = desk.accept("4711").await;
    let trace = receipt.trace.trace_id;

    let found = desk.get("/ops/traces?delivery=telegram:ops:4711").await;
    let story = desk.get(&format!("/ops/traces/{trace}")).await;
    let by_code = desk
        .get(&format!(
            "/ops/traces/{}",
            trace.support_code().to_string().to_lowercase()
        ))
        .await;

    assert_eq!(found["traces"][0]["trace_id"], trace.to_string());
    assert_eq!(found["traces"][0]["outcome"], "ready");
    assert_eq!(
        found["traces"][0]["delivery"],
        json!({"source": "telegram:ops", "id": "4711"})
    );
    assert_eq!(story["finished"], false);
    assert_eq!(story["rows"][0]["name"], "message telegram.update");
    assert_eq!(story["rows"][1]["status"], "waiting");
    assert_eq!(by_code["trace_id"], story["trace_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_retried_and_done_tells_its_whole_way() {
    let desk = Desk::open().await;
    let receipt = desk.accept("1").await;
    desk.handle(Verdict::Retry {
        after: std::time::Duration::ZERO,
        error: ErrorNote::new("unreachable", "Nobody there"),
    })
    .await;
    desk.handle(Verdict::Done).await;

    let story = desk
        .get(&format!("/ops/traces/{}", receipt.trace.trace_id))
        .await;

    assert_eq!(
        (&story["outcome"], &story["finished"]),
        (&json!("done"), &json!(true))
    );
    let attempts: Vec<_> = story["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["kind"] == "attempt")
        .map(|row| (row["status"].as_str().unwrap(), row["error"].as_str()))
        .collect();
    assert_eq!(attempts, [("error", Some("Nobody there")), ("ok", None)]);
    assert_eq!(story["notes"], json!(["spans not kept"]));
    let listed = desk
        .get("/ops/traces?kind=telegram.update&outcome=done&since=5m&limit=5")
        .await;
    assert_eq!(
        listed["traces"][0]["trace_id"],
        receipt.trace.trace_id.to_string()
    );
    assert!(listed["traces"][0]["duration_ms"].is_f64());
    assert_eq!(
        desk.get("/ops/traces?outcome=dead").await,
        json!({"traces": []})
    );
    assert_eq!(desk.get("/ops/traces?over=1h").await, json!({"traces": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_spans_are_hung_in_around_the_queues_rows() {
    let desk = Desk::open().await;
    let trail = Trail::rooted(SpanContext::new_root(true));
    let mut request = trail.start("POST /telegram/{bot}", SpanKind::Server);
    request
        .set("http.route", "/telegram/{bot}")
        .set("http.response.status_code", 200_u16);
    let producer = request.child("send telegram.update", SpanKind::Producer);
    let receipt = desk.accept_under("1", producer.context().unwrap()).await;
    drop((producer, request));
    desk.handle(Verdict::Done).await;
    let attempt = Trail::continuing(receipt.trace);
    let mut process = attempt.start("process telegram.update", SpanKind::Consumer);
    process
        .set("messaging.message.id", receipt.id.to_string())
        .set("sallyport.attempt", 1_u16);
    process
        .within(async { trace::start("chat tiny-1", SpanKind::Client).end() })
        .await;
    drop(process);
    desk.record([trail.finish(), attempt.finish()].concat())
        .await;

    let story = desk
        .get(&format!("/ops/traces/{}", receipt.trace.trace_id))
        .await;
    let listed = desk.get("/ops/traces?route=/telegram/{bot}").await;

    let shape: Vec<(u64, &str)> = story["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["kind"] != "wait")
        .map(|row| {
            (
                row["depth"].as_u64().unwrap(),
                row["name"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        shape,
        [
            (0, "POST /telegram/{bot}"),
            (1, "send telegram.update"),
            (2, "message telegram.update"),
            (3, "process telegram.update"),
            (4, "chat tiny-1"),
        ]
    );
    assert_eq!(story["notes"], json!([]));
    assert_eq!(
        listed["traces"][0]["trace_id"],
        receipt.trace.trace_id.to_string()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_counted_by_kind_and_state() {
    let desk = Desk::open().await;
    desk.accept("1").await;
    desk.accept("2").await;

    let queue = desk.get("/ops/queue").await;

    assert_eq!(
        (&queue["waiting"], &queue["running"], &queue["dead"]),
        (&json!(2), &json!(0), &json!(0))
    );
    assert_eq!(queue["kinds"][0]["kind"], "telegram.update");
    assert_eq!(queue["partitions"]["total"], 256);
    assert!(queue["oldest_ms"].is_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_grouped_by_error_and_replayed_once() {
    let desk = Desk::open().await;
    let receipt = desk.accept("1").await;
    desk.handle(Verdict::Dead {
        error: ErrorNote::new("model/gone", "No model answered"),
    })
    .await;

    let dead = desk.get("/ops/dead").await;
    let group = &dead["groups"][0];
    let body = json!({"group": group["group"]}).to_string();
    let first = desk.post("/ops/dead/replay", &body).await;
    let second = desk.post("/ops/dead/replay", &body).await;
    let by_id = desk
        .post(
            "/ops/dead/replay",
            &json!({"ids": [receipt.id.to_string()]}).to_string(),
        )
        .await;

    assert_eq!((&dead["total"], &group["count"]), (&json!(1), &json!(1)));
    assert_eq!(group["error"], "No model answered");
    assert_eq!(
        group["newest_code"],
        receipt.trace.trace_id.support_code().to_string()
    );
    assert_eq!(first.body, json!({"replayed": 1, "missing": []}));
    assert_eq!(second.body, json!({"replayed": 0, "missing": []}));
    assert_eq!(
        by_id.body,
        json!({"replayed": 0, "missing": [receipt.id.to_string()]})
    );
    assert_eq!(desk.get("/ops/dead").await["total"], 0);
    assert_eq!(desk.get("/ops/queue").await["waiting"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_question_is_told_every_field_that_is_wrong() {
    let desk = Desk::open().await;

    let answer = desk
        .ask(
            "GET",
            "/ops/traces?over=fast&limit=0&colour=red&outcome=gone",
            Some(desk::BEARER),
            "",
        )
        .await;

    assert_eq!(
        (answer.status, &answer.body["type"]),
        (StatusCode::BAD_REQUEST, &json!("/problems/invalid-query"))
    );
    let errors = answer.body["errors"].as_array().unwrap();
    let pointers: Vec<_> = errors
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(pointers, ["?outcome", "?over", "?colour", "?limit"]);
    assert!(errors.iter().all(|error| {
        error["reason"]
            .as_str()
            .is_some_and(|reason| reason.len() > 5)
    }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_replay_is_refused_with_its_reason() {
    let desk = Desk::open().await;
    for (body, pointer) in [
        ("{\"ids\":", ""),
        ("{\"id\":[]}", ""),
        ("{}", "/__all__"),
        ("{\"ids\":[\"1\"],\"group\":\"a/b\"}", "/__all__"),
        ("{\"ids\":[]}", "/ids"),
        ("{\"ids\":[\"1\",\"x\"]}", "/ids/1"),
        ("{\"group\":\"x\"}", "/group"),
    ] {
        let answer = desk.post("/ops/dead/replay", body).await;

        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(
            answer.body["errors"][0]["pointer"], pointer,
            "{body}: {}",
            answer.body
        );
    }
    let plain = desk
        .typed("/ops/dead/replay", "text/plain", "{\"ids\":[\"1\"]}")
        .await;
    let large = desk.post("/ops/dead/replay", &" ".repeat(100_000)).await;
    assert_eq!(plain.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_traces_paths_and_methods_are_told_apart() {
    let desk = Desk::open().await;
    let ask = |method, path| desk.ask(method, path, Some(desk::BEARER), "");

    let unknown = ask("GET", "/ops/traces/00000000000000000000000000000001").await;
    let nonsense = ask("GET", "/ops/traces/no-such-code").await;
    let nowhere = ask("GET", "/ops/nowhere").await;
    let method = ask("DELETE", "/ops/dead").await;

    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(
        nonsense.body["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("K7QF-3M2X"))
    );
    assert_eq!(
        (nowhere.status, &nowhere.body["type"]),
        (StatusCode::NOT_FOUND, &json!("/problems/not-found"))
    );
    assert_eq!(method.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(
        method
            .header("allow")
            .is_some_and(|methods| methods.contains("GET"))
    );
    assert_eq!(method.header("cache-control"), Some("no-store"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_carries_the_trace_that_the_edge_hands_on() {
    let desk = Desk::open().await;
    let trace = SpanContext::new_root(true);

    let answer = desk.traced("/ops/nowhere", &trace.traceparent()).await;

    assert_eq!(answer.body["trace_id"], trace.trace_id.to_string());
    assert_eq!(
        answer.body["code"],
        trace.trace_id.support_code().to_string()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_is_a_503_that_says_when_to_come_back() {
    let desk = Desk::without_database().await;

    for path in [
        "/ops/traces",
        "/ops/queue",
        "/ops/dead",
        "/ops/traces/K7QF-3M2X",
    ] {
        let answer = desk.ask("GET", path, Some(desk::BEARER), "").await;

        assert!(answer.status.is_server_error(), "{path}: {}", answer.status);
        assert_eq!(answer.body["type"], "/problems/unavailable");
        assert!(answer.header("retry-after").is_some());
    }
}

#[tokio::test]
async fn a_message_is_listed_explained_paused_and_cancelled_with_a_reason() {
    let desk = Desk::open().await;
    let receipt = desk.accept("1").await;
    let path = format!("/ops/queue/messages/{}", receipt.id);

    let listed = desk
        .get("/ops/queue/messages?state=ready&kind=telegram.update")
        .await;
    assert_eq!(listed["messages"][0]["id"], receipt.id.to_string());
    let shown = desk.get(&path).await;
    assert!(
        shown["reasons"][0]
            .as_str()
            .unwrap()
            .contains("waits for a worker"),
        "{shown}"
    );

    let silent = desk.ask("DELETE", &path, Some(BEARER), "{}").await;
    assert_eq!(silent.status, StatusCode::BAD_REQUEST);
    let pause = r#"{"name": "telegram.update", "by": "anna", "why": "too loud"}"#;
    assert_eq!(
        desk.post("/ops/queue/pauses", pause).await.status,
        StatusCode::OK
    );
    let shown = desk.get(&path).await;
    assert!(
        shown["reasons"][0]
            .as_str()
            .unwrap()
            .contains("by anna: too loud"),
        "{shown}"
    );
    let reason = r#"{"by": "anna", "why": "not needed"}"#;
    let answer = desk.ask("DELETE", &path, Some(BEARER), reason).await;
    assert_eq!(
        (answer.status, &answer.body["done"]),
        (StatusCode::OK, &"ordered".into())
    );
    let resumed = desk
        .ask(
            "DELETE",
            "/ops/queue/pauses/telegram.update",
            Some(BEARER),
            reason,
        )
        .await;
    assert_eq!(resumed.status, StatusCode::OK);
    let unknown = desk
        .ask("GET", "/ops/queue/messages/999999", Some(BEARER), "")
        .await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_replay_is_tried_first_and_leaves_a_record_when_it_is_real() {
    let desk = Desk::open().await;
    let receipt = desk.accept("1").await;
    desk.handle(Verdict::Done).await;
    let ids = format!(r#""ids": ["{}"]"#, receipt.id);

    let dry = desk.post("/ops/queue/replays", &format!("{{{ids}}}")).await;
    assert_eq!(
        (dry.status, &dry.body["count"]),
        (StatusCode::OK, &0.into())
    );
    assert!(
        dry.body["refused"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("done already")
    );

    let nameless = desk
        .post("/ops/queue/replays", &format!(r#"{{{ids}, "live": true}}"#))
        .await;
    assert_eq!(nameless.status, StatusCode::BAD_REQUEST);
    let real = format!(r#"{{{ids}, "live": true, "force": true, "by": "anna", "why": "again"}}"#);
    let ordered = desk.post("/ops/queue/replays", &real).await;
    assert_eq!(ordered.status, StatusCode::ACCEPTED);
    let listed = desk.get("/ops/queue/replays").await;
    assert_eq!(listed["replays"][0]["by"], "anna");
    let gone = desk
        .post("/ops/queue/replays", r#"{"ids": ["999999"]}"#)
        .await;
    assert_eq!(gone.status, StatusCode::CONFLICT);
    assert!(
        gone.body["detail"].as_str().unwrap().contains("earliest"),
        "{}",
        gone.body
    );
}
