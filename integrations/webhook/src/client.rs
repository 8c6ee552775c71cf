//! The way out: one connection for one delivery, to an address that was judged.
//!
//! Nothing is repeated here, and nothing is followed: no redirect, no proxy of the environment. A connection is not kept for the next
//! delivery, so every one of them was judged by itself. Dropping a delivery's future abandons it; it may still be taken.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::dns::Resolve;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use sallyport_telemetry::Metric;
use sallyport_telemetry::metrics::Histograms;
use sallyport_telemetry::trace::{self, SpanKind};
use thiserror::Error;

use crate::address::{Forbidden, Reach};
use crate::error::SendError;
use crate::names::{JudgedNames, SystemNames};
use crate::wire::{Event, ID_HEADER, SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER, signatures};
use crate::{Destination, InvalidDestination, Settings};

/// Nobody waits longer than this for a receiver, whatever it asks.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// The HTTP client could not be built, for example without any trusted root certificate.
#[derive(Debug, Error)]
#[error("the HTTP client for webhooks could not be built")]
pub struct SetupError(#[source] reqwest::Error);

/// A delivery that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// The answer's status, 200 to 299.
    pub status: u16,
}

/// Sends events to wherever people want them. Clones share what is bounded.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    settings: Settings,
    reach: Arc<Reach>,
    durations: Arc<Histograms>,
}

impl Client {
    /// Prepares a client that asks the system's resolver.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn open(settings: &Settings) -> Result<Self, SetupError> {
        Self::with_names(settings, Arc::new(SystemNames::new()), Vec::new())
    }

    /// The same with another way to look up names, and with these authorities besides the system's.
    fn with_names(
        settings: &Settings,
        names: Arc<dyn Resolve>,
        authorities: Vec<reqwest::Certificate>,
    ) -> Result<Self, SetupError> {
        let reach = Arc::new(Reach::new(settings.networks.clone()));
        let http = reqwest::Client::builder()
            .dns_resolver(JudgedNames::new(names, Arc::clone(&reach)))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .https_only(!settings.allow_http)
            .http1_only()
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .tls_certs_merge(authorities)
            .connect_timeout(Duration::from_millis(settings.connect_timeout_ms))
            .timeout(Duration::from_millis(settings.request_timeout_ms))
            .user_agent(concat!("sallyport/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(SetupError)?;
        Ok(Self {
            http,
            settings: settings.clone(),
            reach,
            durations: Arc::new(Histograms::new(Metric::HttpClientRequestDuration)),
        })
    }

    /// Reads what somebody entered, by this client's settings. Nothing is looked up.
    ///
    /// # Errors
    /// See [`InvalidDestination`]; each says what to do.
    pub fn destination(&self, text: &str) -> Result<Destination, InvalidDestination> {
        Destination::read(text, &self.settings, &self.reach)
    }

    /// Delivers an event, signed with each of these keys.
    ///
    /// # Errors
    /// See [`SendError`]. The receiver's answer is not read beyond its head.
    pub async fn send(
        &self,
        destination: &Destination,
        event: &Event,
        keys: &[SigningKey],
    ) -> Result<Delivered, SendError> {
        let mut span = trace::start("POST", SpanKind::Client);
        span.set("http.request.method", "POST");
        span.set("server.address", destination.host().to_owned());
        span.set("url.template", "/{webhook}");
        let began = Instant::now();
        let outcome = span.within(self.exchange(destination, event, keys)).await;
        let (status, error_type) = match &outcome {
            // Strangers choose the status, so that it is told as its class.
            Ok(_) => ("2xx", ""),
            Err(error) => {
                span.fail(error.name(), error.to_string());
                ("", error.name())
            }
        };
        self.durations
            .of(&["webhook", "POST", status, error_type])
            .record(began.elapsed());
        span.end();
        outcome
    }

    async fn exchange(
        &self,
        destination: &Destination,
        event: &Event,
        keys: &[SigningKey],
    ) -> Result<Delivered, SendError> {
        let host = || destination.host().to_owned();
        // A name is judged when it is looked up; an address is not looked up.
        destination
            .is_within(&self.reach)
            .map_err(|source| SendError::Forbidden {
                host: host(),
                source,
            })?;
        let body = event.body().ok_or(SendError::TooLarge)?;
        let seconds = Timestamp::now().as_second().to_string();
        let answer = self
            .http
            .post(destination.url().clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ID_HEADER, &event.id)
            .header(TIMESTAMP_HEADER, &seconds)
            .header(
                SIGNATURE_HEADER,
                signatures(keys, &event.id, &seconds, &body),
            )
            .body(body)
            .send()
            .await
            .map_err(|source| unanswered(host(), source))?;
        let status = answer.status().as_u16();
        match status {
            200..=299 => Ok(Delivered { status }),
            300..=399 => Err(SendError::Redirected {
                host: host(),
                status,
            }),
            410 => Err(SendError::Gone { host: host() }),
            429 | 503 => Err(SendError::Busy {
                host: host(),
                status,
                retry_after: retry_after(answer.headers(), Timestamp::now()),
            }),
            _ => Err(SendError::Refused {
                host: host(),
                status,
            }),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Sorts a transport error by whether a byte can have arrived, and takes the URL out of it.
fn unanswered(host: String, source: reqwest::Error) -> SendError {
    let source = source.without_url();
    if let Some(forbidden) = forbidden(&source) {
        return SendError::Forbidden {
            host,
            source: forbidden,
        };
    }
    if source.is_connect() || source.is_builder() {
        SendError::NotSent { host, source }
    } else {
        SendError::Unanswered { host, source }
    }
}

/// Whether an address was refused on the way, somewhere below what the HTTP client says.
fn forbidden(error: &(dyn Error + 'static)) -> Option<Forbidden> {
    let mut below = Some(error);
    while let Some(error) = below {
        if let Some(forbidden) = error.downcast_ref::<Forbidden>() {
            return Some(*forbidden);
        }
        below = error.source();
    }
    None
}

/// What the receiver asks us to wait: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            Duration::try_from(until.duration_since(now)).ok()?
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests;
