//! What happens at the edge, as metrics, log lines and kept traces made from the same facts.
//!
//! It exists so that every refusal is counted with its reason, and so that counting is all that a flood costs: log lines and
//! traces of refused requests are capped per reason, the counts never are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use sallyport_security::access_token::Rejected;
use sallyport_security::cookies::Unfit;
use sallyport_security::{InvalidQuota, Quota, RateLimiter, addresses};
use sallyport_telemetry::metrics::{Counters, Gauge, Gauges, Held, Histograms};
use sallyport_telemetry::trace::{KeepPolicy, SpanSink, Trail};
use sallyport_telemetry::{Label, Metric, gauge};

use crate::cache::Outcome;
use crate::exchange::Exchange;
use crate::inspection::Findings;
use crate::refusal::{Limited, Refusal};
use crate::routes::{Accepting, RouteTable};

pub(crate) mod acme;
pub(crate) mod certificates;
pub(crate) mod shedding;
pub(crate) mod upstreams;

/// Log lines and traces of refused requests, per reason and second.
const WITNESSED_PER_SECOND: u32 = 10;
/// How many reasons there may be; more than [`Refusal`] has.
const REASONS_MAX: usize = 64;

/// What became of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Connected {
    Accepted,
    Limit,
    Denied,
    TlsError,
    HeadTimeout,
    HeadTooLarge,
    /// On a door that asks for a PROXY header: none, a malformed one, or one from somebody whom we do not trust.
    ProxyHeader,
    /// HTTP/2: more frames came than may that carry nothing.
    Flood,
}

impl Connected {
    const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Limit,
        Self::Denied,
        Self::TlsError,
        Self::HeadTimeout,
        Self::HeadTooLarge,
        Self::ProxyHeader,
        Self::Flood,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Limit => "limit",
            Self::Denied => "denied",
            Self::TlsError => "tls_error",
            Self::HeadTimeout => "head_timeout",
            Self::HeadTooLarge => "head_too_large",
            Self::ProxyHeader => "proxy_header",
            Self::Flood => "flood",
        }
    }
}

/// What a connection is doing.
pub(crate) struct ConnectionStates {
    pub(crate) handshake: Gauge,
    pub(crate) head: Gauge,
    pub(crate) active: Gauge,
    pub(crate) idle: Gauge,
}

/// The series that the edge moves, and where its traces go.
pub(crate) struct Meters {
    requests: Histograms,
    active: Gauges,
    connections: Counters,
    handshakes: Histograms,
    /// Open connections by what they do.
    pub(crate) states: ConnectionStates,
    limits: Counters,
    signatures: Counters,
    access_tokens: Counters,
    inspections: Counters,
    misfits: Counters,
    cached: Counters,
    rejected: Counters,
    witnessed: RateLimiter<&'static str>,
    sinks: Arc<dyn SpanSink>,
    keep: KeepPolicy,
}

impl Meters {
    /// Registers the series that every edge has, so that each is exposed before its first event.
    ///
    /// # Errors
    /// Never in practice: the one bucket in here has constant numbers.
    pub(crate) fn new(
        sinks: Arc<dyn SpanSink>,
        keep: KeepPolicy,
        origin: Instant,
    ) -> Result<Self, InvalidQuota> {
        let state = |name: &str| gauge(Metric::ConnectionsOpen, &[(Label::State, name)]);
        Ok(Self {
            requests: Histograms::new(Metric::HttpServerRequestDuration),
            active: Gauges::new(Metric::HttpServerActiveRequests),
            connections: Counters::with(
                Metric::Connections,
                Connected::ALL.map(|outcome| [outcome.name()]),
            ),
            handshakes: Histograms::new(Metric::TlsHandshakeDuration),
            states: ConnectionStates {
                handshake: state("handshake"),
                head: state("head"),
                active: state("active"),
                idle: state("idle"),
            },
            limits: Counters::with(
                Metric::RateLimitDecisions,
                ["address", "failures", "bot", "route"]
                    .into_iter()
                    .flat_map(|limiter| [[limiter, "allowed"], [limiter, "limited"]]),
            ),
            signatures: Counters::new(Metric::SignatureChecks),
            access_tokens: Counters::new(Metric::AccessTokenChecks),
            inspections: Counters::new(Metric::InspectionFindings),
            misfits: Counters::new(Metric::OpenApiMisfits),
            cached: Counters::new(Metric::CacheRequests),
            rejected: Counters::new(Metric::IntakeRejected),
            witnessed: RateLimiter::new(
                Quota::try_new(WITNESSED_PER_SECOND, Duration::from_secs(1))?,
                REASONS_MAX,
                origin,
            ),
            sinks,
            keep,
        })
    }

