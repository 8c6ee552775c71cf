//! The flight recorder: keeps the spans of what failed, was slow or was sampled, and finds them again.
//!
//! It exists so that a story can be opened from an alert or a support code without any tracing backend: spans lie in Postgres, in
//! partitions of a day. It refuses to know what a message is: a story's skeleton comes from the queue's own rows, spans only fill
//! it in. It never blocks who hands spans to it; what it cannot write in time it drops and counts. Which spans are worth keeping
//! is decided before they come here.

mod days;
mod events;
mod find;
mod row;
mod settings;
mod write;

pub use find::{FindError, Outcome, TraceFilter, TraceSummary};
pub use settings::Settings;

use sallyport_postgres::{Pool, Pools};
use sallyport_telemetry::trace::{SpanQueue, SpanRecord, SpanSink, span_queue};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use events::{Meters, SIGNAL};

/// The flight recorder. Clones share one queue.
#[derive(Clone)]
pub struct Recorder {
    queue: SpanQueue,
    read: Pool,
    meters: Meters,
}

impl Recorder {
    /// Starts recording, on tasks of `tasks`. A process that works also makes and drops the days; one that only takes in does not.
    ///
    /// After `stop` what is queued is written, for at most 5 s; spans that come later are dropped and counted.
    #[must_use]
    pub fn start(
        pools: &Pools,
        settings: &Settings,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let (queue, batches) = span_queue(SIGNAL, settings.queue_spans_max);
        let meters = Meters::new();
        let writer = write::Writer::new(pools.read().clone(), meters.clone());
        tasks.spawn(writer.run(batches, stop.clone()));
        if pools.settle().is_ok() {
            let janitor = days::Janitor::new(
                pools.clone(),
                settings.retention_days,
                tasks.clone(),
                meters.clone(),
            );
            tasks.spawn(janitor.run(stop.clone()));
        }
        Self {
            queue,
            read: pools.read().clone(),
            meters,
        }
    }
}

impl SpanSink for Recorder {
    fn keep(&self, spans: Vec<SpanRecord>) {
        self.queue.keep(spans);
    }
}

#[cfg(test)]
mod tests;
