//! Deliveries to a webhook over TLS: in order per chat, in parallel across chats, again after a refusal.

use serde_json::{Value, json};

use crate::stage::{Hook, Received, Stage, TOKEN, wait_until};

fn texts(received: &[Received]) -> Vec<&str> {
    received
        .iter()
        .map(|request| {
            request.update["message"]["text"]
                .as_str()
                .unwrap_or_default()
        })
        .collect()
}

#[tokio::test]
async fn an_update_arrives_over_tls_with_the_secret_and_connections_are_kept() {
    let (stage, hook) = (Stage::open().await, Hook::open().await);
    let answer = stage.set_webhook(&hook).await;
    assert_eq!(answer["description"], "Webhook was set", "{answer}");

    for turn in 0..5 {
        stage.say(7, &format!("turn {turn}")).await;
    }

    let received = hook.wait_for(5).await;
    assert_eq!(
        texts(&received),
        ["turn 0", "turn 1", "turn 2", "turn 3", "turn 4"]
    );
    assert!(
        received[0]
            .head
            .to_lowercase()
            .contains("x-telegram-bot-api-secret-token: s3cret"),
        "{}",
        received[0].head
    );
    assert_eq!(hook.connections(), 1, "one chat needs one connection");
    let info = stage.call("getWebhookInfo", json!({})).await;
    assert_eq!(info["result"]["has_custom_certificate"], true);
}

#[tokio::test]
async fn a_chat_whose_update_is_not_answered_waits_while_others_go_on() {
    let (stage, hook) = (Stage::open().await, Hook::open().await);
    stage.set_webhook(&hook).await;
    hook.hold(Some(7));

    stage.say(7, "held").await;
    stage.say(7, "behind").await;
    for person in 8..28 {
        stage.say(person, "free").await;
    }

    let received = hook.wait_for(21).await;
    assert!(!texts(&received).contains(&"behind"));
    hook.hold(None);
    let received = hook.wait_for(22).await;
    assert_eq!(texts(&received).last(), Some(&"behind"));
}

#[tokio::test]
async fn a_refused_update_comes_again_before_the_next_one_and_the_error_is_told() {
    let (stage, hook) = (Stage::open().await, Hook::open().await);
    stage.set_webhook(&hook).await;
    let unavailable = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    hook.answer_next(&[unavailable, unavailable]);

    let first = stage.say(7, "first").await;
    stage.say(7, "second").await;

    let received = hook.wait_for(4).await;
    assert_eq!(texts(&received), ["first", "first", "first", "second"]);
    let info = stage.call("getWebhookInfo", json!({})).await;
    let told = &info["result"]["last_error_message"];
    assert_eq!(
        told,
        "Wrong response from the webhook: 503 Service Unavailable"
    );
    wait_until("the fate tells of the attempts", || async {
        let fates = stage.get("/_/telegram/deliveries?chat_id=7").await;
        fates[0]["update_id"] == first["update_id"]
            && fates[0]["attempts"] == 3
            && fates[0]["status"] == 200
    })
    .await;
    let fates = stage.get("/_/telegram/deliveries?chat_id=7").await;
    assert_eq!(fates[0]["request_id"], "00112233445566778899aabbccddeeff");
}

#[tokio::test]
async fn a_retry_after_is_waited_for() {
    let (stage, hook) = (Stage::open().await, Hook::open().await);
    stage.set_webhook(&hook).await;
    hook.answer_next(&[
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    ]);

    let started = std::time::Instant::now();
    stage.say(7, "hello").await;
    hook.wait_for(2).await;

    assert!(
        started.elapsed().as_millis() >= 1_000,
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_duplicate_is_delivered_twice_with_the_same_number() {
    let (stage, hook) = (Stage::open().await, Hook::open().await);
    stage.set_webhook(&hook).await;
    stage
        .break_something(json!({"target": "telegram", "duplicate": true, "times": 1}))
        .await;

    stage.say(7, "twice").await;
    stage.say(7, "once").await;

    let received = hook.wait_for(3).await;
    assert_eq!(texts(&received), ["twice", "twice", "once"]);
    assert_eq!(
        received[0].update["update_id"],
        received[1].update["update_id"]
    );
}

#[tokio::test]
async fn a_method_call_in_the_answer_is_carried_out() {
    let (stage, hook) = (Stage::open().await, Hook::open().await);
    stage.set_webhook(&hook).await;
    let call =
        json!({"method": "sendMessage", "chat_id": 7, "text": "from the answer"}).to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        call.len()
    );
    hook.answer_next(&[&(head + &call)]);

    stage.say(7, "hello").await;

    wait_until("the call is carried out", || async {
        stage.sent(7).await.len() == 1
    })
    .await;
}

#[tokio::test]
async fn what_waits_while_the_webhook_is_away_is_delivered_to_its_successor() {
    let stage = Stage::open().await;
    stage.say(7, "early").await;
    let hook = Hook::open().await;

    stage.set_webhook(&hook).await;

    assert_eq!(texts(&hook.wait_for(1).await), ["early"]);
}

#[tokio::test]
async fn a_webhook_must_obey_telegrams_rules() {
    let stage = Stage::with(sallyport_playground::PlaygroundSettings::default()).await;
    let rules: [(Value, &str); 4] = [
        (
            json!({"url": "http://127.0.0.1/x"}),
            "bad webhook: An HTTPS URL must be provided for webhook",
        ),
        (json!({"url": "https://"}), "invalid webhook URL specified"),
        (
            json!({"url": "https://a.example/x", "secret_token": "no spaces"}),
            "secret token contains unallowed characters",
        ),
        (
            json!({"url": "https://a.example/x", "secret_token": "x".repeat(257)}),
            "secret token is too long",
        ),
    ];

    for (parameters, words) in rules {
        let answer = stage.call("setWebhook", parameters).await;
        assert_eq!(answer["description"], format!("Bad Request: {words}"));
    }
    stage
        .call(
            "setWebhook",
            json!({"url": "https://127.0.0.1:8443/telegram/ops"}),
        )
        .await;
    let conflict = stage.call("getUpdates", json!({})).await;
    assert_eq!(conflict["error_code"], 409);
    let url = stage.url(&format!("/bot{TOKEN}/deleteWebhook"));
    let deleted: Value = stage
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(deleted["description"], "Webhook was deleted");
}