    /// Registers what routes and bots move, so that each series is exposed before its first event.
    pub(crate) fn expose(&self, table: &RouteTable) {
        for route in table.iter().filter(|route| route.token_check().is_some()) {
            let rejected = Rejected::ALL.into_iter().map(Rejected::reason);
            for outcome in std::iter::once("ok").chain(rejected) {
                self.access_tokens.of(&[&*route.template, outcome]);
            }
        }
        for route in table
            .iter()
            .filter(|route| route.contract_check().is_some())
        {
            for outcome in ["blocked", "logged"] {
                self.misfits.of(&[&*route.template, outcome]);
            }
        }
        let accepting = table.iter().filter_map(|route| route.accepting());
        for bot in accepting.flat_map(Accepting::bots) {
            for outcome in ["ok", "bad", "missing", "stale"] {
                self.signatures.of(&[&*bot.source, outcome]);
            }
        }
        for (route, _) in table.caches() {
            for outcome in Outcome::ALL {
                self.cached.of(&[route, outcome.name()]);
            }
        }
    }

    /// The rule by which traces are kept.
    pub(crate) fn keep(&self) -> &KeepPolicy {
        &self.keep
    }

    /// A connection came to this.
    pub(crate) fn connection(&self, outcome: Connected) {
        self.connections.of(&[outcome.name()]).increment();
    }

    /// A TLS handshake took this long and came to this, in this version if one was agreed on.
    pub(crate) fn handshake(&self, took: Duration, outcome: &'static str, version: &str) {
        self.handshakes.of(&[version, outcome]).record(took);
    }

    /// A request is being answered, until the returned value is dropped.
    pub(crate) fn active(&self, exchange: &Exchange) -> Held {
        self.active.of(&[exchange.method_name()]).hold()
    }

    /// A bucket decided.
    pub(crate) fn limit(&self, limited: &Limited) {
        let outcome = if limited.decision.allowed {
            "allowed"
        } else {
            "limited"
        };
        self.limits.of(&[&*limited.limiter, outcome]).increment();
    }

    /// A secret or a signature was checked.
    pub(crate) fn signature(&self, source: &str, outcome: &'static str) {
        self.signatures.of(&[source, outcome]).increment();
    }

    /// An access token was checked.
    pub(crate) fn access_token(&self, route: &str, outcome: &'static str) {
        self.access_tokens.of(&[route, outcome]).increment();
    }

    /// A request has ended, answered or not.
    pub(crate) fn finished(&self, exchange: &Exchange) {
        if let Some(outcome) = exchange.cached() {
            self.cached
                .of(&[exchange.route_name(), outcome.name()])
                .increment();
        }
        if exchange.is_refresh {
            // Nobody was answered.
            return;
        }
        // A sender who left before the answer got none: that request has no status.
        let status = exchange.status.as_ref().map_or("", StatusCode::as_str);
        let left = if exchange.status.is_none() {
            "client_closed"
        } else {
            ""
        };
        let reason = exchange.refusal.as_ref().map_or(left, Refusal::reason);
        self.requests
            .of(&[
                exchange.method_name(),
                exchange.route_name(),
                status,
                exchange.scheme,
                exchange.version,
                reason,
            ])
            .record(exchange.waited());
        let is_suspected = exchange
            .findings()
            .is_some_and(|findings| self.found(exchange, findings));
        let is_misfit = self.misfitted(exchange);
        if let Some(recent) = &exchange.recent {
            recent.note(exchange);
        }
        match &exchange.refusal {
            Some(refusal) => self.refused(exchange, refusal),
            None => self.answered(exchange, is_suspected || is_misfit),
        }
    }

    /// A cookie of an upstream was not set.
    pub(crate) fn cookie_dropped(&self, route: &str, cookie: &Unfit) {
        if !self.witnessed.check(&"cookie", Instant::now()).allowed {
            return;
        }
        tracing::warn!(
            name: "edge.cookie_dropped",
            { cookie.name = %cookie.name, reason = cookie.why, http.route = route },
            "A cookie that breaks its own rules was not set"
        );
    }

