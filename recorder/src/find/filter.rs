//! What may be asked of the recorder, and what it answers.

use std::time::Duration;

use jiff::Timestamp;
use sallyport_telemetry::trace::TraceId;
use serde::Serialize;
use tokio_postgres::types::ToSql;

use crate::row::day;

const LIMIT: u16 = 50;
const LIMIT_MAX: u16 = 200;

/// Which traces to find: those that meet all the conditions given. The default finds the newest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceFilter {
    /// The template of an HTTP route.
    pub route: Option<String>,
    /// A kind of message.
    pub kind: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// A span that took at least so long.
    pub over: Option<Duration>,
    /// A span that began then or later.
    pub since: Option<Timestamp>,
    /// How many traces at most; 0 means 50, more than 200 means 200.
    pub limit: u16,
}

/// How the kept spans of a trace ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing failed.
    Ok,
    /// A span failed; a later attempt may have made it good, which the queue's own rows know.
    Error,
    /// The edge answered with a 4xx: nothing was stored.
    Refused,
}

/// A trace in one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TraceSummary {
    /// The trace.
    pub trace_id: TraceId,
    /// The name of its root span, or of the earliest that was kept.
    pub name: String,
    /// The route that it came in by.
    pub route: Option<String>,
    /// The kind of its first message.
    pub kind: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// When its first kept span began.
    pub started_at: Timestamp,
    /// From there to the end of the last one, in milliseconds.
    pub duration_ms: f64,
    /// How many spans are kept of it.
    pub spans: u32,
}

/// A filter as SQL: conditions with numbered parameters, and their values.
pub(super) struct Condition {
    pub(super) text: String,
    pub(super) values: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl TraceFilter {
    pub(super) fn traces_max(&self) -> u16 {
        if self.limit == 0 {
            LIMIT
        } else {
            self.limit.min(LIMIT_MAX)
        }
    }

    /// Only what was asked for becomes a condition, so that the planner sees through it.
    ///
    /// A route, a duration and a moment are asked of one span. The kind is too, unless a route is asked for, which another span of
    /// the trace carries; and how a trace ended is asked of all its spans.
    pub(super) fn condition(&self) -> Condition {
        let mut condition = Condition {
            text: "true".to_owned(),
            values: Vec::new(),
        };
        if let Some(route) = &self.route {
            condition.and("route = $", route.clone(), "");
        }
        match &self.kind {
            Some(kind) if self.route.is_some() => {
                condition.and(
                    &format!("EXISTS ({SAME_TRACE} AND o.kind = $"),
                    kind.clone(),
                    ")",
                );
            }
            Some(kind) => condition.and("kind = $", kind.clone(), ""),
            None => {}
        }
        if let Some(over) = self.over {
            let over = i64::try_from(over.as_nanos()).unwrap_or(i64::MAX);
            condition.and("duration_ns >= $", over, "");
        }
        if let Some(outcome) = self.outcome {
            // Nothing else asked of the span: then the index of failed spans leads there directly.
            let alone = self.route.is_none() && self.kind.is_none() && self.over.is_none();
            condition.text.push_str(&ended(outcome, alone));
        }
        if let Some(since) = self.since {
            condition.and("started_at >= $", since, "");
            // The same once more in terms of the partitions, so that older days are not opened.
            condition.and("day >= $", day(since), "");
        }
        condition
    }
}

const SAME_TRACE: &str = "SELECT FROM spans o WHERE o.trace_id = s.trace_id";
const REFUSED: &str = "o.server AND o.status BETWEEN 400 AND 499";

fn ended(outcome: Outcome, alone: bool) -> String {
    match outcome {
        Outcome::Error if alone => " AND failed".to_owned(),
        Outcome::Refused if alone => " AND server AND status BETWEEN 400 AND 499".to_owned(),
        Outcome::Error => format!(" AND EXISTS ({SAME_TRACE} AND o.failed)"),
        Outcome::Refused => format!(" AND EXISTS ({SAME_TRACE} AND {REFUSED})"),
        Outcome::Ok => format!(" AND NOT EXISTS ({SAME_TRACE} AND (o.failed OR ({REFUSED})))"),
    }
}

impl Condition {
    /// Adds a condition on a value: its text, the number of its parameter, and what closes it.
    fn and(&mut self, text: &str, value: impl ToSql + Sync + Send + 'static, close: &str) {
        self.values.push(Box::new(value));
        let parameter = self.values.len();
        self.text
            .push_str(&format!(" AND {text}{parameter}{close}"));
    }
}
