//! Exact times of requests: every one is kept, none is put into a bucket.

use std::time::Duration;

/// Times, sorted when they are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(Vec<Duration>);

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        let mut times: Vec<Duration> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }
}

impl Times {
    /// The time that this share of all did not exceed: `0.99` is p99. Nothing has no times.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let last = self.0.len().checked_sub(1)?;
        let place = (self.0.len() as f64 * share).ceil() as usize;
        self.0.get(place.saturating_sub(1).min(last)).copied()
    }

    /// The longest.
    pub(crate) fn longest(&self) -> Option<Duration> {
        self.0.last().copied()
    }
}
