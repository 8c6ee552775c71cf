//! One request and what became of it: the part that every phase adds to and that its end is told from.
//!
//! It exists so that metrics, log line and spans are made once, from the same facts, whichever way a request ends. The edge's spans
//! are made by hand here and not gathered by a trail: there are two of them, their order is known, and this is the
//! hottest path of the house. Who is told is for [`crate::events`].

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use jiff::Timestamp;
use sallyport_security::access_token::Subject;
use sallyport_security::addresses;
use sallyport_telemetry::metrics::Held;
use sallyport_telemetry::trace::{SpanContext, SpanKind, SpanRecord, SpanStatus, Value};

use crate::body::Haste;
use crate::cache::{Hit, Outcome, Turn};
use crate::compress::Stream;
use crate::described::Described;
use crate::inspection::{Findings, HeldBody};
use crate::recent::Recent;
use crate::refusal::{Limited, Refusal};
use crate::routes::Route;
use crate::upstreams::Passage;

/// What requests are called that belong to no route.
const NO_ROUTE: &str = "_OTHER";

/// A request on its way through the edge.
pub(crate) struct Exchange {
    /// When its head was complete.
    pub(crate) started: Instant,
    at: Timestamp,
    /// The SERVER span; its trace id is the answer's `Request-Id`.
    pub(crate) span: SpanContext,
    caller: Caller,
    /// Who sent it, as limits see it.
    pub(crate) address: Option<IpAddr>,
    pub(crate) method: Method,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// `1.0`, `1.1` or `2`.
    pub(crate) version: &'static str,
    pub(crate) route: Option<Arc<Route>>,
    /// On a route with access tokens: whom this one has named.
    pub(crate) user: Option<Subject>,
    /// For webhooks: who sends them, as metrics call it.
    pub(crate) source: Option<Arc<str>>,
    /// For webhooks: where it is remembered.
    pub(crate) recent: Option<Arc<Recent>>,
    /// What is left of the limits that it counted against.
    pub(crate) limits: Vec<Limited>,
    /// What the inspection found in it.
    pub(crate) findings: Findings,
    /// What the document of its API says about it.
    pub(crate) described: Described,
    /// A body that is handed on once it is whole.
    pub(crate) held: Option<HeldBody>,
    /// Whether its body was looked at before an upstream was chosen.
    pub(crate) is_looked_into: bool,
    pub(crate) refusal: Option<Refusal>,
    /// The trace of the first one, when this delivery had been stored before.
    pub(crate) repeats: Option<SpanContext>,
    /// Whether it is a webhook that is answered and not stored.
    pub(crate) is_question: bool,
    pub(crate) status: Option<StatusCode>,
    /// Keeps the gauge of requests in flight raised.
    pub(crate) active: Option<Held>,
    /// Bytes of its body so far.
    pub(crate) body_bytes: usize,
    /// How much time such a body has.
    pub(crate) haste: Option<Haste>,
    /// What the cache makes of its answer, on a route that keeps answers.
    pub(crate) turn: Option<Box<Turn>>,
    /// What is shown in place of an upstream's failure.
    pub(crate) stand_in: Option<Box<Hit>>,
    /// How it was served from what is kept, if it was.
    pub(crate) kept: Option<Outcome>,
    /// Whether its answer is one for everybody.
    pub(crate) is_shared: bool,
    /// Whether nobody asked but the cache.
    pub(crate) is_refresh: bool,
    /// Compresses its answer.
    pub(crate) pressing: Option<Stream>,
    /// How it fares with upstreams.
    pub(crate) passage: Passage,
    /// Where it has to go instead, when it must come over TLS.
    pub(crate) elsewhere: Option<String>,
}

/// What an incoming `traceparent` was worth.
pub(crate) enum Caller {
    /// There was none, or none that could be read.
    Unknown,
    /// From a trusted peer: this request is part of its trace.
    Trusted(SpanContext),
    /// From anybody else: noted, not believed.
    Claimed(SpanContext),
}

impl Exchange {
    /// A request whose head has just been completed.
    pub(crate) fn begin(span: SpanContext, caller: Caller) -> Self {
        Self {
            started: Instant::now(),
            at: Timestamp::now(),
            span,
            caller,
            address: None,
            method: Method::GET,
            scheme: "http",
            version: "1.1",
            route: None,
            user: None,
            source: None,
            recent: None,
            limits: Vec::new(),
            findings: Findings::default(),
            described: Described::default(),
            held: None,
            is_looked_into: false,
            refusal: None,
            repeats: None,
            is_question: false,
            status: None,
            active: None,
            body_bytes: 0,
            haste: None,
            turn: None,
            stand_in: None,
            kept: None,
            is_shared: false,
            is_refresh: false,
            pressing: None,
            passage: Passage::default(),
            elsewhere: None,
        }
    }

    /// How the cache served it, on a route that keeps answers.
    pub(crate) fn cached(&self) -> Option<Outcome> {
        if self.is_refresh {
            return Some(Outcome::Refresh);
        }
        self.kept.or_else(|| Some(self.turn.as_ref()?.outcome()))
    }

