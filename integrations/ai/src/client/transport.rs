//! The HTTP exchange beneath the library: one request, no retries of its own, and nothing unbounded on the way back.
//!
//! It exists because the library by default retries by its own rules, reads error bodies whole, writes them to the
//! log, and hands on a stream of any size. It takes our service for the exchange instead, which turns a refusal into
//! a [`ModelError`] with what its headers said, and cuts a body that grows too large.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use async_openai::config::Config;
use async_openai::middleware::HttpRequestFactory;
use bytes::Bytes;
use futures::StreamExt;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Body, Response};
use sallyport_security::Secret;
use secrecy::SecretString;
use url::Url;

use crate::error::{ModelError, ModelErrorKind, SetupError};
use crate::wire::Refusal;

/// Enough for any honest error; the rest is not read.
const ERROR_BYTES_MAX: usize = 16 * 1024;
/// Nobody waits longer than this for a provider, whatever it asks.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// Where requests go and what proves that we may ask.
pub(super) struct Endpoint {
    base: String,
    key: SecretString,
    authorization: HeaderValue,
}

impl Endpoint {
    pub(super) fn new(base: &Url, key: &Secret) -> Result<Self, SetupError> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
            .map_err(|_| SetupError::Key)?;
        authorization.set_sensitive(true);
        Ok(Self {
            base: base.as_str().trim_end_matches('/').to_owned(),
            key: SecretString::from(key.expose().to_owned()),
            authorization,
        })
    }
}

impl Config for Endpoint {
    fn headers(&self) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, self.authorization.clone())])
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base
    }

    fn api_key(&self) -> &SecretString {
        &self.key
    }
}

/// Why a body broke off. The library keeps only the text of such an error, so the kind takes this way around it.
#[derive(Clone, Debug, Default)]
pub(super) struct BrokenBody(Arc<OnceLock<ModelErrorKind>>);

impl BrokenBody {
    pub(super) fn kind(&self) -> Option<ModelErrorKind> {
        self.0.get().copied()
    }

    fn note(&self, kind: ModelErrorKind) {
        // The first reason is the one that counts; later ones follow from it.
        self.0.get_or_init(|| kind);
    }
}

/// The service that the library sends one call through.
#[derive(Clone)]
pub(super) struct Transport {
    pub(super) http: reqwest::Client,
    pub(super) stream_bytes_max: usize,
    pub(super) broken: BrokenBody,
}

impl tower::Service<HttpRequestFactory> for Transport {
    type Response = Response;
    type Error = ModelError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, ModelError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ModelError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, factory: HttpRequestFactory) -> Self::Future {
        let transport = self.clone();
        Box::pin(async move { transport.exchange(factory).await })
    }
}

impl Transport {
    async fn exchange(self, factory: HttpRequestFactory) -> Result<Response, ModelError> {
        let request = factory.build().await?;
        let response = self.http.execute(request).await.map_err(unreachable)?;
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        if !is_event_stream(response.headers()) {
            return Err(ModelError::new(ModelErrorKind::Garbage));
        }
        Ok(self.bounded(response))
    }

    /// The same response with a body that breaks off once it is larger than allowed.
    fn bounded(self, response: Response) -> Response {
        let status = response.status();
        let (broken, bytes_max) = (self.broken, self.stream_bytes_max);
        let mut seen = 0_usize;
        let body = response.bytes_stream().map(move |piece| {
            let piece: Bytes = piece.map_err(|error| {
                broken.note(ModelErrorKind::Cut);
                std::io::Error::other(error.without_url())
            })?;
            seen = seen.saturating_add(piece.len());
            if seen > bytes_max {
                broken.note(ModelErrorKind::ReplyTooLarge);
                return Err(std::io::Error::other("the stream is larger than allowed"));
            }
            Ok(piece)
        });
        let mut bounded = http::Response::new(Body::wrap_stream(body));
        *bounded.status_mut() = status;
        Response::from(bounded)
    }
}

pub(super) fn unreachable(error: reqwest::Error) -> ModelError {
    ModelError::caused(ModelErrorKind::Unreachable, error.without_url())
}

/// Reads what a refusal says, as far as it is worth reading.
async fn refused(mut response: Response) -> ModelError {
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    while body.len() < ERROR_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(piece)) => body.extend(piece.iter().take(ERROR_BYTES_MAX - body.len())),
            Ok(None) | Err(_) => break,
        }
    }
    ModelError::answered(status, &Refusal::read(&body), retry_after)
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .trim_start()
                .to_ascii_lowercase()
                .starts_with("text/event-stream")
        })
}

/// What the provider asks us to wait: `retry-after-ms`, or `Retry-After` in seconds. Its form with a date is not
/// used by any of them; where one comes, our own waits apply.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = match number("retry-after-ms") {
        Some(ms) => ms / 1_000.0,
        None => number(RETRY_AFTER.as_str())?,
    };
    let wait = Duration::try_from_secs_f64(seconds).unwrap_or(RETRY_AFTER_MAX);
    (seconds > 0.0).then_some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &'static str, value: &'static str) -> Option<Duration> {
        retry_after(&HeaderMap::from_iter([(
            reqwest::header::HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )]))
    }

    #[test]
    fn a_wait_is_read_in_seconds_or_milliseconds() {
        assert_eq!(asked("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(
            asked("retry-after", " 0.5 "),
            Some(Duration::from_millis(500))
        );
        assert_eq!(
            asked("retry-after-ms", "250"),
            Some(Duration::from_millis(250))
        );
    }

    #[test]
    fn a_nonsensical_wait_is_none_and_a_huge_one_is_an_hour() {
        for nonsense in [
            "",
            "-1",
            "0",
            "NaN",
            "-inf",
            "Fri, 31 Dec 2027 23:59:59 GMT",
        ] {
            assert_eq!(asked("retry-after", nonsense), None, "{nonsense}");
        }
        assert_eq!(asked("retry-after", "1e300"), Some(RETRY_AFTER_MAX));
        assert_eq!(asked("retry-after", "inf"), Some(RETRY_AFTER_MAX));
    }

    #[test]
    fn an_endpoint_hides_its_key_and_refuses_one_that_no_header_can_carry() {
        let base = Url::parse("http://127.0.0.1:1/v1/").unwrap();

        let endpoint = Endpoint::new(&base, &Secret::from("sk-1")).unwrap();

        assert_eq!(
            endpoint.url("/chat/completions"),
            "http://127.0.0.1:1/v1/chat/completions"
        );
        assert!(!format!("{:?}", endpoint.headers()).contains("sk-1"));
        assert!(matches!(
            Endpoint::new(&base, &Secret::from("sk\n1")),
            Err(SetupError::Key)
        ));
    }
}