    /// The inspection found something. What was refused for it is told as a refusal. Whether the log names its trace.
    fn found(&self, exchange: &Exchange, findings: &Findings) -> bool {
        let outcome = findings.outcome();
        for finding in findings.iter() {
            let rule = finding.rule.rule().id;
            self.inspections
                .of(&[rule, finding.part.name(), outcome])
                .increment();
        }
        let is_told = findings.are_told() && exchange.refusal.is_none();
        if !is_told || !self.witnessed.check(&"inspected", Instant::now()).allowed {
            return false;
        }
        Trail::continuing(exchange.span).within(|| {
            tracing::info!(
                name: "edge.attack_suspected",
                { inspection = %findings, http.route = exchange.route_name() },
                "Something in a request looks like an attack"
            );
        });
        true
    }

    /// A request does not fit the document of its route. What was refused for it is told as a refusal. Whether the log
    /// names its trace.
    fn misfitted(&self, exchange: &Exchange) -> bool {
        let of = |outcome| self.misfits.of(&[exchange.route_name(), outcome]);
        if let Some(Refusal::Misfit(_)) = exchange.refusal {
            of("blocked").increment();
        }
        let Some(misfit) = exchange.described.noted() else {
            return false;
        };
        of("logged").increment();
        if !self.witnessed.check(&"misfit", Instant::now()).allowed {
            return false;
        }
        Trail::continuing(exchange.span).within(|| {
            tracing::info!(
                name: "edge.openapi_misfit",
                { openapi = %misfit, http.request.method = exchange.method_name(), http.route = exchange.route_name() },
                "A request does not fit the document of its route, and was handed on"
            );
        });
        true
    }

    /// Accepted webhooks carry their own spans away inside the message; of the others only what is slow, broken or named in the
    /// log is kept.
    fn answered(&self, exchange: &Exchange, is_named: bool) {
        let took = exchange.started.elapsed();
        // Asked first, since telling costs more than answering does.
        if tracing::enabled!(tracing::Level::DEBUG) {
            tell_answered(exchange, took);
        }
        let decision = match (&exchange.source, &exchange.repeats) {
            // Nothing was stored that could carry it either.
            (Some(_), None) if exchange.is_question => "answered",
            (Some(_), None) => return,
            // A repeat stores nothing that could carry its span, which links to the first one's.
            (Some(_), Some(_)) => "duplicate",
            (None, _) => "forwarded",
        };
        if is_named || exchange.span.sampled || self.keep.is_slow(took) {
            self.sinks
                .keep(vec![exchange.server_span(exchange.status, decision)]);
        }
    }

    fn refused(&self, exchange: &Exchange, refusal: &Refusal) {
        let source = exchange.source.as_deref().unwrap_or("none");
        self.rejected.of(&[source, refusal.reason()]).increment();
        if !self
            .witnessed
            .check(&refusal.reason(), Instant::now())
            .allowed
        {
            return;
        }
        let address = exchange.address.map(addresses::truncated);
        Trail::continuing(exchange.span).within(|| {
            tracing::info!(
                name: "edge.request_refused",
                {
                    decision = "refused",
                    reason = refusal.reason(),
                    detail = %refusal.detail(),
                    note = refusal.note(),
                    inspection = exchange.findings().map(tracing::field::display),
                    http.request.method = exchange.method_name(),
                    http.route = exchange.route_name(),
                    http.response.status_code = exchange.status.map(|status| status.as_u16()),
                    client.address = address.map(tracing::field::display),
                    sallyport.source = source,
                },
                "Request refused"
            );
        });
        self.sinks
            .keep(vec![exchange.server_span(exchange.status, "refused")]);
    }
}

fn tell_answered(exchange: &Exchange, took: Duration) {
    Trail::continuing(exchange.span).within(|| {
        tracing::debug!(
            name: "edge.request_answered",
            {
                http.request.method = exchange.method_name(),
                http.route = exchange.route_name(),
                http.response.status_code = exchange.status.map(|status| status.as_u16()),
                duration_ms = took.as_secs_f64() * 1e3,
            },
            "Request answered"
        );
    });
}