    /// The route's template, for metrics and spans.
    pub(crate) fn route_name(&self) -> &str {
        self.route
            .as_ref()
            .map_or(NO_ROUTE, |route| &route.template)
    }

    /// The method as metrics and spans spell it.
    pub(crate) fn method_name(&self) -> &'static str {
        match self.method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            Method::OPTIONS => "OPTIONS",
            _ => "_OTHER",
        }
    }

    /// How long its caller waited: for the last byte, or for the beginning of what has no end.
    pub(crate) fn waited(&self) -> Duration {
        let began = self.passage.stream_began;
        let until = began.unwrap_or_else(Instant::now);
        until.saturating_duration_since(self.started)
    }

    /// All of it is on its way to an upstream. Whoever sends slowly is not waited for.
    pub(crate) fn sent(&mut self) {
        let gate = self.route.as_ref().and_then(|route| route.gate.as_ref());
        // An upstream may have answered before the end of the body.
        if let Some(gate) = gate.filter(|_| self.status.is_none()) {
            self.passage.sent(gate);
        }
    }

    /// What the inspection found, whether or not the request was refused for it.
    pub(crate) fn findings(&self) -> Option<&Findings> {
        let findings = match &self.refusal {
            Some(Refusal::Attack(findings)) => findings,
            Some(_) | None => &self.findings,
        };
        (!findings.is_empty()).then_some(findings)
    }

    /// The SERVER span as it stands now, with the status that the request has or will have.
    pub(crate) fn server_span(
        &self,
        status: Option<StatusCode>,
        decision: &'static str,
    ) -> SpanRecord {
        let mut attributes: Vec<(Cow<'static, str>, Value)> = Vec::with_capacity(12);
        let mut set = |key: &'static str, value: Value| attributes.push((key.into(), value));
        set("http.request.method", self.method_name().into());
        set("http.route", self.route_name().to_owned().into());
        if let Some(status) = status {
            set("http.response.status_code", status.as_u16().into());
        }
        set("url.scheme", self.scheme.into());
        set("network.protocol.version", self.version.into());
        set("sallyport.decision", decision.into());
        if let Some(source) = &self.source {
            set("sallyport.source", source.to_string().into());
        }
        if let Some(address) = self.address {
            set(
                "client.address",
                addresses::truncated(address).to_string().into(),
            );
        }
        if let Some((upstream, again)) = self.passage.ended_at() {
            set("server.address", upstream.to_string().into());
            if again > 0 {
                set("http.request.resend_count", again.into());
            }
        }
        if let Some(findings) = self.findings() {
            set("sallyport.inspection", findings.to_string().into());
        }
        if let Some(misfit) = self.described.noted() {
            set("sallyport.openapi", misfit.to_string().into());
        }
        let mut status_of_span = SpanStatus::Unset;
        if let Some(refusal) = &self.refusal {
            set("error.type", refusal.reason().into());
            if let Some(note) = refusal.note() {
                set("sallyport.refusal.note", note.into());
            }
            // A refused stranger is no fault of this house: the span fails only when the house did.
            if refusal.is_ours() {
                status_of_span = SpanStatus::Error(refusal.detail());
            }
        }
        let (parent, mut links) = match self.caller {
            Caller::Unknown => (None, Vec::new()),
            Caller::Trusted(parent) => (Some(parent.span_id), Vec::new()),
            Caller::Claimed(claimed) => (None, vec![claimed]),
        };
        links.extend(self.repeats);
        SpanRecord {
            trace_id: self.span.trace_id,
            span_id: self.span.span_id,
            parent,
            links,
            name: Cow::Owned(format!("{} {}", self.method_name(), self.route_name())),
            kind: SpanKind::Server,
            start: self.at,
            duration: nanos_since(self.started),
            status: status_of_span,
            attributes,
            events: Vec::new(),
        }
    }

    /// The PRODUCER span that puts a message on the queue; `context` is what travels inside the message.
    pub(crate) fn send_span(
        &self,
        context: SpanContext,
        kind: &'static str,
        sink: &'static str,
    ) -> SpanRecord {
        SpanRecord {
            trace_id: context.trace_id,
            span_id: context.span_id,
            parent: Some(self.span.span_id),
            links: Vec::new(),
            name: Cow::Owned(format!("send {kind}")),
            kind: SpanKind::Producer,
            start: Timestamp::now(),
            duration: 0,
            status: SpanStatus::Unset,
            attributes: vec![
                ("messaging.system".into(), "sallyport".into()),
                ("messaging.operation.name".into(), "send".into()),
                ("messaging.operation.type".into(), "send".into()),
                ("messaging.destination.name".into(), kind.into()),
                ("sallyport.sink".into(), sink.into()),
            ],
            events: Vec::new(),
        }
    }
}

/// Nanoseconds since then, up to 584 years.
fn nanos_since(then: Instant) -> u64 {
    u64::try_from(then.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
