//! Where kept spans go. A sink never blocks its caller: what it cannot take it drops and counts
//! (`sallyport_telemetry_dropped_total`).

use std::sync::Arc;

use super::SpanRecord;

/// Takes spans that are worth keeping.
pub trait SpanSink: Send + Sync {
    /// Takes the spans of one unit of work. Returns at once, whatever happens to them.
    fn keep(&self, spans: Vec<SpanRecord>);
}

/// Several sinks as one; with none in it, spans are simply not kept.
#[derive(Clone, Default)]
pub struct Sinks(pub Vec<Arc<dyn SpanSink>>);

impl SpanSink for Sinks {
    fn keep(&self, spans: Vec<SpanRecord>) {
        if let Some((last, others)) = self.0.split_last() {
            for sink in others {
                sink.keep(spans.clone());
            }
            last.keep(spans);
        }
    }
}
