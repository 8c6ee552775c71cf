//! What happens to a spool, as events: the log line and the metric from the same fields.

use std::time::Duration;

use sallyport_telemetry::metrics::{Counter, Gauge, Histogram};
use sallyport_telemetry::{Label, Metric, counter, gauge, histogram};

use super::keeper::Owner;
use super::{Fill, Incident};

/// The metrics of a spool.
pub(crate) struct SpoolEvents {
    gauges: Option<Gauges>,
    fsync: Histogram,
    commit: Histogram,
    quarantined: Counter,
}

struct Gauges {
    bytes: Gauge,
    records: Gauge,
    oldest: Gauge,
}

impl SpoolEvents {
    /// Registers them; the capacity of this edge's own spool shows from now on.
    pub(crate) fn resolve(capacity_bytes: u64, owner: Owner) -> Self {
        let gauges = (owner == Owner::Me).then(|| {
            gauge(Metric::SpoolCapacity, &[]).set(capacity_bytes as f64);
            Gauges {
                bytes: gauge(Metric::SpoolBytes, &[]),
                records: gauge(Metric::SpoolRecords, &[]),
                oldest: gauge(Metric::SpoolOldestUnreplayed, &[]),
            }
        });
        Self {
            gauges,
            fsync: histogram(Metric::SpoolFsyncDuration, &[]),
            commit: histogram(Metric::IntakeCommitDuration, &[(Label::Sink, "spool")]),
            quarantined: counter(Metric::SpoolQuarantinedSegments, &[]),
        }
    }

    /// A group of records was written and flushed, or not, after `took`.
    pub(crate) fn flushed(&self, took: Duration, is_durable: bool) {
        self.fsync.record(took);
        if is_durable {
            self.commit.record(took);
        }
    }

    /// The spool holds so much now.
    pub(crate) fn filled(&self, fill: &Fill) {
        let Some(gauges) = &self.gauges else { return };
        gauges.bytes.set(fill.bytes as f64);
        gauges.records.set(fill.records as f64);
        let oldest = fill.oldest_at_us.unwrap_or(0);
        gauges.oldest.set(oldest as f64 / 1e6);
    }

    /// Something is wrong with a file.
    pub(crate) fn met(&self, incident: &Incident) {
        match incident {
            Incident::TornTail { segment, bytes } => {
                tracing::info!(name: "spool.torn_tail", segment, bytes, "The spool ended in an unfinished record, which nobody had a receipt for; it was cut off");
            }
            Incident::Damaged { segment } => {
                self.quarantined.increment();
                tracing::error!(name: "spool.damaged", segment, "A file of the spool is damaged: what can be read is replayed, the file is kept as *.damaged");
            }
            Incident::Abandoned { segment, reason } => {
                tracing::error!(name: "spool.abandoned", segment, error = reason.as_str(), "Writing or flushing a file of the spool failed; it gets no further record");
            }
        }
    }

    /// A record that Postgres refuses for good keeps its file.
    pub(crate) fn kept(&self) {
        self.quarantined.increment();
    }
}

/// The spool cannot be opened; accepts go to Postgres alone.
pub(crate) fn not_opened(error: &std::io::Error) {
    tracing::error!(name: "spool.not_opened", error = %error, "The spool cannot be opened: while Postgres is away nothing is accepted");
}

/// The spool is open, and holds what an earlier run has left.
pub(crate) fn opened(folder: &std::path::Path, fill: &Fill) {
    tracing::info!(name: "spool.opened", folder = %folder.display(), records = fill.records, bytes = fill.bytes, "The spool is open");
}

/// What a dead edge has left is being replayed.
pub(crate) fn adopted(folder: &std::path::Path, fill: &Fill) {
    tracing::warn!(name: "spool.adopted", folder = %folder.display(), records = fill.records, bytes = fill.bytes, "The spool of an edge that is gone is being replayed");
}
