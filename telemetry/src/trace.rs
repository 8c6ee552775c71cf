//! Traces: what happened to one message, from the tap on a phone to the reply.
//!
//! The model is our own and small: a [`Trail`] gathers the finished spans of one unit of work (a request, one attempt at a
//! message) in memory, and only its end decides whether they are worth keeping. A tracing SDK decides at the beginning, which is
//! exactly when nobody knows yet that the message will fail. Keeping is left to a [`SpanSink`]: the flight recorder, OTLP, or both.

mod code;
mod context;
mod ids;
mod keep;
mod otlp;
mod queue;
mod record;
mod sink;
mod span;
mod trail;

pub use code::{ParseCodeError, SupportCode};
pub use context::{ParseContextError, SpanContext};
pub use ids::{ParseIdError, SpanId, TraceId};
pub use keep::KeepPolicy;
pub use otlp::{Otlp, OtlpError, OtlpHeaders, OtlpSettings};
pub use queue::{Batches, SpanQueue, span_queue};
pub use record::{
    ATTRIBUTES_MAX, EVENTS_MAX, LINKS_MAX, SpanEvent, SpanKind, SpanRecord, SpanStatus,
    VALUE_BYTES_MAX, Value,
};
pub use sink::{Sinks, SpanSink};
pub use span::Span;
pub use trail::{SPANS_MAX, Trail, carry, current, start};

#[cfg(test)]
mod tests;
