//! One bot's way to the Bot API: a method per thing we ask of Telegram.
//!
//! Every call has a deadline, a span and an error that says whether it may have been carried out. Nothing is repeated
//! here: whether to try again, and when, depends on what was sent and who waits for it, which the workers know.
//! Dropping a call's future abandons the request; it may still be carried out.

use std::sync::Arc;
use std::time::Duration;

use frankenstein::response::ErrorResponse;
use reqwest::Url;
use sallyport_security::Secret;
use sallyport_telemetry::Metric;
use sallyport_telemetry::metrics::Histograms;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::Settings;
use crate::error::{CallError, Refusal};

mod observed;
#[cfg(feature = "fail-points")]
mod points;
mod updates;
mod words;

pub use words::{NewText, TextEdit};

/// A hundred updates at once, each with a long text, stay far below this.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Idle connections are closed before the other side does it, since a call on a dying one would be ambiguous.
const IDLE_CONNECTION_MAX: Duration = Duration::from_secs(20);

/// Why a client cannot be made from a token.
#[derive(Debug, Error)]
pub enum InvalidToken {
    /// Telegram's tokens look like `123456:letters`.
    #[error("the token does not look like one of Telegram's (digits, a colon, letters)")]
    Shape,
    /// The base URL cannot carry a path.
    #[error("the base URL cannot carry a path")]
    BaseUrl,
    /// The HTTP client could not be built, for example without any trusted root certificate.
    #[error("the HTTP client could not be built")]
    Http(#[source] reqwest::Error),
}

/// A client for one bot. Clones share their connections.
#[derive(Clone)]
pub struct BotApi {
    http: reqwest::Client,
    /// Scheme, host and `/bot<token>/`: never printed.
    methods: Secret,
    /// The digits before the token's colon, which are the bot's public id.
    bot_id: i64,
    server: String,
    poll_timeout_seconds: u32,
    request_timeout: Duration,
    durations: Arc<Histograms>,
}

impl std::fmt::Debug for BotApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BotApi")
            .field("bot_id", &self.bot_id)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl BotApi {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// When the token has a shape that no Telegram token has, or no HTTP client can be built.
    pub fn open(settings: &Settings, token: &Secret) -> Result<Self, InvalidToken> {
        let bot_id = bot_id(token.expose()).ok_or(InvalidToken::Shape)?;
        let server = settings.base_url.host_str().unwrap_or_default().to_owned();
        let base = settings.base_url.as_str().trim_end_matches('/');
        if settings.base_url.cannot_be_a_base() {
            return Err(InvalidToken::BaseUrl);
        }
        let request_timeout = Duration::from_millis(settings.request_timeout_ms);
        let mut http = reqwest::Client::builder()
            .connect_timeout(Duration::from_millis(settings.connect_timeout_ms))
            .timeout(request_timeout)
            .pool_idle_timeout(IDLE_CONNECTION_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("sallyport/", env!("CARGO_PKG_VERSION")));
        if is_this_machine(&settings.base_url) {
            http = http.no_proxy();
        }
        Ok(Self {
            http: http.build().map_err(InvalidToken::Http)?,
            methods: Secret::new(format!("{base}/bot{}/", token.expose())),
            bot_id,
            server,
            poll_timeout_seconds: settings.poll_timeout_seconds,
            request_timeout,
            durations: Arc::new(Histograms::new(Metric::HttpClientRequestDuration)),
        })
    }

    /// The bot's own user id, as its token states it.
    #[must_use]
    pub fn bot_id(&self) -> i64 {
        self.bot_id
    }

    /// Calls a method with JSON parameters.
    async fn call<P, T>(&self, method: &'static str, params: &P) -> Result<T, CallError>
    where
        P: Serialize + Sync,
        T: DeserializeOwned,
    {
        let request = self.http.post(self.url_of(method)).json(params);
        self.observed(method, request).await
    }

    fn url_of(&self, method: &str) -> String {
        format!("{}{method}", self.methods.expose())
    }

    async fn exchange<T: DeserializeOwned>(
        method: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<T, CallError> {
        let answering = request.send();
        #[cfg(feature = "fail-points")]
        let answering = points::in_a_send(method, answering);
        let mut answer = answering
            .await
            .map_err(|source| unanswered(method, source))?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|source| unanswered(method, source))?
        {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(CallError::Unreadable { method, status });
            }
            body.extend_from_slice(&chunk);
        }
        read_answer(method, status, &body)
    }
}

/// The Bot API's envelope around a result. Only what we need is looked at, so that new fields change nothing.
#[derive(Deserialize)]
struct Envelope<'a> {
    ok: bool,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

fn read_answer<T: DeserializeOwned>(
    method: &'static str,
    status: u16,
    body: &[u8],
) -> Result<T, CallError> {
    let unreadable = |_| CallError::Unreadable { method, status };
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(unreadable)?;
    match envelope.result {
        Some(result) if envelope.ok => serde_json::from_str(result.get()).map_err(unreadable),
        _ => {
            let answer: ErrorResponse = serde_json::from_slice(body).map_err(unreadable)?;
            Err(CallError::Refused {
                method,
                refusal: Refusal::of(answer),
            })
        }
    }
}

/// Sorts a transport error by whether a byte can have arrived, and takes the URL out of it.
fn unanswered(method: &'static str, source: reqwest::Error) -> CallError {
    let source = source.without_url();
    if source.is_connect() || source.is_builder() {
        CallError::NotSent { method, source }
    } else {
        CallError::Unanswered { method, source }
    }
}

fn bot_id(token: &str) -> Option<i64> {
    let (id, rest) = token.split_once(':')?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (!rest.is_empty() && rest.chars().all(is_plain))
        .then(|| id.parse().ok())
        .flatten()
        .filter(|id| *id > 0)
}

/// A proxy from the environment must not get between us and the stand-in on this machine.
fn is_this_machine(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

/// For methods whose result says nothing we need.
type Whatever = IgnoredAny;

#[cfg(test)]
mod tests;
