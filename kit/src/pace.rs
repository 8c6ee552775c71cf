//! How often one person may use a trigger, and how often one thing may be said.
//!
//! The decision is a pure function of a bucket and a time (a leaky bucket kept as the time at which it is empty again). The
//! buckets live in the process: after a restart, or in another worker, they begin empty, which costs a few more answers and
//! no correctness. The same message asked twice, because it is retried, takes once.

use std::{collections::HashMap, hash::Hash, time::Duration};

use jiff::Timestamp;
use parking_lot::Mutex;

/// A wait this long or shorter is waited for the person; longer, they are told when to come back.
pub(crate) const WAITED_FOR_MAX: Duration = Duration::from_secs(30);

/// How many buckets are kept; when there are more, those that are empty again go first.
const BUCKETS_MAX: usize = 50_000;

/// How often something may happen: `burst` times at once, and `burst` times in each `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    burst: u32,
    per: Duration,
}

/// What a bucket says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Now.
    Go,
    /// In a moment; the place is reserved.
    Wait(Duration),
    /// Not before then; nothing is reserved.
    ComeBack {
        /// When a place is free again.
        at: Timestamp,
        /// Whether this is the first refusal of this window, so that it is worth saying.
        first: bool,
    },
}

/// One person's use of one trigger.
#[derive(Clone, Debug)]
struct Bucket {
    /// When it is empty again if nothing more comes.
    empty_at: Timestamp,
    /// The last taker, so that a retry takes nothing.
    last: Option<(String, Timestamp)>,
    /// Until when refusals were announced.
    announced_until: Option<Timestamp>,
}

/// All buckets of one app.
#[derive(Debug)]
pub(crate) struct Pacer<K> {
    buckets: Mutex<HashMap<K, Bucket>>,
}

impl Rate {
    /// `burst` times in each `per`; a burst of zero counts as one.
    #[must_use]
    pub const fn new(burst: u32, per: Duration) -> Self {
        Self {
            burst: if burst == 0 { 1 } else { burst },
            per,
        }
    }

    /// So many times a minute.
    #[must_use]
    pub const fn per_minute(times: u32) -> Self {
        Self::new(times, Duration::from_secs(60))
    }

    /// So many times an hour.
    #[must_use]
    pub const fn per_hour(times: u32) -> Self {
        Self::new(times, Duration::from_secs(60 * 60))
    }

    /// What one use costs.
    fn step(self) -> Duration {
        self.per / self.burst
    }
}

impl Bucket {
    fn new(now: Timestamp) -> Self {
        Self {
            empty_at: now,
            last: None,
            announced_until: None,
        }
    }

    fn take(&mut self, rate: Rate, now: Timestamp, taker: &str) -> Pace {
        if let Some((last, granted)) = &self.last
            && last == taker
        {
            return wait_until(*granted, now);
        }
        let level = span(self.empty_at, now);
        let room = rate.per.saturating_sub(rate.step());
        let wait = level.saturating_sub(room);
        let granted = later(now, wait);
        if wait > WAITED_FOR_MAX {
            let first = self.announced_until.is_none_or(|until| until <= now);
            self.announced_until = Some(if first {
                granted
            } else {
                self.announced_until.unwrap_or(granted)
            });
            return Pace::ComeBack { at: granted, first };
        }
        self.empty_at = later(self.empty_at.max(now), rate.step());
        self.last = Some((taker.to_owned(), granted));
        wait_until(granted, now)
    }
}

impl<K: Eq + Hash> Pacer<K> {
    pub(crate) fn new() -> Self {
        Self {
            buckets: Mutex::new(HashMap::new()),
        }
    }

    /// Takes a place for `taker`, an id that stays the same when the same message is tried again.
    pub(crate) fn take(&self, key: K, rate: Rate, now: Timestamp, taker: &str) -> Pace {
        let mut buckets = self.buckets.lock();
        if buckets.len() >= BUCKETS_MAX {
            buckets.retain(|_, bucket| bucket.empty_at > now);
        }
        if buckets.len() >= BUCKETS_MAX {
            // Still full of busy people: forgetting them all is kinder than refusing a newcomer.
            buckets.clear();
        }
        buckets
            .entry(key)
            .or_insert_with(|| Bucket::new(now))
            .take(rate, now, taker)
    }
}

/// The time from `from` back to `now`: how long until `from`.
fn span(until: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or_default()
}

fn wait_until(granted: Timestamp, now: Timestamp) -> Pace {
    let wait = span(granted, now);
    if wait.is_zero() {
        Pace::Go
    } else {
        Pace::Wait(wait)
    }
}

fn later(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
