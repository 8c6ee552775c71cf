//! A small Telegram for the workers' stories: it takes every call, remembers it, and answers as scripted.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// One call that reached Telegram.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) bot: String,
    pub(super) method: String,
    pub(super) body: Value,
    /// The id of the message that it made, if it made one.
    pub(super) made: Option<i32>,
}

/// What the next matching call gets instead of success.
pub(super) struct Planted {
    pub(super) method: &'static str,
    pub(super) chat: Option<i64>,
    /// How many calls to let through before.
    pub(super) after: usize,
    pub(super) answer: Answer,
}

pub(super) enum Answer {
    /// This status and body.
    Refuse(u16, Value),
    /// It is carried out, and the answer is lost.
    CarryOutAndSayNothing,
}

#[derive(Default)]
struct World {
    calls: Mutex<Vec<Call>>,
    planted: Mutex<Vec<Planted>>,
    updates: Mutex<VecDeque<Value>>,
    webhook: Mutex<String>,
    last_message: AtomicI32,
}

/// The server; it ends with the value.
pub(super) struct Telegram {
    world: Arc<World>,
    pub(super) address: SocketAddr,
    _server: JoinSet<()>,
}

impl Telegram {
    pub(super) async fn open() -> Self {
        let world = Arc::new(World::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&world));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            world,
            address,
            _server: server,
        }
    }

    pub(super) fn plant(&self, planted: Planted) {
        self.world.planted.lock().push(planted);
    }

    /// An update that waits for whoever polls.
    pub(super) fn offer(&self, update: Value) {
        self.world.updates.lock().push_back(update);
    }

    pub(super) fn set_webhook(&self, url: &str) {
        url.clone_into(&mut self.world.webhook.lock());
    }

    pub(super) fn calls(&self, method: &str) -> Vec<Call> {
        let calls = self.world.calls.lock();
        calls
            .iter()
            .filter(|call| call.method == method)
            .cloned()
            .collect()
    }

    /// The texts that a chat shows, oldest first, edits applied.
    pub(super) fn shown(&self, chat: i64) -> Vec<String> {
        let mut shown: Vec<(i32, String)> = Vec::new();
        for call in self
            .world
            .calls
            .lock()
            .iter()
            .filter(|call| call.body["chat_id"] == chat)
        {
            let text = call.body["text"].as_str().unwrap_or_default().to_owned();
            match call.made {
                Some(message) => shown.push((message, text)),
                None if call.method == "editMessageText" => {
                    let edited = i32::try_from(call.body["message_id"].as_i64().unwrap()).unwrap();
                    let found = shown.iter_mut().find(|(message, _)| *message == edited);
                    found.expect("only messages that exist are edited").1 = text;
                }
                None => {}
            }
        }
        shown.into_iter().map(|(_, text)| text).collect()
    }
}

async fn answer(State(world): State<Arc<World>>, uri: Uri, body: Bytes) -> Response {
    let path = uri.path().trim_start_matches("/bot").to_owned();
    let (bot, method) = path.split_once('/').unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let planted = planted(&world, method, &body);
    if let Some(Answer::Refuse(status, answer)) = &planted {
        let status = StatusCode::from_u16(*status).unwrap();
        return (status, answer.to_string()).into_response();
    }
    let made =
        (method == "sendMessage").then(|| world.last_message.fetch_add(1, Ordering::SeqCst) + 1);
    world.calls.lock().push(Call {
        bot: bot.to_owned(),
        method: method.to_owned(),
        body: body.clone(),
        made,
    });
    if let Some(Answer::CarryOutAndSayNothing) = planted {
        return (StatusCode::BAD_GATEWAY, "<html>lost</html>").into_response();
    }
    let result = match method {
        "sendMessage" => json!({"message_id": made}),
        "getMe" => json!({"id": 1, "is_bot": true, "first_name": "Bot", "username": "probe_bot"}),
        "getUpdates" => updates(&world, &body).await,
        "getWebhookInfo" => {
            json!({"url": *world.webhook.lock(), "has_custom_certificate": false, "pending_update_count": 0})
        }
        _ => json!(true),
    };
    json!({"ok": true, "result": result})
        .to_string()
        .into_response()
}

fn planted(world: &World, method: &str, body: &Value) -> Option<Answer> {
    let mut planted = world.planted.lock();
    let place = planted.iter().position(|planted| {
        planted.method == method && planted.chat.is_none_or(|chat| body["chat_id"] == chat)
    })?;
    if planted[place].after > 0 {
        planted[place].after -= 1;
        return None;
    }
    Some(planted.remove(place).answer)
}

/// What waits from the offset on; what lies before it is confirmed and gone.
async fn updates(world: &World, body: &Value) -> Value {
    if let Some(offset) = body["offset"].as_i64() {
        world
            .updates
            .lock()
            .retain(|update| update["update_id"].as_i64() >= Some(offset));
    }
    let waiting: Vec<Value> = world.updates.lock().iter().cloned().collect();
    if waiting.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    json!(waiting)
}
