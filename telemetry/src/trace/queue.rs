//! The bounded queue between those who keep spans and the task that writes them somewhere.
//!
//! Its bound is in spans, because a unit of work may have one or a thousand of them, and what is bounded is memory. Every sink
//! stands on it, so that all of them drop, count and stop in the same way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{SpanRecord, SpanSink};
use crate::catalogue::{Label, Metric};
use crate::metrics::{Gauge, dropped, gauge};

/// Units of work that wait at most, whatever their size: the queue's own places are memory, too.
const UNITS_MAX: usize = 16_384;

/// The end at which spans are kept. It never blocks; what does not fit is dropped and counted.
#[derive(Clone)]
pub struct SpanQueue {
    signal: &'static str,
    spans_max: usize,
    waiting: Arc<AtomicUsize>,
    units: mpsc::Sender<Vec<SpanRecord>>,
}

/// The end at which one task takes spans, in batches.
pub struct Batches {
    signal: &'static str,
    waiting: Arc<AtomicUsize>,
    units: mpsc::Receiver<Vec<SpanRecord>>,
    length: Gauge,
}

/// A queue for at most so many spans. `signal` is the label under which its length and its losses are counted.
pub fn span_queue(signal: &'static str, spans_max: usize) -> (SpanQueue, Batches) {
    let (put, take) = mpsc::channel(UNITS_MAX.min(spans_max.max(1)));
    let waiting = Arc::new(AtomicUsize::new(0));
    let length = gauge(Metric::TelemetryQueueLength, &[(Label::Signal, signal)]);
    for reason in ["queue_full", "stopped", "shutdown"] {
        dropped(signal, reason, 0);
    }
    let queue = SpanQueue {
        signal,
        spans_max,
        waiting: Arc::clone(&waiting),
        units: put,
    };
    let batches = Batches {
        signal,
        waiting,
        units: take,
        length,
    };
    (queue, batches)
}

impl SpanSink for SpanQueue {
    fn keep(&self, spans: Vec<SpanRecord>) {
        let how_many = spans.len();
        if how_many == 0 {
            return;
        }
        let before = self.waiting.fetch_add(how_many, Ordering::Relaxed);
        let reason = if before.saturating_add(how_many) > self.spans_max {
            "queue_full"
        } else {
            match self.units.try_send(spans) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Full(_)) => "queue_full",
                Err(mpsc::error::TrySendError::Closed(_)) => "stopped",
            }
        };
        self.waiting.fetch_sub(how_many, Ordering::Relaxed);
        dropped(self.signal, reason, how_many);
    }
}

impl Batches {
    /// Waits for spans, then up to `wait` for company, until there are at least `enough`. `None` once told to stop, or when nobody
    /// keeps spans any more.
    ///
    /// Not cancel safe: spans of a batch that is being gathered are lost with the future. Stop it by its token.
    pub async fn next(
        &mut self,
        enough: usize,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Option<Vec<SpanRecord>> {
        let mut batch = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            spans = self.units.recv() => spans?,
        };
        let late = Instant::now() + wait;
        while batch.len() < enough {
            tokio::select! {
                spans = self.units.recv() => match spans {
                    Some(spans) => batch.extend(spans),
                    None => break,
                },
                () = sleep_until(late) => break,
                () = stop.cancelled() => break,
            }
        }
        self.took(batch.len());
        Some(batch)
    }

    /// Takes no more spans in, and gives out a batch of those that wait; `None` when there are none left.
    pub fn rest(&mut self, enough: usize) -> Option<Vec<SpanRecord>> {
        self.units.close();
        let mut batch = Vec::new();
        while batch.len() < enough
            && let Ok(spans) = self.units.try_recv()
        {
            batch.extend(spans);
        }
        self.took(batch.len());
        if batch.is_empty() { None } else { Some(batch) }
    }

    /// Gives up what waits, together with `in_hand` spans that the task had taken and could not place in time.
    pub fn abandon(mut self, in_hand: usize) {
        let mut lost = in_hand;
        while let Some(spans) = self.rest(usize::MAX) {
            lost += spans.len();
        }
        dropped(self.signal, "shutdown", lost);
    }

    fn took(&self, how_many: usize) {
        let before = self.waiting.fetch_sub(how_many, Ordering::Relaxed);
        self.length.set_count(before.saturating_sub(how_many));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::install;
    use crate::trace::{SpanKind, Trail};

    fn unit(spans: usize) -> Vec<SpanRecord> {
        let trail = Trail::root();
        (0..spans).for_each(|_| trail.start("work", SpanKind::Internal).end());
        trail.finish()
    }

    fn counted(signal: &str, reason: &str) -> String {
        let series = format!(
            "sallyport_telemetry_dropped_total{{signal=\"{signal}\",reason=\"{reason}\"}} "
        );
        let text = install().render();
        let line = text.lines().find_map(|line| line.strip_prefix(&series));
        line.unwrap_or("none").to_owned()
    }

    #[tokio::test]
    async fn the_bound_is_in_spans_and_taking_makes_room() {
        let (queue, mut batches) = span_queue("bound", 10);
        let stop = CancellationToken::new();

        queue.keep(unit(6));
        queue.keep(unit(6));
        assert_eq!(counted("bound", "queue_full"), "6");
        let batch = batches.next(1, Duration::ZERO, &stop).await;
        queue.keep(unit(6));

        assert_eq!(batch.map(|batch| batch.len()), Some(6));
        assert_eq!(counted("bound", "queue_full"), "6");
    }

    #[tokio::test]
    async fn after_the_stop_the_rest_comes_out_and_nothing_goes_in() {
        let (queue, mut batches) = span_queue("rest", 100);
        let stop = CancellationToken::new();
        queue.keep(unit(3));
        queue.keep(unit(4));
        stop.cancel();

        assert!(batches.next(1, Duration::ZERO, &stop).await.is_none());
        assert_eq!(batches.rest(1).map(|batch| batch.len()), Some(3));
        queue.keep(unit(1));
        batches.abandon(2);

        assert_eq!(
            (counted("rest", "stopped"), counted("rest", "shutdown")),
            ("1".into(), "6".into())
        );
    }
}
