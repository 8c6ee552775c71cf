//! What is answered with 200 is stored, once, whole, and as what it is.

use std::sync::atomic::Ordering;

use sallyport_queue::{PayloadFormat, Priority};

use crate::door::{Door, SECRET, get, post, said};

#[tokio::test]
async fn a_stored_update_is_answered_with_an_empty_object() {
    let door = Door::open().await;

    let answer = door.update(&said(71)).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, b"{}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    answer.is_dressed();
    let stored = door.shelf.stored.lock();
    let [message] = stored.as_slice() else {
        panic!("{stored:?}")
    };
    assert_eq!(message.bot, "ops");
    assert_eq!(message.tenant, "house");
    assert_eq!(message.source, "telegram:ops");
    assert_eq!(message.delivery_id.as_deref(), Some("71"));
    assert_eq!(message.kind, "telegram.update");
    assert_eq!(message.key.as_str(), "in:telegram:ops:42");
    assert_eq!(message.priority, Priority::Interactive);
    assert_eq!(message.payload_format, PayloadFormat::Json);
    assert_eq!(message.payload, said(71).as_bytes());
    assert_eq!(message.subject.as_deref(), Some("telegram:7"));
}

#[tokio::test]
async fn a_repeat_is_answered_alike_and_stored_once() {
    let door = Door::open().await;

    for _ in 0..2 {
        assert_eq!(door.update(&said(71)).await.status, 200);
    }

    assert_eq!(door.shelf.stored.lock().len(), 1);
}

#[tokio::test]
async fn while_the_shelf_is_away_nothing_is_promised() {
    let door = Door::open().await;
    door.shelf.is_away.store(true, Ordering::SeqCst);

    let refused = door.update(&said(1)).await;

    let problem = refused.is_problem(503, "not-stored");
    assert_eq!(problem["retry_after"], 5);
    door.shelf.is_away.store(false, Ordering::SeqCst);
    assert_eq!(door.update(&said(1)).await.status, 200);
}

#[tokio::test]
async fn both_secrets_count_while_one_is_rotated() {
    let door = Door::open().await;

    for (update, secret) in [(1, SECRET), (2, "the-secret-before")] {
        let answer = door.ask(post("/telegram/ops", secret, &said(update))).await;
        assert_eq!(answer.status, 200, "{secret}");
    }
}

#[tokio::test]
async fn one_bots_secret_does_not_open_another_bot() {
    let door = Door::open().await;

    let answer = door.ask(post("/telegram/second", SECRET, &said(1))).await;

    answer.is_problem(401, "not-authenticated");
}

#[tokio::test]
async fn a_chunked_body_and_one_that_waits_to_be_asked_arrive_whole() {
    let door = Door::open().await;
    let head = format!(
        "POST /telegram/ops HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\n\
         X-Telegram-Bot-Api-Secret-Token: {SECRET}\r\n"
    );
    let body = said(5);
    let (first, second) = body.split_at(9);
    let chunked = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );

    assert_eq!(door.ask(chunked).await.status, 200);
    let mut patient = door.connect().await;
    let length = said(6).len();
    patient
        .send(format!(
            "{head}Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        ))
        .await;
    let invited = patient.head().await;
    patient.send(said(6)).await;
    let answer = patient.answer().await;

    assert_eq!(invited, 100);
    assert_eq!(answer.status, 200);
    let stored = door.shelf.stored.lock();
    assert_eq!(stored[0].payload, said(5).as_bytes());
    assert_eq!(stored[1].payload, said(6).as_bytes());
}

#[tokio::test]
async fn odd_bytes_are_stored_as_they_came() {
    let door = Door::open().await;
    let body = r#"{"update_id":9,"message":{"chat":{"id":1},"text":"\u0000 \u202e"}}"#;

    assert_eq!(door.update(body).await.status, 200);
    // Half a character is nothing that every later reader could read.
    assert_eq!(door.update(&body.replace("202e", "d800")).await.status, 400);

    let stored = door.shelf.stored.lock();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].payload, body.as_bytes());
}

#[tokio::test]
async fn one_connection_carries_many_updates() {
    let door = Door::open().await;
    let mut client = door.connect().await;

    for update in 0..20 {
        client
            .send(post("/telegram/ops", SECRET, &said(update)))
            .await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("connection"), Some("keep-alive"));
    }

    client.send(get("/health/live")).await;
    assert_eq!(client.answer().await.status, 200);
}
