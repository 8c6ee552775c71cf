//! Which traces are worth keeping: all that failed or were slow, and a sample of the rest.

use std::time::Duration;

use serde::Deserialize;
use validator::Validate;

use super::{SpanContext, SpanRecord, SpanStatus, TraceId};

/// One in twenty of the ordinary traces, enough to know what ordinary looks like.
const RATIO: f64 = 0.05;
/// A unit of work that takes longer is worth a look; the budget of a request at the edge.
const SLOW_MS: u64 = 200;

/// The rule by which a unit of work's spans are kept.
#[derive(Debug, Clone, PartialEq, Deserialize, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct KeepPolicy {
    /// The share of new traces that is kept whatever happens, between 0 and 1. 1 keeps all.
    #[validate(range(min = 0.0, max = 1.0, message = "must be between 0 and 1"))]
    pub ratio: f64,
    /// A span of at least this many milliseconds makes its unit of work worth keeping.
    #[validate(range(min = 1, message = "must be at least 1"))]
    pub slow_ms: u64,
}

impl Default for KeepPolicy {
    fn default() -> Self {
        Self {
            ratio: RATIO,
            slow_ms: SLOW_MS,
        }
    }
}

impl KeepPolicy {
    /// The context of a new trace, with the decision whether it belongs to the sample.
    pub fn new_root(&self) -> SpanContext {
        let root = SpanContext::new_root(false);
        SpanContext {
            sampled: self.samples(root.trace_id),
            ..root
        }
    }

    /// Whether a trace belongs to the sample. Read off the id, so that every process agrees without asking.
    pub fn samples(&self, trace_id: TraceId) -> bool {
        // The low 53 bits fill a double's mantissa exactly; the high 40 are the support code's and stay independent of this.
        let low = trace_id
            .to_bytes()
            .into_iter()
            .skip(8)
            .fold(0u64, |number, byte| (number << 8) | u64::from(byte));
        let share = (low >> 11) as f64 / (1u64 << 53) as f64;
        share < self.ratio
    }

    /// Whether these spans of one unit of work are to be kept. `sampled` is what their trace's context says.
    pub fn keeps(&self, spans: &[SpanRecord], sampled: bool) -> bool {
        let is_telling = |span: &SpanRecord| {
            span.status != SpanStatus::Unset || self.is_slow(Duration::from_nanos(span.duration))
        };
        sampled || spans.iter().any(is_telling)
    }

    /// Whether work that took so long is worth keeping for that alone.
    pub fn is_slow(&self, took: Duration) -> bool {
        took >= Duration::from_millis(self.slow_ms)
    }
}
