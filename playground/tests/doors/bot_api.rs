//! The Bot API: frankenstein's types read every answer, refusals have the real server's words, and limits hold.

use std::time::{Duration, Instant};

use frankenstein::{
    response::{ErrorResponse, MethodResponse},
    types::{BotCommand, Message, User},
    updates::{Update, UpdateContent, WebhookInfo},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::stage::{Stage, TOKEN, wait_until};

fn read<T: DeserializeOwned>(answer: Value) -> T {
    let good: MethodResponse<T> =
        serde_json::from_value(answer.clone()).unwrap_or_else(|error| panic!("{error}: {answer}"));
    good.result
}

fn refused(answer: &Value) -> (u64, String) {
    let bad: ErrorResponse =
        serde_json::from_value(answer.clone()).unwrap_or_else(|error| panic!("{error}: {answer}"));
    (bad.error_code, bad.description)
}

#[tokio::test]
async fn answers_have_the_types_of_the_real_api() {
    let stage = Stage::open().await;
    let me: User = read(stage.call("getMe", json!({})).await);
    assert!(me.is_bot && me.username.as_deref() == Some("ops_bot"));

    stage.say(7, "/start@ops_bot now").await;
    let updates: Vec<Update> = read(stage.call("getUpdates", json!({"timeout": 5})).await);
    let UpdateContent::Message(message) = &updates[0].content else {
        panic!("a message")
    };
    assert_eq!(message.entities.as_ref().map(Vec::len), Some(1));

    let keyboard = json!({"inline_keyboard": [[{"text": "Again", "callback_data": "again"}]]});
    let reply = json!({"message_id": message.message_id});
    let order = json!({"chat_id": 7, "text": "*hi*", "parse_mode": "Markdown", "reply_parameters": reply, "reply_markup": keyboard});
    let sent: Message = read(stage.call("sendMessage", order).await);
    assert_eq!(sent.text.as_deref(), Some("hi"));
    assert_eq!(
        sent.reply_to_message.map(|quoted| quoted.message_id),
        Some(message.message_id)
    );

    stage
        .post(
            "/_/telegram/press",
            json!({"chat_id": 7, "message_id": sent.message_id, "button": "Again"}),
        )
        .await;
    let offset = updates[0].update_id + 1;
    let updates: Vec<Update> = read(
        stage
            .call("getUpdates", json!({"offset": offset, "timeout": 5}))
            .await,
    );
    assert!(
        matches!(&updates[0].content, UpdateContent::CallbackQuery(query) if query.data.as_deref() == Some("again"))
    );
    let info: WebhookInfo = read(stage.call("getWebhookInfo", json!({})).await);
    assert_eq!(info.url, "");
}

#[tokio::test]
async fn media_and_edits_have_the_types_of_the_real_api() {
    let stage = Stage::open().await;
    for media in [
        "photo",
        "document",
        "voice",
        "audio",
        "video",
        "video_note",
        "animation",
        "sticker",
        "location",
        "contact",
    ] {
        stage
            .post(
                "/_/telegram/say",
                json!({"chat_id": 7, "text": "see", "media": media}),
            )
            .await;
    }
    let said = stage.say(7, "frist").await;
    stage
        .post(
            "/_/telegram/say",
            json!({"chat_id": 7, "text": "first", "edit_message_id": said["message_id"]}),
        )
        .await;

    let updates: Vec<Update> = read(stage.call("getUpdates", json!({"timeout": 5})).await);

    assert_eq!(updates.len(), 12);
    assert!(
        updates
            .windows(2)
            .all(|pair| pair[1].update_id == pair[0].update_id + 1),
        "numbers are sequential"
    );
    assert!(
        matches!(&updates[11].content, UpdateContent::EditedMessage(message) if message.text.as_deref() == Some("first"))
    );
}

/// What a bot does wrong, and the real server's words for it; the chat is 7, which shows `message_id` with the text "x".
fn mistakes(message_id: i32) -> Vec<(&'static str, Value, &'static str)> {
    let edit = |id: i32, text: &str| json!({"chat_id": 7, "message_id": id, "text": text});
    vec![
        (
            "sendMessage",
            json!({"chat_id": 7}),
            "message text is empty",
        ),
        ("sendMessage", json!({"text": "x"}), "chat_id is empty"),
        (
            "sendMessage",
            json!({"chat_id": "@nobody", "text": "x"}),
            "chat not found",
        ),
        (
            "sendMessage",
            json!({"chat_id": 7, "text": "x".repeat(4097)}),
            "message is too long",
        ),
        (
            "sendMessage",
            json!({"chat_id": 7, "text": "x", "parse_mode": "Rich"}),
            "unsupported parse_mode",
        ),
        (
            "sendMessage",
            json!({"chat_id": 7, "text": "x", "reply_parameters": {"message_id": 1}}),
            "message to be replied not found",
        ),
        (
            "editMessageText",
            edit(message_id, "x"),
            "message is not modified",
        ),
        ("editMessageText", edit(1, "y"), "message to edit not found"),
        (
            "sendChatAction",
            json!({"chat_id": 7, "action": "dancing"}),
            "wrong parameter action in request",
        ),
        (
            "answerCallbackQuery",
            json!({"callback_query_id": "1"}),
            "query is too old",
        ),
        (
            "getFile",
            json!({"file_id": "x"}),
            "wrong file_id or the file is temporarily unavailable",
        ),
        (
            "setMyCommands",
            json!({"commands": [{"command": "Üps", "description": "x"}]}),
            "BOT_COMMAND_INVALID",
        ),
    ]
}

#[tokio::test]
async fn refusals_have_the_words_of_the_real_server() {
    let stage = Stage::without_limits().await;
    stage.say(7, "hello").await;
    let sent: Message = read(
        stage
            .call("sendMessage", json!({"chat_id": 7, "text": "x"}))
            .await,
    );

    for (method, parameters, words) in mistakes(sent.message_id) {
        let (code, description) = refused(&stage.call(method, parameters).await);
        assert_eq!(code, 400, "{method}");
        assert!(
            description.starts_with("Bad Request: ") && description.contains(words),
            "{method}: {description}"
        );
    }
    let (code, description) = refused(&stage.call("danceMessage", json!({})).await);
    assert_eq!(
        (code, description.as_str()),
        (404, "Not Found: method not found")
    );
}

#[tokio::test]
async fn tokens_are_checked_before_anything_else() {
    let stage = Stage::open().await;
    stage.call("getMe", json!({})).await;

    for (path, status, words) in [
        (
            "/botnonsense/getMe",
            401,
            "Unauthorized: invalid token specified",
        ),
        ("/bot1000001:stolen/getMe", 401, "Unauthorized"),
        ("/somewhere/else", 404, "Not Found"),
    ] {
        let answer = stage.client.get(stage.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(refused(&answer.json().await.unwrap()).1, words, "{path}");
    }
}

#[tokio::test]
async fn a_method_takes_get_and_post_and_any_case() {
    let stage = Stage::open().await;

    let url = stage.url(&format!(
        "/bot{TOKEN}/SENDMESSAGE?chat_id=7&text=hi%20there"
    ));
    let sent: Message = read(
        stage
            .client
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap(),
    );

    assert_eq!(sent.text.as_deref(), Some("hi there"));
    assert_eq!(stage.sent(7).await[0]["text"], "hi there");
}

#[tokio::test]
async fn sending_too_fast_is_answered_429_and_passes_after_the_told_wait() {
    let stage = Stage::open().await;
    stage.say(7, "hello").await;
    let send = || stage.call("sendMessage", json!({"chat_id": 7, "text": "x"}));
    let mut last = json!({"ok": true});
    for _ in 0..6 {
        last = send().await;
    }

    assert_eq!(last["error_code"], 429);
    assert_eq!(last["description"], "Too Many Requests: retry after 1");
    assert_eq!(last["parameters"]["retry_after"], 1);
    let other = stage
        .call("sendMessage", json!({"chat_id": 8, "text": "x"}))
        .await;
    assert_eq!(other["ok"], true, "another chat is not slowed");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(send().await["ok"], true);
}

#[tokio::test]
async fn answers_are_not_bulk_but_broadcasts_are() {
    let stage = Stage::open().await;
    for chat in 1..=60 {
        stage.say(chat, "hello").await;
    }

    for chat in 1..=60 {
        assert_eq!(
            stage
                .call("sendMessage", json!({"chat_id": chat, "text": "hi"}))
                .await["ok"],
            true
        );
    }
    let started = Instant::now();
    let mut passed = 0;
    for chat in 1_001..=1_100 {
        passed += u32::from(
            stage
                .call("sendMessage", json!({"chat_id": chat, "text": "news"}))
                .await["ok"]
                == true,
        );
    }
    assert!(
        f64::from(passed) <= 32.0 + 30.0 * started.elapsed().as_secs_f64(),
        "{passed} of 100 broadcasts passed"
    );
}

#[tokio::test]
async fn a_self_hosted_server_has_no_limits() {
    let stage = Stage::without_limits().await;

    for _ in 0..200 {
        assert_eq!(
            stage
                .call("sendMessage", json!({"chat_id": 7, "text": "x"}))
                .await["ok"],
            true
        );
    }
}

#[tokio::test]
async fn a_long_poll_wakes_for_an_update_and_ends_for_a_second_poller() {
    let stage = Stage::open().await;
    let (updates, _) = tokio::join!(stage.call("getUpdates", json!({"timeout": 20})), async {
        tokio::task::yield_now().await;
        stage.say(7, "hello").await
    });
    let updates: Vec<Update> = read(updates);
    let offset = updates[0].update_id + 1;

    let first = stage.call("getUpdates", json!({"offset": offset, "timeout": 20}));
    let second = async {
        // The first poll has begun once what it confirms is gone.
        wait_until("the first poll has begun", || async {
            stage.call("getWebhookInfo", json!({})).await["result"]["pending_update_count"] == 0
        })
        .await;
        stage.call("getUpdates", json!({"timeout": 0})).await
    };
    let (first, second) = tokio::join!(first, second);
    let (code, words) = refused(&first);
    assert_eq!(code, 409);
    assert!(
        words.contains("terminated by other getUpdates request"),
        "{words}"
    );
    assert_eq!(second["ok"], true);
}

#[tokio::test]
async fn menus_are_kept_per_scope_and_language() {
    let stage = Stage::open().await;
    let commands = json!([{"command": "start", "description": "Начать"}]);
    let scope = json!({"type": "all_private_chats"});
    stage
        .call(
            "setMyCommands",
            json!({"commands": commands, "scope": scope, "language_code": "ru"}),
        )
        .await;

    let russian: Vec<BotCommand> = read(
        stage
            .call(
                "getMyCommands",
                json!({"scope": scope, "language_code": "ru"}),
            )
            .await,
    );
    let english: Vec<BotCommand> = read(stage.call("getMyCommands", json!({"scope": scope})).await);

    assert_eq!((russian.len(), english.len()), (1, 0));
}

#[tokio::test]
async fn drafts_and_typing_show_and_vanish_with_the_answer() {
    let stage = Stage::open().await;
    stage
        .call(
            "sendMessageDraft",
            json!({"chat_id": 7, "draft_id": 1, "text": "so far"}),
        )
        .await;
    stage
        .call("sendChatAction", json!({"chat_id": 7, "action": "typing"}))
        .await;
    let chat = stage.get("/_/telegram/chat?chat_id=7").await;
    assert_eq!(
        (&chat["draft"]["text"], &chat["action"]),
        (&json!("so far"), &json!("typing"))
    );

    stage
        .call("sendMessage", json!({"chat_id": 7, "text": "done"}))
        .await;

    let chat = stage.get("/_/telegram/chat?chat_id=7").await;
    assert_eq!(
        (&chat["draft"], &chat["action"]),
        (&Value::Null, &Value::Null)
    );
    assert!(stage.sent(7).await.len() == 1, "a draft is no message");
}
