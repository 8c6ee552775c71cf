//! An answer of the edge's own, in one form for both ways out: through Pingora, and straight onto a socket whose request
//! never got that far.
//!
//! It exists so that no answer can leave without the security headers, its `Request-Id` and the right type, whoever made it.
//! Which answer it is, others decide.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use sallyport_security::headers::{self, RouteClass};
use sallyport_security::openapi::Misfit;
use sallyport_sources::Reply;
use sallyport_telemetry::trace::TraceId;

use crate::problem;
use crate::refusal::{Limited, Refusal, whole_seconds};

/// The trace id, on every answer.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

const JSON: &str = "application/json; charset=utf-8";
const BYTES: &str = "application/octet-stream";
const HTML: &str = "text/html; charset=utf-8";

/// What is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    class: RouteClass,
    /// None goes with an empty body.
    content_type: Option<&'static str>,
    body: Bytes,
    extra: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// What a refused request reads.
    pub(crate) fn refusal(refusal: &Refusal, trace_id: TraceId) -> Self {
        let mut answer = Self {
            status: refusal.status(),
            class: RouteClass::Api,
            content_type: Some(problem::MEDIA_TYPE),
            body: problem::body(refusal, trace_id),
            extra: Vec::new(),
        };
        match refusal {
            Refusal::Method(allowed) => answer.add(header::ALLOW, allowed),
            Refusal::Misfit(misfit) => match &**misfit {
                Misfit::Method(allowed) => answer.add(header::ALLOW, allowed),
                Misfit::ContentType(accepted) => answer.add(header::ACCEPT, accepted),
                Misfit::Path | Misfit::Parameters(_) | Misfit::Body(_) => {}
            },
            Refusal::ContentType(accepted) => answer.add(header::ACCEPT, &accepted.join(", ")),
            // Why a 415 is one (RFC 9110, section 15.5.16).
            Refusal::Coding => answer.add(header::ACCEPT_ENCODING, "identity"),
            Refusal::Token | Refusal::AccessToken(_) => {
                answer.add(header::WWW_AUTHENTICATE, "Bearer")
            }
            Refusal::Signature(_) => answer.add(header::WWW_AUTHENTICATE, "Webhook-Secret"),
            Refusal::TooFast(limited, _) => answer.limits(std::slice::from_ref(limited)),
            _ => {}
        }
        if let Some(after) = refusal.retry_after() {
            answer.add(header::RETRY_AFTER, &whole_seconds(after).to_string());
        }
        answer
    }

    /// Nothing but its fields.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            content_type: None,
            ..Self::json(status, Bytes::new())
        }
    }

    /// JSON.
    pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            class: RouteClass::Api,
            content_type: Some(JSON),
            body: body.into(),
            extra: Vec::new(),
        }
    }

    /// Bytes of no particular kind.
    pub(crate) fn bytes(body: impl Into<Bytes>) -> Self {
        Self {
            content_type: Some(BYTES),
            ..Self::json(StatusCode::OK, body)
        }
    }

    /// What a webhook's sender reads: what its provider expects, or that all is well.
    pub(crate) fn reply(reply: Option<Reply>) -> Self {
        let reply = reply.unwrap_or(Reply {
            status: StatusCode::OK.as_u16(),
            media_type: None,
            body: Vec::new(),
        });
        Self {
            status: StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK),
            class: RouteClass::Api,
            content_type: reply.media_type,
            body: Bytes::from(reply.body),
            extra: Vec::new(),
        }
    }

    /// A page.
    pub(crate) fn page(html: Bytes) -> Self {
        Self {
            status: StatusCode::OK,
            class: RouteClass::Page,
            content_type: Some(HTML),
            body: html,
            extra: Vec::new(),
        }
    }

    /// Sends a reader on, for good and with the same method.
    pub(crate) fn moved(location: &str) -> Self {
        let mut answer = Self {
            status: StatusCode::PERMANENT_REDIRECT,
            ..Self::page(Bytes::new())
        };
        answer.add(header::LOCATION, location);
        answer
    }

    /// Its status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Says how much of these limits is left.
    pub(crate) fn limits(&mut self, limits: &[Limited]) {
        for (name, value) in limit_headers(limits) {
            self.set(name, Some(value));
        }
    }

    /// Sets a header, if there is something to say.
    pub(crate) fn set(&mut self, name: HeaderName, value: Option<HeaderValue>) {
        if let Some(value) = value {
            self.extra.retain(|(known, _)| *known != name);
            self.extra.push((name, value));
        }
    }

    /// Whether this header is set beside those that every answer has.
    pub(crate) fn sets(&self, name: &HeaderName) -> bool {
        self.extra.iter().any(|(known, _)| known == name)
    }

    /// Adds a header; a value that is no header's value is left out.
    fn add(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.extra.push((name, value));
        }
    }

    /// Sends it through Pingora.
    ///
    /// # Errors
    /// When the peer is gone.
    pub(crate) async fn send(
        self,
        session: &mut Session,
        trace_id: TraceId,
    ) -> pingora::Result<()> {
        let is_head = session.req_header().method == Method::HEAD;
        let mut response = Box::new(ResponseHeader::build(self.status, Some(24))?);
        for (name, value) in headers::response_headers(self.class)
            .iter()
            .chain(&self.extra)
        {
            response.insert_header(name.clone(), value.clone())?;
        }
        if let Some(content_type) = self.content_type {
            response.insert_header(header::CONTENT_TYPE, content_type)?;
        }
        if self.status != StatusCode::NO_CONTENT {
            response.insert_header(header::CONTENT_LENGTH, self.body.len())?;
        }
        response.insert_header(REQUEST_ID, trace_id.to_string())?;
        session.write_response_header(response, is_head).await?;
        if !is_head {
            session.write_response_body(Some(self.body), true).await?;
        }
        Ok(())
    }

    /// The same as bytes of HTTP/1.1 that end the connection. `date` is the time in HTTP's form.
    pub(crate) fn to_http1(&self, trace_id: TraceId, date: &str) -> Vec<u8> {
        let reason = self.status.canonical_reason().unwrap_or_default();
        let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", self.status.as_str()).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        };
        for (name, value) in headers::response_headers(self.class)
            .iter()
            .chain(&self.extra)
        {
            line(name.as_str(), value.as_bytes());
        }
        if let Some(content_type) = self.content_type {
            line("content-type", content_type.as_bytes());
        }
        line("content-length", self.body.len().to_string().as_bytes());
        line("request-id", trace_id.to_string().as_bytes());
        line("date", date.as_bytes());
        line("connection", b"close");
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// `RateLimit-Policy` and `RateLimit` in the form of the current IETF draft: every limit that a request counted against, and how
/// the one stands of which least is left. Nothing for a request that counted against none.
pub(crate) fn limit_headers(
    limits: &[Limited],
) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
    let policies: Vec<String> = limits
        .iter()
        .map(|limited| {
            let (quota, window) = (limited.quota, limited.quota.window());
            format!(
                "\"{}\";q={};w={}",
                limited.limiter,
                quota.burst(),
                window.as_secs()
            )
        })
        .collect();
    let tightest = limits
        .iter()
        .min_by_key(|limited| limited.decision.remaining);
    let left = tightest.map(
        |Limited {
             limiter, decision, ..
         }| {
            let reset = whole_seconds(decision.reset_after);
            format!("\"{limiter}\";r={};t={reset}", decision.remaining)
        },
    );
    let policy = left.is_some().then(|| policies.join(", "));
    [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, left)]
        .into_iter()
        .filter_map(|(name, text)| Some((name, HeaderValue::from_str(&text?).ok()?)))
}
