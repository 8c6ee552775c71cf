//! The control door: what it takes, what it shows, and whom it refuses.

use serde_json::{Value, json};

use crate::stage::Stage;

#[tokio::test]
async fn a_foreign_host_or_origin_is_refused() {
    let stage = Stage::open().await;
    for (header, value) in [
        ("host", "evil.example"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let answer = stage
            .client
            .get(stage.url("/_/faults"))
            .header(header, value)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 403, "{header}: {value}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }

    let own = stage
        .client
        .get(stage.url("/_/faults"))
        .header("origin", stage.handle.url())
        .send()
        .await
        .unwrap();
    assert_eq!(own.status(), 200);
    let page = stage
        .client
        .get(stage.url("/"))
        .header("host", "evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 403);
}

#[tokio::test]
async fn a_change_needs_json_that_a_foreign_page_cannot_send() {
    let stage = Stage::open().await;

    let answer = stage
        .client
        .post(stage.url("/_/faults"))
        .body(r#"{"target":"telegram","status":500}"#)
        .send()
        .await
        .unwrap();

    assert_eq!(answer.status(), 415);
}

/// A door, a body with one mistake, and where the mistake is.
fn mistakes() -> [(&'static str, Value, &'static str); 10] {
    [
        (
            "/_/telegram/say",
            json!({"chat_id": "seven", "text": "x"}),
            "/chat_id",
        ),
        (
            "/_/telegram/say",
            json!({"chat_id": 7, "text": ""}),
            "/text",
        ),
        (
            "/_/telegram/say",
            json!({"chat_id": 7, "text": "x", "user_id": -1}),
            "/user_id",
        ),
        (
            "/_/telegram/say",
            json!({"chat_id": -7, "text": "x"}),
            "/user_id",
        ),
        (
            "/_/telegram/say",
            json!({"chat_id": 7, "text": "x", "bot": "nobody"}),
            "/bot",
        ),
        (
            "/_/telegram/say",
            json!({"chat_id": 7, "text": "x", "edit_message_id": 5}),
            "/edit_message_id",
        ),
        (
            "/_/faults",
            json!({"target": "telegram", "status": 99}),
            "/status",
        ),
        (
            "/_/faults",
            json!({"target": "moon", "status": 500}),
            "/target",
        ),
        (
            "/_/faults",
            json!({"target": "house", "lever": "gravity"}),
            "/lever",
        ),
        (
            "/_/telegram/press",
            json!({"chat_id": 99, "message_id": 1, "button": "x"}),
            "/chat_id",
        ),
    ]
}

#[tokio::test]
async fn every_wrong_field_is_named_with_its_reason() {
    let stage = Stage::open().await;

    for (path, body, pointer) in mistakes() {
        let answer = stage.post(path, body.clone()).await;
        assert_eq!(answer.status(), 400, "{path} {body}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert!(
            problem["errors"][0]["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty())
        );
    }
}

#[tokio::test]
async fn an_unknown_field_is_named() {
    let stage = Stage::open().await;

    let unknown: Value = stage
        .post("/_/telegram/say", json!({"chat_id": 7, "txet": "x"}))
        .await
        .json()
        .await
        .unwrap();
    assert!(unknown.to_string().contains("txet"), "{unknown}");
}

#[tokio::test]
async fn sent_shows_what_the_chat_now_shows() {
    let stage = Stage::open().await;
    let said = stage.say(7, "hello").await;
    let keyboard = json!({"inline_keyboard": [[{"text": "A", "callback_data": "a"}, {"text": "B", "url": "https://b.example"}]]});
    let reply = json!({"message_id": said["message_id"]});
    let order =
        json!({"chat_id": 7, "text": "one", "reply_parameters": reply, "reply_markup": keyboard});
    let first = stage.call("sendMessage", order).await;
    stage
        .call(
            "sendMessage",
            json!({"chat_id": 7, "text": "<b>two</b>", "parse_mode": "HTML"}),
        )
        .await;
    let edit =
        json!({"chat_id": 7, "message_id": first["result"]["message_id"], "text": "one, better"});
    stage.call("editMessageText", edit).await;

    let sent = stage.sent(7).await;

    assert_eq!(sent.len(), 2);
    assert_eq!(
        (&sent[0]["text"], &sent[0]["edited"]),
        (&json!("one, better"), &json!(true))
    );
    assert_eq!(sent[0]["reply_to_message_id"], said["message_id"]);
    assert_eq!(sent[1]["entities"][0]["type"], "bold");
    assert_eq!(
        (&sent[1]["edited"], &sent[1]["buttons"]),
        (&json!(false), &json!([]))
    );
    assert!(sent[0]["at"].as_str().is_some_and(|at| at.ends_with('Z')));
    assert!(
        stage.sent(99).await.is_empty(),
        "an unknown chat shows nothing"
    );
}

#[tokio::test]
async fn a_long_paste_is_split_as_peoples_apps_split_it() {
    let stage = Stage::open().await;

    let said = stage.say(7, &"word ".repeat(2_000)).await;

    assert_eq!(said["pieces"].as_array().map(Vec::len), Some(3));
    let updates = stage.call("getUpdates", json!({"timeout": 5})).await;
    let lengths: Vec<_> = (0..3)
        .map(|piece| {
            updates["result"][piece]["message"]["text"]
                .as_str()
                .unwrap()
                .len()
        })
        .collect();
    assert_eq!(lengths, [4_096, 4_096, 1_808]);
}

#[tokio::test]
async fn a_raw_update_goes_out_as_it_is_but_for_its_number() {
    let stage = Stage::open().await;

    stage
        .post(
            "/_/telegram/update",
            json!({"update": {"brand_new_thing": {"a": 1}}}),
        )
        .await;

    let updates = stage.call("getUpdates", json!({"timeout": 5})).await;
    assert_eq!(updates["result"][0]["brand_new_thing"]["a"], 1);
    assert!(updates["result"][0]["update_id"].is_number());
}

#[tokio::test]
async fn the_log_counts_every_attempt_with_its_status() {
    let stage = Stage::open().await;
    let fault = json!({"target": "telegram", "method": "sendMessage", "chat_id": 7, "status": 429, "retry_after": 2, "times": 1});
    stage.break_something(fault).await;
    stage
        .call("sendMessage", json!({"chat_id": 7, "text": "first"}))
        .await;
    stage
        .call("sendMessage", json!({"chat_id": 7, "text": "second"}))
        .await;

    let log = stage.get("/_/telegram/log").await;
    assert_eq!(log.as_array().map(Vec::len), Some(2));
    assert_eq!(
        (&log[0]["status"], &log[0]["text"], &log[0]["retry_after"]),
        (&json!(429), &json!("first"), &json!(2))
    );
    assert_eq!(
        (&log[1]["status"], &log[1]["chat_id"]),
        (&json!(200), &json!(7))
    );
    let counts = stage.get("/_/telegram/counts").await;
    assert_eq!(counts["sendMessage"], json!({"200": 1, "429": 1}));
    assert_eq!(
        stage.get("/_/faults").await,
        json!([]),
        "a fault that applied its times is gone"
    );
}

#[tokio::test]
async fn a_lost_answer_leaves_the_message_and_fails_the_caller() {
    let stage = Stage::open().await;
    stage
        .break_something(
            json!({"target": "telegram", "method": "sendMessage", "lose_answer": true, "times": 1}),
        )
        .await;

    let url = stage.url(&format!("/bot{}/sendMessage", crate::stage::TOKEN));
    let answer = stage
        .client
        .post(url)
        .json(&json!({"chat_id": 7, "text": "x"}))
        .send()
        .await;
    let arrived = match answer {
        Ok(answer) => answer.bytes().await.is_ok(),
        Err(_) => false,
    };

    assert!(!arrived, "the caller cannot know");
    assert_eq!(stage.sent(7).await.len(), 1, "but the chat shows it");
    assert_eq!(stage.get("/_/telegram/log").await[0]["answer_lost"], true);
}

#[tokio::test]
async fn faults_are_listed_and_cleared_one_by_one_or_all() {
    let stage = Stage::open().await;
    for status in [500, 502, 503] {
        stage
            .break_something(json!({"target": "telegram", "status": status}))
            .await;
    }

    let cleared: Value = stage
        .client
        .delete(stage.url("/_/faults?id=2"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(cleared["cleared"], 1);
    let left: Vec<_> = stage
        .get("/_/faults")
        .await
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["status"].clone())
        .collect();
    assert_eq!(left, [500, 503]);

    stage
        .client
        .delete(stage.url("/_/faults"))
        .send()
        .await
        .unwrap();
    assert_eq!(stage.get("/_/faults").await, json!([]));
}

#[tokio::test]
async fn bots_are_kept_apart_and_found_by_name() {
    let stage = Stage::open().await;
    let second = stage.url("/bot1000002:playground-guild/getMe");
    stage.client.get(second).send().await.unwrap();

    let answer = stage
        .post(
            "/_/telegram/say",
            json!({"bot": "guild", "chat_id": 7, "text": "for you"}),
        )
        .await;
    assert_eq!(answer.json::<Value>().await.unwrap()["bot"], 1_000_002);

    let first = stage.call("getUpdates", json!({})).await;
    assert_eq!(first["result"], json!([]), "the other bot hears nothing");
    let named = stage.get("/_/telegram/bots").await;
    assert_eq!(
        (&named[1]["username"], &named[1]["pending"]),
        (&json!("guild_bot"), &json!(1))
    );
}
