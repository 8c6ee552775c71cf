//! A provider on a real socket that plays a script: one entry per request, in order.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

use crate::settings::Settings;

/// What to do with one request.
pub(super) enum Script {
    /// These events, then `[DONE]`.
    Stream(Vec<String>),
    /// These events, and then nothing for ever.
    StreamThenHang(Vec<String>),
    /// These events, and a connection that breaks when [`Provider::break_connection`] says so.
    StreamThenBreak(Vec<String>),
    /// This event every 20 ms.
    DripForever(String),
    /// No answer at all.
    Hang,
    /// A bare status.
    Status(u16),
    /// A status with a `Retry-After` and a body.
    Refuse(u16, Option<&'static str>, String),
    /// A body of some type, as it is.
    Raw(&'static str, String),
}

impl Script {
    pub(super) fn limited(code: &str, retry_after: &'static str) -> Self {
        Self::Refuse(429, Some(retry_after), refusal(code))
    }

    pub(super) fn refused(status: u16, code: &str) -> Self {
        Self::Refuse(status, None, refusal(code))
    }
}

fn refusal(code: &str) -> String {
    json!({"error": {"message": "Something about sk-123", "type": "requests", "code": code}})
        .to_string()
}

/// An event with a piece of text.
pub(super) fn chunk(text: &str) -> String {
    event(
        &json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}], "usage": null}),
    )
}

/// The event that ends an answer.
pub(super) fn end(reason: &str) -> String {
    event(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
}

/// The event with the bill.
pub(super) fn usage(input: u64, output: u64) -> String {
    event(&json!({"choices": [], "usage": {"prompt_tokens": input, "completion_tokens": output}}))
}

fn event(value: &serde_json::Value) -> String {
    format!("data: {value}\n\n")
}

/// Where nobody listens.
pub(super) fn nobody() -> Url {
    Url::parse("http://127.0.0.1:1/v1").unwrap()
}

struct Stage {
    script: Mutex<std::vec::IntoIter<Script>>,
    requests: Mutex<Vec<(Instant, serde_json::Value)>>,
    hung_up: watch::Sender<bool>,
    breaking: tokio::sync::Notify,
}

/// The running stand-in. It ends when it is dropped.
pub(super) struct Provider {
    base_url: Url,
    stage: Arc<Stage>,
    _serving: JoinSet<std::io::Result<()>>,
}

impl Provider {
    pub(super) async fn start(script: impl IntoIterator<Item = Script>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url =
            Url::parse(&format!("http://{}/v1", listener.local_addr().unwrap())).unwrap();
        let stage = Arc::new(Stage {
            script: Mutex::new(script.into_iter().collect::<Vec<_>>().into_iter()),
            requests: Mutex::default(),
            hung_up: watch::Sender::new(false),
            breaking: tokio::sync::Notify::new(),
        });
        let router = Router::new().fallback(play).with_state(Arc::clone(&stage));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await });
        Self {
            base_url,
            stage,
            _serving: serving,
        }
    }

    /// Settings that ask here, with waits a test can bear.
    pub(super) fn settings(&self) -> Settings {
        let mut settings = Settings {
            base_url: self.base_url.clone(),
            api_key: "sk-123".into(),
            retry_base_ms: 5,
            ..Settings::default()
        };
        settings
            .aliases
            .insert("fast".to_owned(), vec!["tiny-1".to_owned()]);
        settings
    }

    pub(super) fn requests(&self) -> Vec<serde_json::Value> {
        self.stage
            .requests
            .lock()
            .iter()
            .map(|(_, body)| body.clone())
            .collect()
    }

    pub(super) fn gap_between_requests(&self) -> Duration {
        let requests = self.stage.requests.lock();
        requests[1].0.duration_since(requests[0].0)
    }

    pub(super) fn break_connection(&self) {
        self.stage.breaking.notify_one();
    }

    /// Waits until the other side has closed a hanging stream.
    pub(super) async fn hung_up(&self) {
        self.stage
            .hung_up
            .subscribe()
            .wait_for(|up| *up)
            .await
            .unwrap();
    }
}

/// Says that its stream was dropped.
struct HungUp(Arc<Stage>);

impl Drop for HungUp {
    fn drop(&mut self) {
        self.0.hung_up.send_replace(true);
    }
}

async fn play(State(stage): State<Arc<Stage>>, body: Bytes) -> Response {
    let asked = serde_json::from_slice(&body).unwrap_or_default();
    stage.requests.lock().push((Instant::now(), asked));
    let script = stage.script.lock().next();
    match script.expect("the script has an entry for every request") {
        Script::Hang => std::future::pending().await,
        Script::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Script::Refuse(status, retry_after, body) => {
            let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
            if let Some(wait) = retry_after {
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, wait.parse().unwrap());
            }
            response
        }
        Script::Raw(content_type, body) => {
            ([(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        Script::Stream(events) => {
            let done = stream::iter(["data: [DONE]\n\n".to_owned()]);
            events_of(stream::iter(events).chain(done).map(Ok::<_, Infallible>))
        }
        Script::StreamThenHang(events) => {
            let guard = HungUp(stage);
            let hang = stream::once(async move {
                let _guard = guard;
                std::future::pending::<String>().await
            });
            events_of(stream::iter(events).chain(hang).map(Ok::<_, Infallible>))
        }
        Script::StreamThenBreak(events) => {
            let broken = stream::once(async move {
                stage.breaking.notified().await;
                Err(std::io::Error::other("broken"))
            });
            events_of(stream::iter(events).map(Ok).chain(broken))
        }
        Script::DripForever(event) => {
            let ticks = stream::unfold(
                tokio::time::interval(Duration::from_millis(20)),
                |mut ticks| async {
                    ticks.tick().await;
                    Some(((), ticks))
                },
            );
            events_of(ticks.map(move |()| Ok::<_, Infallible>(event.clone())))
        }
    }
}

fn events_of<E>(events: impl stream::Stream<Item = Result<String, E>> + Send + 'static) -> Response
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(events),
    )
        .into_response()
}
