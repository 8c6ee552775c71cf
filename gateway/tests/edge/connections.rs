//! What a connection may cost before its request is known.

use std::time::Duration;

use serde_json::json;

use crate::door::{Door, get, settings};

fn with(connections: serde_json::Value) -> serde_json::Value {
    let mut settings = settings();
    settings["connections"] = connections;
    settings
}

#[tokio::test]
async fn a_head_that_dribbles_is_408_at_the_deadline() {
    let door = Door::with(with(json!({"head_deadline_ms": 300}))).await;
    let mut client = door.connect().await;
    client.send("GET /health/live HTTP/1.1\r\nHost: ed").await;

    let began = tokio::time::Instant::now();
    let answer = client.answer().await;

    answer.is_problem(408, "too-slow");
    assert!(began.elapsed() < Duration::from_secs(3));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_byte_now_and_then_does_not_stretch_the_deadline() {
    let door = Door::with(with(json!({"head_deadline_ms": 400}))).await;
    let mut client = door.connect().await;
    let (mut reading, mut writing) = client.0.split();
    let dribble = async {
        let mut tick = tokio::time::interval(Duration::from_millis(40));
        for byte in b"GET /health/live HTTP/1.1\r\nHost: edge\r\nX-Long: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy" {
            tick.tick().await;
            if tokio::io::AsyncWriteExt::write_all(&mut writing, &[*byte]).await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut status = [0; 12];
    let read = tokio::io::AsyncReadExt::read_exact(&mut reading, &mut status);

    tokio::select! {
        () = dribble => panic!("the connection broke before its answer"),
        read = tokio::time::timeout(Duration::from_secs(3), read) => { read.unwrap().unwrap(); }
    }

    assert_eq!(&status, b"HTTP/1.1 408");
}

#[tokio::test]
async fn a_head_too_large_or_with_too_many_fields_is_431() {
    let door = Door::with(with(json!({"head_bytes_max": 1024, "head_fields_max": 8}))).await;

    let large = door
        .ask(format!(
            "GET / HTTP/1.1\r\nHost: edge\r\nX: {}\r\n\r\n",
            "y".repeat(2_000)
        ))
        .await;
    let many = door
        .ask(format!(
            "GET / HTTP/1.1\r\nHost: edge\r\n{}\r\n",
            "X: y\r\n".repeat(8)
        ))
        .await;
    let endless = door.ask(format!("GET /{}", "y".repeat(2_000))).await;

    for answer in [large, many, endless] {
        answer.is_problem(431, "head-too-large");
    }
}

#[tokio::test]
async fn one_address_gets_its_share_of_connections_and_no_more() {
    let door = Door::with(with(json!({"per_address_max": 2}))).await;
    let mut first = door.connect().await;
    let mut second = door.connect().await;
    for client in [&mut first, &mut second] {
        client.send(get("/health/live")).await;
        assert_eq!(client.answer().await.status, 200);
    }

    let mut third = door.connect().await;

    assert!(third.is_closed().await);
    first.send(get("/health/live")).await;
    assert_eq!(first.answer().await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let door = Door::with(with(json!({"idle_ms": 200}))).await;
    let mut client = door.connect().await;
    client.send(get("/health/live")).await;
    assert_eq!(client.answer().await.status, 200);

    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_handshake_that_stalls_is_closed_at_its_deadline() {
    let mut settings = with(json!({"handshake_deadline_ms": 200}));
    settings["tls"] = json!("127.0.0.1:0");
    let door = Door::with(settings).await;
    let stream = tokio::net::TcpStream::connect(door.handle.tls_addr().unwrap())
        .await
        .unwrap();
    let mut client = crate::door::Client(stream);
    client.send([0x16, 0x03, 0x01]).await;

    assert!(client.is_closed().await);
}
