//! Every request is one trace: its id is in the answer, its spans in the message, or kept when it was refused.

use sallyport_telemetry::trace::{SpanKind, Value};
use serde_json::json;

use crate::door::{Door, SECRET, get, post, said, settings};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn with_parent(request: &str) -> String {
    request.replacen(
        "Host: edge\r\n",
        &format!("Host: edge\r\ntraceparent: {PARENT}\r\n"),
        1,
    )
}

#[tokio::test]
async fn the_edges_spans_travel_in_the_message() {
    let door = Door::open().await;

    let answer = door.update(&said(1)).await;

    let stored = door.shelf.stored.lock();
    let message = &stored[0];
    let spans = message.edge_spans.as_deref().unwrap();
    let [server, send] = spans else {
        panic!("{spans:?}")
    };
    assert_eq!(
        Some(server.trace_id.to_string().as_str()),
        answer.header("request-id")
    );
    assert_eq!(server.name, "POST /telegram/{bot}");
    assert_eq!(server.kind, SpanKind::Server);
    assert_eq!(server.parent, None);
    assert_eq!(send.name, "send telegram.update");
    assert_eq!(send.kind, SpanKind::Producer);
    assert_eq!(send.parent, Some(server.span_id));
    assert_eq!(message.trace, send.context(true));
    assert!(server.start <= send.start);
}

#[tokio::test]
async fn a_strangers_traceparent_is_noted_and_not_believed() {
    let door = Door::open().await;

    door.ask(with_parent(&post("/telegram/ops", SECRET, &said(1))))
        .await;

    let stored = door.shelf.stored.lock();
    let server = &stored[0].edge_spans.as_deref().unwrap()[0];
    assert_ne!(
        server.trace_id.to_string(),
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert_eq!(server.parent, None);
    assert_eq!(server.links.len(), 1);
}

#[tokio::test]
async fn a_trusted_peers_traceparent_is_continued() {
    let mut settings = settings();
    settings["trusted_peers"] = json!(["127.0.0.0/8"]);
    let door = Door::with(settings).await;

    let answer = door
        .ask(with_parent(&post("/telegram/ops", SECRET, &said(1))))
        .await;

    assert_eq!(
        answer.header("request-id"),
        Some("0af7651916cd43dd8448eb211c80319c")
    );
    let stored = door.shelf.stored.lock();
    let server = &stored[0].edge_spans.as_deref().unwrap()[0];
    assert_eq!(server.parent.unwrap().to_string(), "b7ad6b7169203331");
}

#[tokio::test]
async fn a_repeat_is_kept_as_a_trace_of_its_own_that_points_to_the_first() {
    let door = Door::open().await;

    door.update(&said(1)).await;
    let repeat = door.update(&said(1)).await;

    let first = door.shelf.stored.lock()[0].trace;
    let kept = door.kept.0.lock();
    let [span] = kept.as_slice() else {
        panic!("{kept:?}")
    };
    assert_eq!(
        Some(span.trace_id.to_string().as_str()),
        repeat.header("request-id")
    );
    assert_eq!(span.links, [first]);
    assert_eq!(
        span.attribute("sallyport.decision"),
        Some(&Value::from("duplicate"))
    );
}

#[tokio::test]
async fn of_refused_requests_at_most_ten_a_second_are_kept_per_reason() {
    let door = Door::open().await;
    let mut client = door.connect().await;

    for _ in 0..100 {
        client.send(get("/nowhere")).await;
        assert_eq!(client.answer().await.status, 404);
    }

    let kept = door.kept.0.lock();
    assert!((1..=25).contains(&kept.len()), "{}", kept.len());
    assert_eq!(
        kept[0].attribute("error.type"),
        Some(&Value::from("no_route"))
    );
    assert_eq!(
        kept[0].attribute("client.address"),
        Some(&Value::from("127.0.0.0/24"))
    );
}
