//! Answers that their clients do not take.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::door::{Door, get, settings};
use crate::upstream::Upstream;

/// More than all sockets on the way hold.
const LARGE_BYTES: usize = 32 << 20;

#[tokio::test]
async fn an_answer_that_nobody_takes_ends_its_connection() {
    let body = "x".repeat(LARGE_BYTES);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE_BYTES}\r\n\r\n{body}");
    let upstream = Upstream::answering(Some(answer.leak())).await;
    let mut settings = settings();
    settings["routes"][4]["forward"]["upstream"] = json!(upstream.address);
    settings["connections"] = json!({"write_deadline_ms": 300});
    let door = Door::with(settings).await;
    let mut client = door.connect().await;
    client.send(get("/ops/queue")).await;

    // Its own bytes are refused once the other side is gone.
    let knocking = async {
        while client.0.write_all(b"?").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };

    assert!(timeout(Duration::from_secs(5), knocking).await.is_ok());
}
