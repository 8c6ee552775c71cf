//! From our record of a span to OpenTelemetry's.

use std::time::{Duration, SystemTime};

use opentelemetry::trace as otel;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::trace::{SpanContext, SpanEvent, SpanId, SpanKind, SpanRecord, SpanStatus, Value};

/// The same span in the exporter's words.
pub(super) fn span_data(span: SpanRecord) -> SpanData {
    let start_time = SystemTime::from(span.start);
    let mut events = SpanEvents::default();
    events.events = span.events.into_iter().map(event).collect();
    let mut links = SpanLinks::default();
    links.links = span
        .links
        .iter()
        .map(|link| otel::Link::new(context(*link), Vec::new(), 0))
        .collect();
    SpanData {
        // What arrives here has been chosen for keeping, whatever was thought of it when it began.
        span_context: context(SpanContext {
            trace_id: span.trace_id,
            span_id: span.span_id,
            sampled: true,
        }),
        parent_span_id: span.parent.map_or(otel::SpanId::INVALID, span_id),
        parent_span_is_remote: false,
        span_kind: kind(span.kind),
        name: span.name,
        start_time,
        end_time: start_time + Duration::from_nanos(span.duration),
        attributes: attributes(span.attributes),
        dropped_attributes_count: 0,
        events,
        links,
        status: match span.status {
            SpanStatus::Unset => otel::Status::Unset,
            SpanStatus::Error(text) => otel::Status::error(text),
        },
        instrumentation_scope: InstrumentationScope::builder("sallyport").build(),
    }
}

fn span_id(id: SpanId) -> otel::SpanId {
    otel::SpanId::from_bytes(id.to_bytes())
}

fn context(context: SpanContext) -> otel::SpanContext {
    let flags = if context.sampled {
        otel::TraceFlags::SAMPLED
    } else {
        otel::TraceFlags::NOT_SAMPLED
    };
    let trace_id = otel::TraceId::from_bytes(context.trace_id.to_bytes());
    otel::SpanContext::new(
        trace_id,
        span_id(context.span_id),
        flags,
        false,
        otel::TraceState::NONE,
    )
}

fn kind(kind: SpanKind) -> otel::SpanKind {
    match kind {
        SpanKind::Internal => otel::SpanKind::Internal,
        SpanKind::Server => otel::SpanKind::Server,
        SpanKind::Client => otel::SpanKind::Client,
        SpanKind::Producer => otel::SpanKind::Producer,
        SpanKind::Consumer => otel::SpanKind::Consumer,
    }
}

fn event(event: SpanEvent) -> otel::Event {
    otel::Event::new(
        event.name,
        SystemTime::from(event.at),
        attributes(event.attributes),
        0,
    )
}

fn attributes(attributes: Vec<(std::borrow::Cow<'static, str>, Value)>) -> Vec<KeyValue> {
    let value = |value| match value {
        Value::Bool(value) => opentelemetry::Value::Bool(value),
        Value::Int(number) => opentelemetry::Value::I64(number),
        Value::Float(number) => opentelemetry::Value::F64(number),
        Value::Str(text) => opentelemetry::Value::String(text.into()),
    };
    attributes
        .into_iter()
        .map(|(key, given)| KeyValue::new(key, value(given)))
        .collect()
}
