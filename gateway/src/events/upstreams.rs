//! What happens to the upstreams of a group, and what becomes of the requests that are sent to them.

use std::net::SocketAddr;
use std::time::Duration;

use sallyport_telemetry::metrics::{Counter, Counters, Gauge};
use sallyport_telemetry::{Chain, Event, Label, Metric, counter, gauge};

use crate::upstreams::{LookupError, State};

/// What came of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok,
    /// One of the statuses that count as a failure.
    ServerError,
    Connect,
    Broken,
    TooSlow,
    /// It ended before there was anything to learn from it: the caller left.
    Abandoned,
}

/// The series of one group. Those that requests move are looked up once.
pub(crate) struct GroupMeters {
    verdicts: Verdicts,
    retried: Counter,
    over_budget: Counter,
    in_flight: Gauge,
    states: [(State, Gauge); State::ALL.len()],
    changes: Counters,
    lookups: Counters,
}

struct Verdicts {
    ok: Counter,
    server_error: Counter,
    connect: Counter,
    broken: Counter,
    too_slow: Counter,
    abandoned: Counter,
}

impl GroupMeters {
    pub(crate) fn new(group: &str) -> Self {
        let of = |metric, outcome| {
            let labels = [(Label::Group, group), (Label::Outcome, outcome)];
            counter(metric, &labels)
        };
        let requests = |outcome| of(Metric::UpstreamRequests, outcome);
        let state = |state: State| {
            let labels = [(Label::Group, group), (Label::State, state.name())];
            (state, gauge(Metric::Upstreams, &labels))
        };
        let meters = Self {
            verdicts: Verdicts {
                ok: requests("ok"),
                server_error: requests("server_error"),
                connect: requests("connect"),
                broken: requests("broken"),
                too_slow: requests("too_slow"),
                abandoned: requests("abandoned"),
            },
            retried: of(Metric::UpstreamRetries, "sent"),
            over_budget: of(Metric::UpstreamRetries, "over_budget"),
            in_flight: gauge(Metric::UpstreamRequestsInFlight, &[(Label::Group, group)]),
            states: State::ALL.map(state),
            changes: Counters::new(Metric::UpstreamChanges),
            lookups: Counters::new(Metric::UpstreamLookups),
        };
        for outcome in What::OUTCOMES {
            meters.changes.of(&[group, outcome]);
        }
        for outcome in ["ok", "failed"] {
            meters.lookups.of(&[group, outcome]);
        }
        meters
    }

    /// An attempt came to this. One atomic addition.
    pub(crate) fn verdict(&self, verdict: Verdict) {
        let verdicts = &self.verdicts;
        let counter = match verdict {
            Verdict::Ok => &verdicts.ok,
            Verdict::ServerError => &verdicts.server_error,
            Verdict::Connect => &verdicts.connect,
            Verdict::Broken => &verdicts.broken,
            Verdict::TooSlow => &verdicts.too_slow,
            Verdict::Abandoned => &verdicts.abandoned,
        };
        counter.increment();
    }

    /// A request was sent again, or was not because too many are.
    pub(crate) fn retry(&self, is_covered: bool) {
        let counter = match is_covered {
            true => &self.retried,
            false => &self.over_budget,
        };
        counter.increment();
    }

    /// How the members are now: the state of each, and what they have in hand together.
    pub(crate) fn census(&self, members: impl Iterator<Item = (State, u32)> + Clone) {
        for (state, gauge) in &self.states {
            gauge.set_count(members.clone().filter(|(of, _)| of == state).count());
        }
        let in_flight: f64 = members.map(|(_, in_flight)| f64::from(in_flight)).sum();
        self.in_flight.set(in_flight);
    }

    /// The group is gone.
    pub(crate) fn retire(&self) {
        self.census(std::iter::empty());
    }
}

/// What happened to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// It is left alone for so long, because its requests failed.
    Ejected(Duration),
    /// That is over.
    Back,
    /// Its page says that it does not work.
    Down,
    /// Its page says that it works again.
    Up,
    /// It failed so much that nothing is sent to it.
    Opened,
    /// It is asked again.
    Closed,
    /// Its address is new.
    Joined,
    /// Its address is not among those of the group any more.
    Left,
}

impl What {
    const OUTCOMES: [&str; 8] = [
        "ejected", "back", "down", "up", "opened", "closed", "joined", "left",
    ];

    fn outcome(self) -> &'static str {
        match self {
            Self::Ejected(_) => "ejected",
            Self::Back => "back",
            Self::Down => "down",
            Self::Up => "up",
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Joined => "joined",
            Self::Left => "left",
        }
    }
}

/// Something happened to an upstream that changes who is asked.
pub(crate) struct Happened<'a> {
    pub(crate) group: &'a str,
    pub(crate) address: SocketAddr,
    pub(crate) what: What,
}

impl Event for Happened<'_> {
    type Meters = GroupMeters;

    fn emit(&self, meters: &GroupMeters) {
        let outcome = self.what.outcome();
        meters.changes.of(&[self.group, outcome]).increment();
        macro_rules! told {
            ($level:ident, $name:literal, $text:literal $(, $rest:tt = $value:expr)?) => {
                tracing::$level!(
                    name: $name,
                    { upstreams = self.group, server.address = %self.address $(, $rest = $value)? },
                    $text
                )
            };
        }
        match self.what {
            What::Ejected(rest) => told!(
                warn,
                "edge.upstream_ejected",
                "An upstream fails and is left alone for a while",
                duration_ms = rest.as_millis() as u64
            ),
            What::Back => told!(info, "edge.upstream_back", "An upstream is asked again"),
            What::Down => told!(
                warn,
                "edge.upstream_down",
                "The health page of an upstream does not answer well"
            ),
            What::Up => told!(
                info,
                "edge.upstream_up",
                "The health page of an upstream answers well again"
            ),
            What::Opened => told!(
                warn,
                "edge.upstream_circuit_opened",
                "An upstream fails so much that it is spared all requests"
            ),
            What::Closed => told!(
                info,
                "edge.upstream_circuit_closed",
                "An upstream has answered again and gets requests"
            ),
            What::Joined => told!(info, "edge.upstream_joined", "An upstream is new"),
            What::Left => told!(info, "edge.upstream_left", "An upstream is gone"),
        }
    }
}

/// Somebody was asked where the upstreams of a group are.
pub(crate) struct LookedUp<'a> {
    pub(crate) group: &'a str,
    pub(crate) error: Option<&'a LookupError>,
    /// How often in a row that has failed before.
    pub(crate) failures: u16,
}

impl Event for LookedUp<'_> {
    type Meters = GroupMeters;

    fn emit(&self, meters: &GroupMeters) {
        let outcome = if self.error.is_some() { "failed" } else { "ok" };
        meters.lookups.of(&[self.group, outcome]).increment();
        match self.error {
            Some(error) => tracing::warn!(
                name: "edge.upstreams_not_looked_up",
                { upstreams = self.group, error = %Chain(error) },
                "The upstreams could not be looked up; those of before are kept"
            ),
            None if self.failures > 0 => tracing::info!(
                name: "edge.upstreams_looked_up_again",
                { upstreams = self.group, failures = self.failures },
                "The upstreams could be looked up again"
            ),
            None => {}
        }
    }
}
