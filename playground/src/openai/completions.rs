//! `POST /openai/v1/chat/completions`: whole, or as a stream that ends with `[DONE]` unless a fault cuts it.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{MISSING_MODEL, answers, wire};
use crate::{
    faults::{Effect, Target},
    world::World,
};

const PATH: &str = "chat/completions";
const ROLES: [&str; 6] = [
    "system",
    "developer",
    "user",
    "assistant",
    "tool",
    "function",
];

/// Answers one request.
pub(super) async fn answer(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(refusal) = wire::unauthorized(&headers) {
        return refusal;
    }
    let request = match read(&body) {
        Ok(request) => request,
        Err(refusal) => return *refusal,
    };
    let effect = world
        .faults
        .strike(Target::Openai, PATH, None)
        .unwrap_or_default();
    if let Some(status) = effect.status {
        tokio::time::sleep(effect.latency).await;
        return wire::of_status(status, effect.description.as_deref(), effect.retry_after);
    }
    let script = Script::new(&world, &request, &effect);
    let mut response = if request.stream {
        streamed(script)
    } else {
        whole(script).await
    };
    add_limits(response.headers_mut());
    response
}

fn read(body: &[u8]) -> Result<wire::Request, Box<Response>> {
    let refused = |response: Response| Err(Box::new(response));
    let request: wire::Request = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            let message = format!("We could not parse the JSON body of your request: {error}");
            return refused(wire::error(
                400,
                &message,
                "invalid_request_error",
                None,
                None,
            ));
        }
    };
    match request.model.as_deref() {
        None | Some("") => {
            return refused(wire::invalid("you must provide a model parameter", "model"));
        }
        Some(MISSING_MODEL) => return refused(wire::no_such_model(MISSING_MODEL)),
        Some(_) => {}
    }
    let Some(messages) = request.messages.as_deref() else {
        return refused(wire::invalid(
            "Missing required parameter: 'messages'.",
            "messages",
        ));
    };
    if messages.is_empty() {
        return refused(wire::invalid(
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
            "messages",
        ));
    }
    if let Some(position) = messages
        .iter()
        .position(|message| !ROLES.contains(&message.role.as_str()))
    {
        return refused(wire::invalid(
            "Invalid value for role.",
            &format!("messages[{position}].role"),
        ));
    }
    Ok(request)
}

/// What will be said, and how.
struct Script {
    id: String,
    model: String,
    created: i64,
    /// The answer in pieces of one word with the space before it.
    words: Vec<String>,
    finish: &'static str,
    include_usage: bool,
    prompt_tokens: usize,
    word_delay: Duration,
    latency: Duration,
    cut_after: Option<usize>,
}

impl Script {
    fn new(world: &World, request: &wire::Request, effect: &Effect) -> Self {
        let messages = request.messages.as_deref().unwrap_or_default();
        let question = messages
            .iter()
            .rev()
            .find(|message| message.role == "user")
            .map(wire::Message::text);
        let answer = answers::to(&question.unwrap_or_default());
        let mut words: Vec<String> = answer.split_inclusive(' ').map(str::to_owned).collect();
        let most = request
            .max_completion_tokens
            .or(request.max_tokens)
            .and_then(|most| usize::try_from(most).ok());
        let finish = if most.is_some_and(|most| most < words.len()) {
            "length"
        } else {
            "stop"
        };
        words.truncate(most.unwrap_or(usize::MAX));
        Self {
            id: format!("chatcmpl-playground-{:016x}", rand::random::<u64>()),
            model: request.model.clone().unwrap_or_default(),
            created: Timestamp::now().as_second(),
            words,
            finish,
            include_usage: request
                .stream_options
                .as_ref()
                .is_some_and(|options| options.include_usage),
            prompt_tokens: messages
                .iter()
                .map(|message| message.text().len().div_ceil(4) + 4)
                .sum(),
            word_delay: Duration::from_millis(world.settings.model_word_delay_ms),
            latency: effect.latency,
            cut_after: effect
                .cut_after_words
                .and_then(|words| usize::try_from(words).ok()),
        }
    }

    fn usage(&self) -> Value {
        let completion = self.words.len();
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
        })
    }

    fn chunk(&self, choices: Value) -> Value {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "choices": choices,
        });
        if let Some(fields) = chunk.as_object_mut().filter(|_| self.include_usage) {
            fields.insert("usage".to_owned(), Value::Null);
        }
        chunk
    }

    fn delta(&self, delta: Value, finish: Option<&str>) -> Bytes {
        event(&self.chunk(
            json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]),
        ))
    }

    /// The event at this position; `None` after the last.
    fn event_at(&self, position: usize) -> Option<Bytes> {
        let words = self.words.len();
        if position == 0 {
            return Some(self.delta(
                json!({"role": "assistant", "content": "", "refusal": null}),
                None,
            ));
        }
        if let Some(word) = self.words.get(position - 1) {
            return Some(self.delta(json!({"content": word}), None));
        }
        match position - words {
            1 => Some(self.delta(json!({}), Some(self.finish))),
            2 if self.include_usage => {
                let mut last = self.chunk(json!([]));
                if let Some(usage) = last.get_mut("usage") {
                    *usage = self.usage();
                }
                Some(event(&last))
            }
            2 => Some(Bytes::from_static(DONE)),
            3 if self.include_usage => Some(Bytes::from_static(DONE)),
            _ => None,
        }
    }

    fn pause_before(&self, position: usize) -> Duration {
        match position {
            0 => self.latency,
            _ if position <= self.words.len() => self.word_delay,
            _ => Duration::ZERO,
        }
    }
}

/// Between the last word of a cut stream and its cut.
const CUT_PAUSE: Duration = Duration::from_millis(30);

const DONE: &[u8] = b"data: [DONE]\n\n";

fn event(chunk: &Value) -> Bytes {
    Bytes::from(format!("data: {chunk}\n\n"))
}

fn streamed(script: Script) -> Response {
    let events = stream::unfold((script, 0_usize), |(script, position)| async move {
        if script.cut_after.is_some_and(|words| position > words) {
            // What was said must be on the wire first: an error right behind it would take it along.
            tokio::time::sleep(CUT_PAUSE).await;
            let cut = std::io::Error::other("the stream is cut on purpose");
            let over = Script {
                cut_after: None,
                words: Vec::new(),
                ..script
            };
            return Some((Err(cut), (over, usize::MAX)));
        }
        let event = script.event_at(position)?;
        tokio::time::sleep(script.pause_before(position)).await;
        Some((Ok(event), (script, position + 1)))
    });
    let body = Body::from_stream(events);
    (
        [
            (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        body,
    )
        .into_response()
}

async fn whole(script: Script) -> Response {
    let words = u32::try_from(script.words.len()).unwrap_or(u32::MAX);
    tokio::time::sleep(script.latency + script.word_delay * words).await;
    let message = json!({"role": "assistant", "content": script.words.concat(), "refusal": null, "annotations": []});
    let body = json!({
        "id": script.id, "object": "chat.completion", "created": script.created, "model": script.model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": script.finish}],
        "usage": script.usage(), "service_tier": "default",
    });
    Json(body).into_response()
}

/// The limits that real hosts name in headers, generous here.
fn add_limits(headers: &mut HeaderMap) {
    for (name, value) in [
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-reset-requests", "6ms"),
        ("x-ratelimit-limit-tokens", "2000000"),
        ("x-ratelimit-remaining-tokens", "1999000"),
        ("x-ratelimit-reset-tokens", "30ms"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
