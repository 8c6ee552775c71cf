//! A stop answers what is in flight, takes nothing new, and keeps its deadline.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::door::{Door, SECRET, get, post, said};

#[tokio::test]
async fn a_request_in_flight_gets_its_answer_and_the_connection_ends() {
    let door = Door::open().await;
    door.shelf.holds.store(true, Ordering::SeqCst);
    let mut client = door.connect().await;
    client.send(post("/telegram/ops", SECRET, &said(1))).await;
    door.shelf.asked.notified().await;

    let (clean, answer) = tokio::join!(door.handle.drain(), async {
        door.shelf.released.notify_one();
        client.answer().await
    });

    assert!(clean);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(door.shelf.stored.lock().len(), 1);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn an_idle_connections_next_request_is_answered_with_a_goodbye() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    client.send(get("/health/live")).await;
    assert_eq!(
        client.answer().await.header("connection"),
        Some("keep-alive")
    );

    let (clean, answer) = tokio::join!(door.handle.drain(), async {
        client.send(get("/health/live")).await;
        client.answer().await
    });

    assert!(clean);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test]
async fn a_drained_edge_takes_no_connection() {
    let door = Door::open().await;
    let address = door.http();

    assert!(door.handle.drain().await);
    assert!(door.handle.drain().await, "twice is fine");

    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_does_not_end_is_cut_at_the_deadline() {
    let mut settings = crate::door::settings();
    settings["drain_deadline_ms"] = serde_json::json!(200);
    let door = Door::with(settings).await;
    door.shelf.holds.store(true, Ordering::SeqCst);
    let mut client = door.connect().await;
    client.send(post("/telegram/ops", SECRET, &said(1))).await;
    door.shelf.asked.notified().await;

    let clean = tokio::time::timeout(Duration::from_secs(3), door.handle.drain())
        .await
        .unwrap();

    assert!(!clean);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn with_a_successor_an_idle_connection_may_stay_until_its_next_request() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    client.send(get("/health/live")).await;
    client.answer().await;
    door.succeeded.cancel();

    let (clean, answer) = tokio::join!(door.handle.drain(), async {
        // Longer than an idle connection is kept when nobody else would answer.
        tokio::time::sleep(Duration::from_millis(900)).await;
        client.send(get("/health/live")).await;
        client.answer().await
    });

    assert!(clean);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
}
