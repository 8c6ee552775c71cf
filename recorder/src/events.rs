//! What happens in the recorder.

use std::sync::Arc;
use std::time::Duration;

use sallyport_telemetry::metrics::{Counters, Histograms};
use sallyport_telemetry::{Chain, Event, Metric};

/// What the recorder counts. Clones count the same.
#[derive(Clone)]
pub(crate) struct Meters(Arc<Series>);

struct Series {
    dropped: Counters,
    operations: Histograms,
}

/// The label under which the recorder's queue and losses are counted.
pub(crate) const SIGNAL: &str = "recorder";
const WRITE_FAILED: &str = "write_failed";

impl Meters {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Series {
            dropped: Counters::with(Metric::TelemetryDropped, [[SIGNAL, WRITE_FAILED]]),
            operations: Histograms::new(Metric::DbClientOperationDuration),
        }))
    }

    /// One operation of the database ended; `error_type` is empty when it went well.
    pub(crate) fn operated(&self, operation: &'static str, took: Duration, error_type: &str) {
        self.0
            .operations
            .of(&["postgresql", operation, error_type])
            .record(took);
    }
}

/// A batch was given up, because Postgres would not take it. (What did not fit into the queue is counted there.)
pub(crate) struct Dropped {
    pub(crate) spans: usize,
}

impl Event for Dropped {
    type Meters = Meters;

    fn emit(&self, meters: &Meters) {
        let spans = u64::try_from(self.spans).unwrap_or(u64::MAX);
        meters.0.dropped.of(&[SIGNAL, WRITE_FAILED]).add(spans);
        tracing::debug!(name: "recorder.dropped", { spans }, "Spans were not recorded");
    }
}

/// Writing began to fail.
pub(crate) struct WriteFailed<'a> {
    pub(crate) error: &'a (dyn std::error::Error + 'static),
}

impl Event for WriteFailed<'_> {
    type Meters = Meters;

    fn emit(&self, _: &Meters) {
        tracing::warn!(name: "recorder.write_failed", { error = %Chain(self.error) }, "Spans cannot be recorded");
    }
}

/// Writing works again.
pub(crate) struct WriteRecovered;

impl Event for WriteRecovered {
    type Meters = Meters;

    fn emit(&self, _: &Meters) {
        tracing::info!(name: "recorder.write_recovered", "Spans are recorded again");
    }
}

/// Partitions came and went.
pub(crate) struct DaysTurned {
    pub(crate) made: usize,
    pub(crate) dropped: usize,
}

impl Event for DaysTurned {
    type Meters = Meters;

    fn emit(&self, _: &Meters) {
        let Self { made, dropped } = *self;
        if made + dropped > 0 {
            tracing::info!(name: "recorder.days_turned", { days.made = made, days.dropped = dropped }, "Days of spans were turned");
        }
    }
}

/// Partitions could not be made or dropped; spans go to the default one meanwhile.
pub(crate) struct DaysFailed<'a> {
    pub(crate) error: &'a (dyn std::error::Error + 'static),
}

impl Event for DaysFailed<'_> {
    type Meters = Meters;

    fn emit(&self, _: &Meters) {
        tracing::warn!(name: "recorder.days_failed", { error = %Chain(self.error) }, "Days of spans could not be turned");
    }
}
