//! A span as a row: the columns that are searched, and the whole record beside them.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sallyport_telemetry::trace::{SpanKind, SpanRecord, Value};
use tokio_postgres::types::{ToSql, Type};

/// The statement that takes rows.
pub(crate) const COPY: &str = "COPY spans (day, trace_id, span_id, parent_id, name, server, started_at, duration_ns, failed, \
     route, kind, status, record) FROM STDIN BINARY";

/// The types of its columns.
pub(crate) const TYPES: [Type; 13] = [
    Type::DATE,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
    Type::TEXT,
    Type::BOOL,
    Type::TIMESTAMPTZ,
    Type::INT8,
    Type::BOOL,
    Type::TEXT,
    Type::TEXT,
    Type::INT2,
    Type::BYTEA,
];

/// The attribute by which a span belongs to an HTTP route.
const ROUTE: &str = "http.route";
/// The attribute by which a span belongs to a kind of message.
const KIND: &str = "messaging.destination.name";
/// The attribute that holds the status of an answer.
const STATUS: &str = "http.response.status_code";

/// One row of `spans`.
pub(crate) struct Row {
    day: Date,
    trace_id: Vec<u8>,
    span_id: Vec<u8>,
    parent_id: Option<Vec<u8>>,
    name: String,
    server: bool,
    started_at: Timestamp,
    duration_ns: i64,
    failed: bool,
    route: Option<String>,
    kind: Option<String>,
    status: Option<i16>,
    record: Vec<u8>,
}

impl Row {
    /// The row of a span; none for a record that JSON cannot hold, which the limits of spans leave no room for.
    pub(crate) fn of(span: &SpanRecord) -> Option<Self> {
        Some(Self {
            day: day(span.start),
            trace_id: span.trace_id.as_bytes().to_vec(),
            span_id: span.span_id.as_bytes().to_vec(),
            parent_id: span.parent.map(|parent| parent.as_bytes().to_vec()),
            name: text(&span.name).into_owned(),
            server: span.kind == SpanKind::Server,
            started_at: span.start,
            duration_ns: i64::try_from(span.duration).unwrap_or(i64::MAX),
            failed: span.error().is_some(),
            route: text_of(span, ROUTE),
            kind: text_of(span, KIND),
            status: status(span),
            record: serde_json::to_vec(span).ok()?,
        })
    }

    /// The values in the order of the columns.
    pub(crate) fn values(&self) -> [&(dyn ToSql + Sync); 13] {
        [
            &self.day,
            &self.trace_id,
            &self.span_id,
            &self.parent_id,
            &self.name,
            &self.server,
            &self.started_at,
            &self.duration_ns,
            &self.failed,
            &self.route,
            &self.kind,
            &self.status,
            &self.record,
        ]
    }
}

/// The day of a moment, which is always that of UTC.
pub(crate) fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// A text that a column can hold: Postgres refuses NUL, and one refused row would cost the whole batch.
fn text(given: &str) -> Cow<'_, str> {
    if given.contains('\0') {
        Cow::Owned(given.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(given)
    }
}

fn text_of(span: &SpanRecord, attribute: &str) -> Option<String> {
    span.attribute(attribute)
        .and_then(Value::as_str)
        .map(|value| text(value).into_owned())
}

fn status(span: &SpanRecord) -> Option<i16> {
    match span.attribute(STATUS)? {
        Value::Int(status) => i16::try_from(*status).ok(),
        Value::Str(status) => status.parse().ok(),
        Value::Bool(_) | Value::Float(_) => None,
    }
}
