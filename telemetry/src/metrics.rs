//! Metrics: handles to the series of the [catalogue](crate::catalogue), and their exposition.
//!
//! A handle is resolved once, when a service starts, and kept in its struct; using it is an atomic operation. The registry is made
//! by whoever comes first and lives as long as the process, so no order of starting can lose a count. It is deliberately not the
//! `metrics` crate's global recorder: a dependency that emits through those macros would slip names past the catalogue.

mod exposition;
mod family;
mod handles;
mod process;

pub use exposition::{Exposition, install};
pub use family::{Counters, Family, Gauges, Histograms, OTHER, VALUES_MAX};
pub use handles::{Counter, Gauge, Held, Histogram, counter, gauge, histogram};

use std::sync::LazyLock;

use crate::catalogue::Metric;

static DROPPED: LazyLock<Counters> = LazyLock::new(|| Counters::new(Metric::TelemetryDropped));

/// Counts spans or log lines that could not be kept. `signal` is `spans` or `logs`, `reason` one constant word.
pub fn dropped(signal: &'static str, reason: &'static str, how_many: usize) {
    DROPPED
        .of(&[signal, reason])
        .add(u64::try_from(how_many).unwrap_or(u64::MAX));
}

#[cfg(test)]
mod tests;
