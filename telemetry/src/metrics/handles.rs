//! Handles: a counter, a gauge or a histogram with its labels filled in. Cloning one is cheap and gives the same series.

use std::time::Duration;

use metrics::{Key, Level, Metadata, Recorder};

use super::exposition::registry;
use crate::catalogue::{Kind, Label, Metric};

const METADATA: Metadata<'static> = Metadata::new("sallyport", Level::INFO, None);

/// Something that only grows.
#[derive(Clone)]
pub struct Counter(metrics::Counter);

/// Something that goes up and down.
#[derive(Clone)]
pub struct Gauge(metrics::Gauge);

/// Something that is observed again and again.
#[derive(Clone)]
pub struct Histogram(metrics::Histogram);

/// Keeps a gauge raised by one for as long as it lives.
#[must_use = "the gauge falls again when this is dropped"]
pub struct Held(Gauge);

/// The counter with these labels; it is exposed as 0 from now on, so that `increase()` sees its first event.
///
/// Labels that the catalogue does not name for this metric are a mistake that tests catch (a debug assertion).
pub fn counter(metric: Metric, labels: &[(Label, &str)]) -> Counter {
    debug_assert!(
        metric.definition().kind == Kind::Counter,
        "{metric:?} is no counter"
    );
    Counter(registry().register_counter(&key(metric, labels), &METADATA))
}

/// The gauge with these labels.
pub fn gauge(metric: Metric, labels: &[(Label, &str)]) -> Gauge {
    debug_assert!(
        metric.definition().kind == Kind::Gauge,
        "{metric:?} is no gauge"
    );
    Gauge(registry().register_gauge(&key(metric, labels), &METADATA))
}

/// The histogram with these labels.
pub fn histogram(metric: Metric, labels: &[(Label, &str)]) -> Histogram {
    debug_assert!(
        matches!(metric.definition().kind, Kind::Histogram(_)),
        "{metric:?} is no histogram"
    );
    Histogram(registry().register_histogram(&key(metric, labels), &METADATA))
}

/// An empty value and a missing label are the same to Prometheus, so the shorter of both is exposed.
fn key(metric: Metric, labels: &[(Label, &str)]) -> Key {
    let definition = metric.definition();
    debug_assert!(
        labels
            .iter()
            .all(|(label, _)| definition.labels.contains(label)),
        "{metric:?} has the labels {:?}, not {labels:?}",
        definition.labels
    );
    let labels: Vec<_> = labels
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(label, value)| metrics::Label::new(label.name(), (*value).to_owned()))
        .collect();
    Key::from_parts(definition.name, labels)
}

impl Counter {
    /// Counts one.
    pub fn increment(&self) {
        self.0.increment(1);
    }

    /// Counts several.
    pub fn add(&self, how_many: u64) {
        self.0.increment(how_many);
    }
}

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: impl Into<f64>) {
        self.0.set(value.into());
    }

    /// Sets a number of things.
    pub fn set_count(&self, count: usize) {
        self.0.set(count as f64);
    }

    /// Raises it by one.
    pub fn increment(&self) {
        self.0.increment(1.0);
    }

    /// Lowers it by one.
    pub fn decrement(&self) {
        self.0.decrement(1.0);
    }

    /// Raises it by one until the returned value is dropped: for things that may end in many ways.
    pub fn hold(&self) -> Held {
        self.increment();
        Held(self.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.decrement();
    }
}

impl Histogram {
    /// Observes a duration, in seconds.
    pub fn record(&self, took: Duration) {
        self.0.record(took.as_secs_f64());
    }

    /// Observes a value in the metric's unit.
    pub fn observe(&self, value: f64) {
        self.0.record(value);
    }
}
