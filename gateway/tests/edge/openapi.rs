//! That a route with a document hands on what the document describes and nothing else, and that its callers read what is wrong.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::door::{Door, checked, get, settings};
use crate::upstream::{FINE, Upstream};

/// A document on disk; it lasts as long as this does.
pub(crate) struct Written {
    _folder: TempDir,
    path: PathBuf,
}

impl Written {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let written = Self {
            path: folder.path().join("openapi.json"),
            _folder: folder,
        };
        written.write(&document());
        written
    }

    fn write(&self, document: &Value) {
        std::fs::write(&self.path, document.to_string()).unwrap();
    }

    /// A route that is held to it.
    pub(crate) fn route(&self, upstream: &str, mode: &str) -> Value {
        json!({
            "path": "/ops/*",
            "forward": {
                "upstream": upstream,
                "methods": ["GET", "HEAD", "POST", "PUT", "DELETE"],
                "body_bytes_max": 200_000,
                "openapi": {"document": self.path, "mode": mode},
            },
        })
    }
}

fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Orders", "version": "1"},
        "paths": {
            "/ops/queue": {
                "get": {"parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 5}}]},
                "post": {"requestBody": {"required": true, "content": {"application/json": {"schema": {
                    "type": "object",
                    "required": ["update_id"],
                    "properties": {"update_id": {"type": "integer"}, "text": {"type": "string"}},
                }}}}},
            },
            "/ops/queue/{id}": {"delete": {"parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}]}},
        },
    })
}

async fn door(upstream: &Upstream, mode: &str) -> (Door, Written) {
    let written = Written::new();
    let mut settings = settings();
    settings["routes"][4] = written.route(&upstream.address, mode);
    (Door::with(settings).await, written)
}

fn order(body: &str) -> String {
    format!(
        "POST /ops/queue HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn in_chunks(body: &str) -> String {
    format!(
        "POST /ops/queue HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    )
}

#[tokio::test]
async fn what_the_document_does_not_describe_is_told_why_and_not_handed_on() {
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let (door, _written) = door(&upstream, "block").await;

    let unknown = door.ask(get("/ops/queues")).await;
    unknown.is_problem(404, "not-found");
    let method = door.ask(get("/ops/queue/7")).await;
    method.is_problem(405, "method-not-allowed");
    assert_eq!(method.header("allow"), Some("DELETE"));
    let query = door.ask(get("/ops/queue?limit=9")).await;
    let told = query.is_problem(400, "invalid-query");
    assert_eq!(
        told["errors"],
        json!([{"pointer": "?limit", "reason": "must be at most 5"}])
    );
    let form = "POST /ops/queue HTTP/1.1\r\nHost: edge\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx";
    let text = door.ask(form).await;
    text.is_problem(415, "unsupported-type");
    assert_eq!(text.header("accept"), Some("application/json"));
    for missing in ["POST /ops/queue HTTP/1.1\r\nHost: edge\r\n\r\n", &order("")] {
        let told = door.ask(missing).await.is_problem(400, "invalid-body");
        assert_eq!(
            told["errors"],
            json!([{"pointer": "", "reason": "is missing"}])
        );
    }

    assert!(upstream.asked.try_recv().is_err());
    assert_eq!(door.ask(get("/ops/queue?limit=5")).await.status, 200);
    assert!(
        upstream
            .asked
            .recv()
            .await
            .unwrap()
            .starts_with("GET /ops/queue?limit=5 ")
    );
}

#[tokio::test]
async fn a_body_is_judged_whole_however_it_comes_and_handed_on_as_it_was() {
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let (door, _written) = door(&upstream, "block").await;
    let large = json!({"update_id": "7", "text": "x".repeat(90_000)}).to_string();

    for request in [
        order(r#"{"update_id": "7"}"#),
        in_chunks(r#"{"update_id": "7"}"#),
        order(&large),
    ] {
        let told = door.ask(&request).await.is_problem(400, "invalid-body");
        let wrong = json!([{"pointer": "/update_id", "reason": "must be an integer"}]);
        assert_eq!(told["errors"], wrong, "{request:.200}");
    }
    let broken = door
        .ask(in_chunks("{"))
        .await
        .is_problem(400, "invalid-body");
    assert!(
        broken["errors"][0]["reason"]
            .as_str()
            .unwrap()
            .starts_with("is not JSON"),
        "{broken}"
    );

    // A large one is judged while its head is with the upstream already.
    while let Ok(asked) = upstream.asked.try_recv() {
        assert!(!asked.contains("update_id"), "{asked:.200}");
    }
    for body in [
        r#"{"update_id": 7, "more": 1}"#.to_owned(),
        large.replace("\"7\"", "7"),
    ] {
        assert_eq!(door.ask(order(&body)).await.status, 200);
        let asked = upstream.asked.recv().await.unwrap();
        assert!(asked.ends_with(&body), "{asked:.300}");
    }
}

#[tokio::test]
async fn where_it_only_logs_everything_goes_on_and_the_trace_says_what_did_not_fit() {
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let (door, _written) = door(&upstream, "log").await;

    for request in [
        get("/ops/other"),
        get("/ops/queue?limit=9"),
        order("[]"),
        order(""),
    ] {
        assert_eq!(door.ask(&request).await.status, 200, "{request}");
        upstream.asked.recv().await.unwrap();
    }

    let spans = door.kept.0.lock();
    let noted = spans.iter().flat_map(|span| &span.attributes);
    let noted: Vec<_> = noted
        .filter(|(key, _)| key == "sallyport.openapi")
        .collect();
    let noted = format!("{noted:?}");
    for said in [
        "no operation has this path",
        "?limit must be at most 5",
        "the body must be an object",
        "the body is missing",
    ] {
        assert!(noted.contains(said), "{noted}");
    }
}

#[tokio::test]
async fn another_document_counts_from_the_next_request_on() {
    let upstream = Upstream::answering(Some(FINE)).await;
    let written = Written::new();
    let mut settings = settings();
    settings["routes"][4] = written.route(&upstream.address, "block");
    let door = Door::with(settings.clone()).await;
    assert_eq!(door.ask(get("/ops/dead")).await.status, 404);

    let mut wider = document();
    wider["paths"]["/ops/dead"] = json!({"get": {}});
    written.write(&wider);
    let changes = door.handle.reload(&checked(settings)).unwrap();

    assert_eq!(changes.applied, ["~/ops/*"]);
    assert_eq!(door.ask(get("/ops/dead")).await.status, 200);
}

#[test]
fn bodies_that_would_fill_the_memory_are_refused_in_the_settings() {
    let mut settings = settings();
    settings["routes"][4] = Written::new().route("127.0.0.1:1", "block");
    settings["routes"][4]["forward"]["body_bytes_max"] = json!(2_000_000);
    let settings: sallyport_gateway::Settings = serde_json::from_value(settings).unwrap();

    let complaint = validator::Validate::validate(&settings)
        .unwrap_err()
        .to_string();
    assert!(
        complaint.contains("at most 1048576 with openapi"),
        "{complaint}"
    );
}
