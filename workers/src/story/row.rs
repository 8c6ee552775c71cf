//! One line of a story, as the API hands it out and the playground's page draws it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sallyport_telemetry::trace::{self, SpanKind, SpanRecord, SupportCode, TraceId, Value};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema::{AttributeValue, SupportCodeText, TraceIdText};

/// Longest error text of a row.
const ERROR_BYTES_MAX: usize = 500;

/// A piece of work or of waiting. Its fields are the API's: see `docs/api/ops.md`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Row {
    /// Unique within its story; of a span the span id.
    pub id: String,
    /// The row that it belongs under; only the root has none.
    pub parent: Option<String>,
    /// Rows above it.
    pub depth: u16,
    /// Who tells of it.
    pub source: RowSource,
    /// What it is.
    pub kind: RowKind,
    /// A template, never an id.
    pub name: String,
    /// From the beginning of the story.
    pub start_ms: f64,
    /// None while it goes on.
    pub duration_ms: Option<f64>,
    /// How it stands.
    pub status: RowStatus,
    /// Why it failed.
    pub error: Option<String>,
    /// The particulars.
    #[schema(value_type = BTreeMap<String, AttributeValue>)]
    pub attributes: BTreeMap<String, Value>,
    /// What happened in it.
    pub events: Vec<RowEvent>,
    /// Other traces that it points to.
    pub links: Vec<RowLink>,
}

/// Who tells of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RowSource {
    /// The queue's own rows.
    Queue,
    /// A recorded span.
    Span,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    /// A message from its acceptance to its end.
    Message,
    /// A message waits: for its turn, a retry, a worker.
    Wait,
    /// A handler works on a message.
    Attempt,
    /// Somebody's request, answered here.
    Server,
    /// Our request to somebody.
    Client,
    /// A message was put on the queue.
    Producer,
    /// Work on a message that the queue does not know (any more).
    Consumer,
    /// Work inside the process.
    Internal,
}

/// How a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RowStatus {
    /// Over, nothing to complain about.
    Ok,
    /// Over, failed.
    Error,
    /// Being worked on.
    Running,
    /// Waiting.
    Waiting,
}

/// Something that happened at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RowEvent {
    /// What.
    pub name: String,
    /// From the beginning of the story.
    pub at_ms: f64,
    /// The particulars.
    #[schema(value_type = BTreeMap<String, AttributeValue>)]
    pub attributes: BTreeMap<String, Value>,
}

/// Another trace.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RowLink {
    /// Which.
    #[schema(value_type = TraceIdText)]
    pub trace_id: TraceId,
    /// Its short form.
    #[schema(value_type = SupportCodeText)]
    pub code: SupportCode,
}

/// The beginning of a story, from which all its offsets count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin(pub(super) Timestamp);

impl Origin {
    /// Milliseconds from the beginning; clocks of two machines may disagree, so never below zero.
    pub(super) fn offset_ms(self, at: Timestamp) -> f64 {
        span_ms(self.0, at)
    }
}

/// Milliseconds between two moments, down to the microsecond, never below zero.
pub(super) fn span_ms(from: Timestamp, to: Timestamp) -> f64 {
    rounded(to.duration_since(from).as_secs_f64() * 1_000.0)
}

/// Milliseconds down to the microsecond: more digits would only pretend.
pub(super) fn rounded(ms: f64) -> f64 {
    (ms.max(0.0) * 1_000.0).round() / 1_000.0
}

impl Row {
    /// A row that the queue tells of, without particulars yet.
    pub(super) fn of_queue(id: String, kind: RowKind, name: String, start_ms: f64) -> Self {
        Self {
            id,
            parent: None,
            depth: 0,
            source: RowSource::Queue,
            kind,
            name,
            start_ms,
            duration_ms: None,
            status: RowStatus::Ok,
            error: None,
            attributes: BTreeMap::new(),
            events: Vec::new(),
            links: Vec::new(),
        }
    }

    /// The row of a recorded span.
    pub(super) fn of_span(span: SpanRecord, origin: Origin) -> Self {
        let error = span
            .error()
            .map(|text| sallyport_telemetry::cut(text, ERROR_BYTES_MAX).to_owned());
        Self {
            id: span.span_id.to_string(),
            parent: span.parent.map(|parent| parent.to_string()),
            depth: 0,
            source: RowSource::Span,
            kind: kind_of(span.kind),
            name: span.name.into_owned(),
            start_ms: origin.offset_ms(span.start),
            duration_ms: Some(rounded(span.duration as f64 / 1e6)),
            status: if error.is_some() {
                RowStatus::Error
            } else {
                RowStatus::Ok
            },
            error,
            attributes: named(span.attributes),
            events: span
                .events
                .into_iter()
                .map(|event| RowEvent::of_span(event, origin))
                .collect(),
            links: links(span.trace_id, &span.links),
        }
    }

    /// Marks the row as failed.
    pub(super) fn fail(&mut self, error: &str) {
        self.status = RowStatus::Error;
        self.error = Some(sallyport_telemetry::cut(error, ERROR_BYTES_MAX).to_owned());
    }

    /// Sets an attribute.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.attributes.insert(key.to_owned(), value.into());
    }

    /// When it ended; none while it goes on.
    pub(super) fn end_ms(&self) -> Option<f64> {
        self.duration_ms.map(|took| self.start_ms + took)
    }
}

impl RowEvent {
    pub(super) fn new(name: &str, at_ms: f64) -> Self {
        Self {
            name: name.to_owned(),
            at_ms,
            attributes: BTreeMap::new(),
        }
    }

    fn of_span(event: trace::SpanEvent, origin: Origin) -> Self {
        Self {
            name: event.name.into_owned(),
            at_ms: origin.offset_ms(event.at),
            attributes: named(event.attributes),
        }
    }
}

fn kind_of(kind: SpanKind) -> RowKind {
    match kind {
        SpanKind::Internal => RowKind::Internal,
        SpanKind::Server => RowKind::Server,
        SpanKind::Client => RowKind::Client,
        SpanKind::Producer => RowKind::Producer,
        SpanKind::Consumer => RowKind::Consumer,
    }
}

fn named(attributes: Vec<(std::borrow::Cow<'static, str>, Value)>) -> BTreeMap<String, Value> {
    attributes
        .into_iter()
        .map(|(key, value)| (key.into_owned(), value))
        .collect()
}

/// The traces that a span points to, each once, its own left out.
fn links(own: TraceId, links: &[trace::SpanContext]) -> Vec<RowLink> {
    let mut traces: Vec<TraceId> = links
        .iter()
        .map(|link| link.trace_id)
        .filter(|trace| *trace != own)
        .collect();
    traces.sort_unstable();
    traces.dedup();
    traces
        .into_iter()
        .map(|trace_id| RowLink {
            trace_id,
            code: trace_id.support_code(),
        })
        .collect()
}
