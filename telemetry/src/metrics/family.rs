//! Families: all series of one metric, for labels whose values are known only when the thing happens.
//!
//! Looking up a series that has been seen takes a read lock, a hash and no allocation. A stranger cannot blow up the exposition:
//! each label takes [`VALUES_MAX`] distinct values, then says [`OTHER`].

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use parking_lot::RwLock;

use super::handles::{Counter, Gauge, Histogram, counter, gauge, histogram};
use crate::catalogue::{Label, Metric};

/// Distinct values that one label of a family takes before the rest is lumped together.
pub const VALUES_MAX: usize = 100;
/// What the rest is called.
pub const OTHER: &str = "other";

/// All series of a counter.
pub type Counters = Family<Counter>;
/// All series of a gauge.
pub type Gauges = Family<Gauge>;
/// All series of a histogram.
pub type Histograms = Family<Histogram>;

/// All series of one metric. Made once, when a service starts.
pub struct Family<H> {
    metric: Metric,
    hasher: RandomState,
    series: RwLock<Series<H>>,
}

struct Series<H> {
    /// By hash of the values.
    known: HashMap<u64, Vec<Known<H>>>,
    /// The values seen so far, per label.
    values: Vec<HashSet<Box<str>>>,
}

/// A series that has been seen. Its values tell it from others with the same hash.
struct Known<H> {
    values: Box<[Box<str>]>,
    handle: H,
}

/// A handle that a family can make.
pub trait Handle: Clone {
    /// Registers the series.
    fn register(metric: Metric, labels: &[(Label, &str)]) -> Self;
}

impl Handle for Counter {
    fn register(metric: Metric, labels: &[(Label, &str)]) -> Self {
        counter(metric, labels)
    }
}

impl Handle for Gauge {
    fn register(metric: Metric, labels: &[(Label, &str)]) -> Self {
        gauge(metric, labels)
    }
}

impl Handle for Histogram {
    fn register(metric: Metric, labels: &[(Label, &str)]) -> Self {
        histogram(metric, labels)
    }
}

impl<H: Handle> Family<H> {
    /// The family of a metric of the catalogue.
    pub fn new(metric: Metric) -> Self {
        let values = vec![HashSet::new(); metric.definition().labels.len()];
        Self {
            metric,
            hasher: RandomState::new(),
            series: RwLock::new(Series {
                known: HashMap::new(),
                values,
            }),
        }
    }

    /// The same, with series that are exposed from the start. A panel that shows nothing until the first failure is no comfort.
    pub fn with<const N: usize>(
        metric: Metric,
        series: impl IntoIterator<Item = [&'static str; N]>,
    ) -> Self {
        let family = Self::new(metric);
        for values in series {
            family.of(&values);
        }
        family
    }

    /// The series with these values of the labels, in the order of the catalogue.
    pub fn of(&self, values: &[&str]) -> H {
        debug_assert_eq!(
            values.len(),
            self.metric.definition().labels.len(),
            "{:?} takes other labels",
            self.metric
        );
        let hash = self.hasher.hash_one(values);
        if let Some(handle) = self.series.read().find(hash, values) {
            return handle;
        }
        self.admit(values)
    }

    fn admit(&self, values: &[&str]) -> H {
        let mut series = self.series.write();
        let values: Vec<&str> = values
            .iter()
            .zip(&mut series.values)
            .map(|(value, seen)| {
                if seen.contains(*value) {
                    return *value;
                }
                if seen.len() >= VALUES_MAX {
                    return OTHER;
                }
                seen.insert((*value).into());
                *value
            })
            .collect();
        let hash = self.hasher.hash_one(values.as_slice());
        if let Some(handle) = series.find(hash, &values) {
            return handle;
        }
        let labels: Vec<_> = self
            .metric
            .definition()
            .labels
            .iter()
            .copied()
            .zip(values.iter().copied())
            .collect();
        let handle = H::register(self.metric, &labels);
        let values = values.iter().map(|value| Box::from(*value)).collect();
        series.known.entry(hash).or_default().push(Known {
            values,
            handle: handle.clone(),
        });
        handle
    }
}

impl<H: Clone> Series<H> {
    fn find(&self, hash: u64, values: &[&str]) -> Option<H> {
        let same = |known: &&Known<H>| {
            known
                .values
                .iter()
                .map(|value| &**value)
                .eq(values.iter().copied())
        };
        self.known
            .get(&hash)?
            .iter()
            .find(same)
            .map(|known| known.handle.clone())
    }
}
