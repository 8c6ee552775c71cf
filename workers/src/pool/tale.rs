//! What is kept of an attempt: its spans, the settlement's, and the edge's, when they are worth keeping.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sallyport_queue::{Settled, Verdict};
use sallyport_telemetry::trace::{KeepPolicy, SpanKind, SpanRecord, SpanSink, SpanStatus};

use super::attempt::Finished;
use super::verdict::word;

/// When a settlement was sent, and how long it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct SettleTime {
    pub(super) sent_at: Timestamp,
    pub(super) took: Duration,
    pub(super) batch: usize,
}

/// Decides about the spans of finished attempts and passes them on.
pub(super) struct Teller {
    sinks: Arc<dyn SpanSink>,
    keep: KeepPolicy,
}

impl Teller {
    pub(super) fn new(sinks: Arc<dyn SpanSink>, keep: KeepPolicy) -> Self {
        Self { sinks, keep }
    }

    /// Keeps the tale of an attempt if it failed, was slow, was refused or belongs to the sample.
    pub(super) fn tell(
        &self,
        finished: &mut Finished,
        verdict: &Verdict,
        settled: Settled,
        time: SettleTime,
    ) {
        let sampled = finished.message.trace.sampled;
        let worth_it = settled == Settled::Stale || self.keep.keeps(&finished.spans, sampled);
        if !worth_it {
            return;
        }
        let mut spans = std::mem::take(&mut finished.spans);
        if let Some(process) = finished.process
            && let Some(span) = spans
                .iter_mut()
                .find(|span| span.span_id == process.span_id)
        {
            describe(span, finished);
        }
        spans.extend(settle_span(finished, verdict, settled, time));
        if finished.message.attempts == 0
            && let Some(edge) = &finished.message.edge_spans
        {
            spans.extend(edge.iter().cloned());
        }
        self.sinks.keep(spans);
    }
}

/// The particulars of the `process` span.
fn describe(span: &mut SpanRecord, finished: &Finished) {
    let message = &finished.message;
    span.set("messaging.system", "sallyport");
    span.set("messaging.operation.name", "process");
    span.set("messaging.destination.name", message.kind.to_string());
    span.set("messaging.message.id", message.id.0.to_string());
    span.set("sallyport.attempt", finished.attempt);
    span.set("sallyport.wait_seconds", message.waited.as_secs_f64());
    span.set("sallyport.lease.token", message.token.0);
    span.set("sallyport.outcome", finished.came_to);
}

fn settle_span(
    finished: &Finished,
    verdict: &Verdict,
    settled: Settled,
    time: SettleTime,
) -> Option<SpanRecord> {
    let process = finished.process?;
    let context = process.child();
    let mut span = SpanRecord {
        trace_id: context.trace_id,
        span_id: context.span_id,
        parent: Some(process.span_id),
        links: Vec::new(),
        name: finished.kind.settle_name.clone(),
        kind: SpanKind::Client,
        start: time.sent_at,
        duration: u64::try_from(time.took.as_nanos()).unwrap_or(u64::MAX),
        status: SpanStatus::Unset,
        attributes: Vec::with_capacity(4),
        events: Vec::new(),
    };
    span.set("messaging.system", "sallyport");
    span.set("messaging.operation.name", "settle");
    span.set(
        "messaging.destination.name",
        finished.message.kind.to_string(),
    );
    span.set("sallyport.outcome", word(verdict));
    span.set("messaging.batch.message_count", time.batch);
    if settled == Settled::Stale {
        span.set("error.type", "fenced");
        span.status =
            SpanStatus::Error(Cow::Borrowed("Another worker owns the partition").into_owned());
    }
    Some(span)
}
