//! Export to a collector that answers, and to one that does not.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::trace::{SpanKind, Trail};

fn settings(endpoint: &str) -> OtlpSettings {
    serde_json::from_value(serde_json::json!({ "endpoint": endpoint, "timeout_ms": 500 })).unwrap()
}

fn spans() -> Vec<SpanRecord> {
    let trail = Trail::root();
    let mut span = trail.start("process telegram.update", SpanKind::Consumer);
    span.set("messaging.system", "sallyport");
    span.fail("timeout", "no answer");
    span.end();
    trail.finish()
}

/// Reads one request and says 200; returns its bytes.
async fn collector(listener: TcpListener) -> Vec<u8> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !ends_with_whole_body(&request) {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.unwrap();
        request.extend_from_slice(&piece[..read]);
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    request
}

fn ends_with_whole_body(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some(head) = text.find("\r\n\r\n") else {
        return false;
    };
    let length: usize = text
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next()?.parse().ok())
        .unwrap();
    request.len() >= head + 4 + length
}

#[tokio::test]
async fn spans_reach_the_collector_when_the_process_stops() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let otlp = Otlp::start(
        &settings(&endpoint),
        &Identity::new("1.2.3", "abc", "test"),
        &tracker,
        stop.clone(),
    )
    .unwrap();

    otlp.keep(spans());
    stop.cancel();
    tracker.close();
    let (request, ()) = futures::future::join(collector(listener), tracker.wait()).await;

    let request = String::from_utf8_lossy(&request).into_owned();
    assert!(
        request.starts_with("POST /v1/traces HTTP/1.1\r\n"),
        "{request}"
    );
    for expected in [
        "process telegram.update",
        "messaging.system",
        "timeout",
        "no answer",
        "service.instance.id",
    ] {
        assert!(request.contains(expected), "{expected} in {request}");
    }
}

#[tokio::test]
async fn a_collector_that_is_away_delays_neither_callers_nor_the_stop() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let otlp = Otlp::start(
        &settings(&endpoint),
        &Identity::new("1.2.3", "abc", "test"),
        &tracker,
        stop.clone(),
    )
    .unwrap();

    for _ in 0..SPANS_MAX + 10 {
        otlp.keep(spans());
    }
    stop.cancel();
    tracker.close();

    assert!(
        tokio::time::timeout(SHUTDOWN + Duration::from_secs(2), tracker.wait())
            .await
            .is_ok()
    );
    assert!(
        crate::metrics::install()
            .render()
            .contains("sallyport_telemetry_dropped_total{signal=\"otlp\",reason=\"queue_full\"}")
    );
}

#[test]
fn a_path_in_the_endpoint_is_respected() {
    let url = |endpoint: &str| traces_url(&endpoint.parse().unwrap());

    assert_eq!(
        url("http://collector:4318"),
        "http://collector:4318/v1/traces"
    );
    assert_eq!(
        url("https://collector/otlp/v1/traces"),
        "https://collector/otlp/v1/traces"
    );
}

#[test]
fn headers_are_not_printed() {
    let settings: OtlpSettings = serde_json::from_value(
        serde_json::json!({ "endpoint": "http://c", "headers": { "x-api-key": "hunter2" } }),
    )
    .unwrap();

    let printed = format!("{settings:?}");
    assert!(
        printed.contains("x-api-key") && !printed.contains("hunter2"),
        "{printed}"
    );
}
