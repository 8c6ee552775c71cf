//! The pool's metrics: handles taken from the catalogue once, so that counting costs no lookup per message.
//!
//! What becomes of a message in the rows (completed, retried, dead, refused there) is counted by the store, which alone
//! knows it. Here is what only the worker knows: how long a message waited, ran and lived, and what never reached the rows.

use sallyport_queue::{Outcome, Verdict};
use sallyport_telemetry::metrics::{Counter, Gauge, Histogram, Histograms};
use sallyport_telemetry::{Label, Metric, counter, gauge, histogram};

use super::attempt::Finished;
use super::verdict::error_of;

/// What is measured per kind of message.
pub(super) struct KindMeters {
    name: String,
    ended: Vec<EndMeters>,
    waited_retry: Histogram,
    processed: Histogram,
    fenced: Counter,
}

/// What is measured per kind and final outcome.
struct EndMeters {
    outcome: Outcome,
    waited: Histogram,
    age: Histogram,
}

impl EndMeters {
    fn of(kind: &str, outcome: Outcome) -> Self {
        let labels = [(Label::Kind, kind), (Label::Outcome, outcome.as_str())];
        Self {
            outcome,
            waited: histogram(Metric::MessageWait, &labels),
            age: histogram(Metric::MessageAge, &labels),
        }
    }
}

impl KindMeters {
    pub(super) fn of(kind: &str) -> Self {
        Self {
            name: kind.to_owned(),
            ended: Outcome::ALL
                .into_iter()
                .map(|outcome| EndMeters::of(kind, outcome))
                .collect(),
            waited_retry: histogram(
                Metric::MessageWait,
                &[(Label::Kind, kind), (Label::Outcome, "retry")],
            ),
            processed: histogram(
                Metric::MessagingProcessDuration,
                &[(Label::MessagingDestinationName, kind)],
            ),
            fenced: counter(Metric::FencedCompletions, &[(Label::Kind, kind)]),
        }
    }
}

/// What is measured for the pool as a whole, and for errors whose names are known only when they happen.
pub(super) struct Meters {
    failed: Histograms,
    leases_lost: Counter,
    slots_busy: Gauge,
}

impl Meters {
    pub(super) fn new(slots: usize) -> Self {
        gauge(Metric::WorkerSlots, &[(Label::State, "total")]).set_count(slots);
        Self {
            failed: Histograms::new(Metric::MessagingProcessDuration),
            leases_lost: counter(Metric::LeasesLost, &[]),
            slots_busy: gauge(Metric::WorkerSlots, &[(Label::State, "busy")]),
        }
    }

    pub(super) fn slots_busy(&self, busy: usize) {
        self.slots_busy.set_count(busy);
    }

    pub(super) fn leases_lost(&self, partitions: usize) {
        self.leases_lost
            .add(u64::try_from(partitions).unwrap_or(u64::MAX));
    }

    /// The end of an attempt became durable.
    pub(super) fn settled(&self, finished: &Finished, verdict: &Verdict) {
        let meters = &finished.kind.meters;
        match error_of(verdict) {
            None => meters.processed.record(finished.took),
            Some(error) => self
                .failed
                .of(&[&meters.name, &error.kind])
                .record(finished.took),
        }
        match verdict.outcome() {
            None => meters.waited_retry.record(finished.message.waited),
            Some(outcome) => ended(meters, outcome, finished),
        }
    }

    /// The partition was lost before the end of an attempt could even be sent: it is refused here.
    pub(super) fn fenced(&self, finished: &Finished) {
        finished.kind.meters.fenced.increment();
    }
}

fn ended(meters: &KindMeters, outcome: Outcome, finished: &Finished) {
    let Some(end) = meters.ended.iter().find(|end| end.outcome == outcome) else {
        return;
    };
    end.waited.record(finished.message.waited);
    let age = finished
        .message
        .now()
        .duration_since(finished.message.accepted_at);
    end.age
        .record(std::time::Duration::try_from(age).unwrap_or_default());
}
