//! A log line before it has a form: what a `tracing` event says, with limits.

use std::fmt::Write as _;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};
use tracing_log::NormalizeEvent as _;

use crate::trace::{self, SpanContext};
use crate::{Chain, cut};

/// Bytes of one field; what is longer is cut.
pub(super) const FIELD_BYTES_MAX: usize = 8192;
/// Fields of one line.
const FIELDS_MAX: usize = 64;

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Int(i64),
    Uint(u64),
    Float(f64),
    Bool(bool),
}

/// What one event says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) level: Level,
    /// The name that the event was given, such as `intake.accepted`; none for lines of dependencies.
    pub(super) name: Option<&'static str>,
    /// The module that a nameless line comes from.
    pub(super) target: String,
    pub(super) body: String,
    pub(super) fields: Vec<(&'static str, Value)>,
    pub(super) trace: Option<SpanContext>,
}

impl Line {
    /// Captures an event. The trace is that of the task that emits it.
    pub(super) fn capture(event: &Event<'_>) -> Self {
        let from_log = event.normalized_metadata();
        let metadata = from_log.as_ref().unwrap_or_else(|| event.metadata());
        let mut line = Self {
            at: Timestamp::now(),
            level: *metadata.level(),
            name: given_name(event),
            target: metadata.target().to_owned(),
            body: String::new(),
            fields: Vec::new(),
            trace: trace::current(),
        };
        event.record(&mut line);
        line
    }

    fn put(&mut self, field: &Field, value: Value) {
        let name = field.name();
        // What the bridge from the `log` crate adds is in `target` and `level` already.
        if name.starts_with("log.") {
            return;
        }
        match value {
            Value::Text(text) if name == "message" => self.body = text,
            value if self.fields.len() < FIELDS_MAX => self.fields.push((name, value)),
            _ => {}
        }
    }
}

/// The name of an event, unless it is the place in the source that `tracing` gives to those without.
fn given_name(event: &Event<'_>) -> Option<&'static str> {
    let name = event.metadata().name();
    (!name.starts_with("event ") && name != "log event" && name != "log record").then_some(name)
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut bounded = Bounded(String::new());
        // It fails when the text is longer than a field may be; what has been written by then is what is kept.
        let _cut_short = write!(bounded, "{value:?}");
        self.put(field, Value::Text(bounded.0));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::Text(cut(value, FIELD_BYTES_MAX).to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::Uint(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Bool(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &Chain(value));
    }
}

/// A text that stops growing at the length of a field, so that printing a huge value costs no more than a field.
struct Bounded(String);

impl std::fmt::Write for Bounded {
    fn write_str(&mut self, more: &str) -> std::fmt::Result {
        let room = FIELD_BYTES_MAX.saturating_sub(self.0.len());
        let fits = cut(more, room);
        self.0.push_str(fits);
        if fits.len() == more.len() {
            Ok(())
        } else {
            Err(std::fmt::Error)
        }
    }
}
