//! The last deliveries of a hook, as the edge saw them: those that it stored, and those that it refused.
//!
//! It exists for whoever sets a hook up and asks "did anything come, and why was it not taken?". It is memory: bounded, of this edge
//! alone, and empty after a restart. What was stored is in the queue for as long as the log of messages is kept; what was refused
//! is nowhere else, and a flood of it must fill nobody's disk. No body and no field of a request is kept.

use std::collections::VecDeque;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use parking_lot::Mutex;
use sallyport_telemetry::cut;
use sallyport_telemetry::trace::TraceId;
use serde::Serialize;

use crate::exchange::Exchange;
use crate::refusal::Refusal;
use crate::routes::RouteTable;

/// Deliveries that are remembered of each hook, and as many refusals beside them: a flood of forgeries pushes out no genuine one. One
/// takes about 120 bytes, with its words up to 380, so a thousand hooks that are busy and under attack take 50 MB.
const REMEMBERED: usize = 100;
/// Bytes of a refusal's words: they may name what somebody sent.
const DETAIL_BYTES_MAX: usize = 256;

/// The last deliveries of one hook.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Lists>);

#[derive(Default)]
struct Lists {
    taken: VecDeque<Seen>,
    refused: VecDeque<Seen>,
}

/// A delivery that came.
struct Seen {
    at: Timestamp,
    verdict: &'static str,
    /// What its sender read, where it was refused.
    detail: Option<String>,
    status: Option<StatusCode>,
    trace: TraceId,
    bytes: usize,
    took: Duration,
}

/// The same as it is shown.
#[derive(Serialize)]
struct Shown {
    at: Timestamp,
    /// `accepted`, `duplicate`, `question`, or the reason of a refusal as metrics spell it.
    verdict: &'static str,
    detail: Option<String>,
    /// None: the sender left before there was an answer.
    status: Option<u16>,
    trace_id: TraceId,
    code: String,
    /// What was read of the body.
    body_bytes: usize,
    duration_ms: f64,
}

/// One hook, or one of several that are called the same on different routes.
#[derive(Serialize)]
struct Hook<'h> {
    source: &'h str,
    route: &'h str,
    /// The newest first.
    deliveries: Vec<Shown>,
    refused: Vec<Shown>,
}

#[derive(Serialize)]
struct Page<'h> {
    hooks: Vec<Hook<'h>>,
}

impl Recent {
    /// Remembers what became of a delivery, in the place of the oldest one. Costs a lock, and for a refusal a text.
    pub(crate) fn note(&self, exchange: &Exchange) {
        let seen = Seen {
            at: Timestamp::now(),
            verdict: verdict(exchange),
            detail: exchange.refusal.as_ref().map(detail),
            status: exchange.status,
            trace: exchange.span.trace_id,
            bytes: exchange.body_bytes,
            took: exchange.started.elapsed(),
        };
        let mut lists = self.0.lock();
        let list = match &exchange.refusal {
            Some(_) => &mut lists.refused,
            None => &mut lists.taken,
        };
        if list.len() >= REMEMBERED {
            list.pop_front();
        }
        list.push_back(seen);
    }

    fn shown<'h>(&self, source: &'h str, route: &'h str) -> Hook<'h> {
        let lists = self.0.lock();
        Hook {
            source,
            route,
            deliveries: lists.taken.iter().rev().map(Seen::shown).collect(),
            refused: lists.refused.iter().rev().map(Seen::shown).collect(),
        }
    }
}

impl Seen {
    fn shown(&self) -> Shown {
        Shown {
            at: self.at,
            verdict: self.verdict,
            detail: self.detail.clone(),
            status: self.status.map(|status| status.as_u16()),
            trace_id: self.trace,
            code: self.trace.support_code().to_string(),
            body_bytes: self.bytes,
            duration_ms: self.took.as_secs_f64() * 1e3,
        }
    }
}

/// What its sender read, or the beginning of it.
fn detail(refusal: &Refusal) -> String {
    cut(&refusal.detail(), DETAIL_BYTES_MAX).to_owned()
}

/// What became of it, in a word.
fn verdict(exchange: &Exchange) -> &'static str {
    match (&exchange.refusal, &exchange.repeats) {
        (Some(refusal), _) => refusal.reason(),
        (None, _) if exchange.status.is_none() => "client_closed",
        (None, Some(_)) => "duplicate",
        (None, None) if exchange.is_question => "question",
        (None, None) => "accepted",
    }
}

/// The page `/hooks/{name}/deliveries`, as JSON; nothing for another path, or a hook that nobody has registered.
pub(crate) fn page(table: &RouteTable, path: &str) -> Option<String> {
    let name = path.strip_prefix("/hooks/")?.strip_suffix("/deliveries")?;
    let accepting = table
        .iter()
        .filter_map(|route| Some((route, route.accepting()?)));
    let hooks: Vec<_> = accepting
        .filter_map(|(route, accepting)| {
            let bot = accepting.bot(name)?;
            Some(bot.recent.shown(&bot.source, &route.template))
        })
        .collect();
    if hooks.is_empty() {
        return None;
    }
    serde_json::to_string(&Page { hooks }).ok()
}
