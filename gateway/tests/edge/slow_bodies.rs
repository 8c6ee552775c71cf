//! A body has a pace to keep, long before its deadline.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::door::{Client, Door, SECRET, settings};

/// Bodies may take a minute, and must bring 1,000 bytes a second after 200 ms.
fn paced() -> Value {
    let mut settings = settings();
    settings["connections"] = json!({"body_grace_ms": 200, "body_bytes_per_second_min": 1_000});
    settings["routes"][0]["accept"]["body_deadline_ms"] = json!(60_000);
    settings["routes"][4]["forward"]["body_deadline_ms"] = json!(60_000);
    settings
}

fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         X-Telegram-Bot-Api-Secret-Token: {SECRET}\r\n\r\n"
    )
}

/// Sends a byte now and then until it is answered.
async fn dribble(client: &mut Client, every: Duration) -> (u16, Duration) {
    let began = Instant::now();
    let (mut reading, mut writing) = client.0.split();
    let writing = async {
        let mut ticks = tokio::time::interval(every);
        loop {
            ticks.tick().await;
            if writing.write_all(b" ").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut status = [0; 12];
    let read = tokio::io::AsyncReadExt::read_exact(&mut reading, &mut status);
    tokio::select! {
        () = writing => unreachable!("it never ends"),
        read = tokio::time::timeout(Duration::from_secs(10), read) => { read.unwrap().unwrap(); }
    }
    let status = std::str::from_utf8(&status[9..]).unwrap().parse().unwrap();
    (status, began.elapsed())
}

#[tokio::test]
async fn a_webhook_that_dribbles_is_408_long_before_its_deadline() {
    let door = Door::with(paced()).await;
    for every in [Duration::from_millis(20), Duration::from_secs(60)] {
        let mut client = door.connect().await;
        client.send(head("/telegram/ops", 2_000)).await;

        let (status, took) = dribble(&mut client, every).await;

        assert_eq!(status, 408);
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    let kept = door.kept.0.lock();
    let reason = kept.last().unwrap().attribute("error.type").unwrap();
    assert_eq!(reason.as_str(), Some("body_dribbles"));
}

#[tokio::test]
async fn a_forwarded_body_that_dribbles_is_408_too() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = paced();
    settings["routes"][4]["forward"]["upstream"] = json!(upstream.local_addr().unwrap());
    let door = Door::with(settings).await;
    for every in [Duration::from_millis(20), Duration::from_secs(60)] {
        let mut client = door.connect().await;
        client.send(head("/ops/queue", 2_000)).await;

        let (status, took) = dribble(&mut client, every).await;

        assert_eq!(status, 408);
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[tokio::test]
async fn a_body_that_keeps_its_pace_may_take_longer_than_the_grace() {
    let door = Door::with(paced()).await;
    let body = crate::door::said(1);
    let body = format!("{body:1500}");
    let mut client = door.connect().await;
    client.send(head("/telegram/ops", body.len())).await;

    for piece in body.as_bytes().chunks(300) {
        client.send(piece).await;
        tokio::time::sleep(Duration::from_millis(80)).await;
    }

    assert_eq!(client.answer().await.status, 200);
}
