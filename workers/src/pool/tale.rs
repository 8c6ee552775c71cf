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
        spans.extend(settle_span(finished, verdict, settled, time));
        if finished.message.attempts == 0
            && let Some(edge) = &finished.message.edge_spans
        {
            spans.extend(edge.iter().cloned());
        }
        self.sinks.keep(spans);
    }
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
    span.set("messaging.destination.name", finished.message.kind.clone());
    span.set("sallyport.outcome", word(verdict));
    span.set("messaging.batch.message_count", time.batch);
    if settled == Settled::Stale {
        span.set("error.type", "fenced");
        span.status =
            SpanStatus::Error(Cow::Borrowed("Another worker owns the partition").into_owned());
    }
    Some(span)
}
