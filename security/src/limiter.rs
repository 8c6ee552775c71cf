//! Limits by key, in memory that does not grow with the number of strangers.
//!
//! They exist because every limit of the house is the same question asked with another key: an address, a route, a bot,
//! a person. A check is a short lock on one of several maps; how usage is counted is the quota's [`Algorithm`], each in
//! its file. The clock is handed in. What a refusal looks like, and what it costs, is for the caller.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sallyport_redis::Algorithm;

mod fixed_window;
mod sliding_window;
mod token_bucket;

use fixed_window::FixedWindow;
use sliding_window::SlidingWindow;
use token_bucket::TokenBucket;

/// How many maps the keys are spread over, so that two cores seldom wait for each other.
const SHARDS: usize = 16;

/// So many requests in such a window, and how they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    burst: u32,
    window: Duration,
    algorithm: Algorithm,
}

/// A quota that would never let anything through, or never refuse anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quota needs at least one request and a window between a millisecond and a day")]
pub struct InvalidQuota;

impl Quota {
    /// A bucket of `burst` tokens that fills from empty to full within `window`.
    ///
    /// # Errors
    /// When `burst` is zero, or `window` is below a millisecond or above a day.
    pub fn try_new(burst: u32, window: Duration) -> Result<Self, InvalidQuota> {
        let sane = Duration::from_millis(1)..=Duration::from_secs(86_400);
        if burst == 0 || !sane.contains(&window) {
            return Err(InvalidQuota);
        }
        Ok(Self {
            burst,
            window,
            algorithm: Algorithm::TokenBucket,
        })
    }

    /// The same quota, counted in this way.
    #[must_use]
    pub fn counted_by(self, algorithm: Algorithm) -> Self {
        Self { algorithm, ..self }
    }

    /// How it is counted.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// How many requests pass at once when none did before.
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// How long it takes until nothing of a used up quota is missing any more.
    pub fn window(&self) -> Duration {
        self.window
    }

    /// How long one token takes to come back.
    pub(crate) fn token_every(&self) -> Duration {
        Duration::from_nanos(self.nanos_per_token())
    }

    fn nanos_per_token(&self) -> u64 {
        (as_nanos(self.window) / u64::from(self.burst)).max(1)
    }
}

/// What a limit says about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go on.
    pub allowed: bool,
    /// How many more would be allowed right now.
    pub remaining: u32,
    /// When nothing of the quota will be missing any more.
    pub reset_after: Duration,
    /// How long a refused caller should wait; zero when allowed.
    pub retry_after: Duration,
}

/// What each key of one limit has used.
///
/// At most `keys_max` keys are remembered. When that many are busy at once, further keys are counted as one per shard:
/// a flood from a million addresses is then limited as if it were a handful, and costs no more memory.
pub struct RateLimiter<K> {
    quota: Quota,
    origin: Instant,
    used: Used<K>,
}

/// One kind of maps for each algorithm, so that a key costs what its own algorithm needs: 8 bytes for a bucket, 16 for a fixed
/// window, about 300 for a sliding one.
enum Used<K> {
    TokenBucket(Shards<K, TokenBucket>),
    SlidingWindow(Shards<K, SlidingWindow>),
    FixedWindow(Shards<K, FixedWindow>),
}

impl<K: Hash + Eq + Clone> RateLimiter<K> {
    /// A limiter whose keys all have this `quota`, remembering at most about `keys_max` keys.
    /// `origin` is any moment not after the first check.
    pub fn new(quota: Quota, keys_max: usize, origin: Instant) -> Self {
        let used = match quota.algorithm {
            Algorithm::TokenBucket => Used::TokenBucket(Shards::new(keys_max)),
            Algorithm::SlidingWindow => Used::SlidingWindow(Shards::new(keys_max)),
            Algorithm::FixedWindow => Used::FixedWindow(Shards::new(keys_max)),
        };
        Self {
            quota,
            origin,
            used,
        }
    }

    /// The quota of every key.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// Counts one request of `key`, if there is room for it. A refused request counts nothing.
    pub fn check(&self, key: &K, now: Instant) -> Decision {
        self.check_several(key, 1, now)
    }

    /// Counts so many at once, if there is room for all of them; never more than a whole quota.
    pub fn check_several(&self, key: &K, tokens: u32, now: Instant) -> Decision {
        self.ask(key, Asking::Take(tokens), now)
    }

    /// What [`RateLimiter::check`] would say, without counting anything.
    pub fn peek(&self, key: &K, now: Instant) -> Decision {
        self.peek_several(key, 1, now)
    }

    /// What [`RateLimiter::check_several`] would say, without counting anything.
    pub fn peek_several(&self, key: &K, tokens: u32, now: Instant) -> Decision {
        self.ask(key, Asking::Look(tokens), now)
    }

    /// So many of `key` were used, whether there was room or not.
    pub(crate) fn used(&self, key: &K, tokens: u32, now: Instant) {
        let _noted = self.ask(key, Asking::Used(tokens), now);
    }

    /// How many keys are remembered now. For a gauge.
    pub fn key_count(&self) -> usize {
        match &self.used {
            Used::TokenBucket(shards) => shards.key_count(),
            Used::SlidingWindow(shards) => shards.key_count(),
            Used::FixedWindow(shards) => shards.key_count(),
        }
    }

    fn ask(&self, key: &K, asking: Asking, now: Instant) -> Decision {
        let now = as_nanos(now.saturating_duration_since(self.origin));
        match &self.used {
            Used::TokenBucket(shards) => shards.ask(&self.quota, key, asking, now),
            Used::SlidingWindow(shards) => shards.ask(&self.quota, key, asking, now),
            Used::FixedWindow(shards) => shards.ask(&self.quota, key, asking, now),
        }
    }
}

/// What is done with a key's usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    /// So many are asked for, and not counted.
    Look(u32),
    /// So many are counted if there is room for all of them.
    Take(u32),
    /// So many are counted, up to the quota.
    Used(u32),
}

impl Asking {
    /// How many are asked for; never more than a quota holds.
    fn tokens(self, quota: &Quota) -> u32 {
        match self {
            Self::Look(tokens) | Self::Take(tokens) | Self::Used(tokens) => tokens.min(quota.burst),
        }
    }
}

/// What one key has used, as one algorithm remembers it. Moments are nanoseconds since the limiter's origin.
trait Usage: Default + Clone {
    /// Decides, and counts what is to be counted.
    fn ask(&mut self, quota: &Quota, asking: Asking, now: u64) -> Decision;

    /// Whether it says the same as that of a key never seen.
    fn is_fresh(&self, quota: &Quota, now: u64) -> bool;

    /// How long it takes at least until another key may have become fresh.
    fn sweep_every(quota: &Quota) -> u64;
}

struct Shards<K, U> {
    keys_per_shard: usize,
    hasher: RandomState,
    shards: Vec<Mutex<Shard<K, U>>>,
}

struct Shard<K, U> {
    by_key: HashMap<K, U, RandomState>,
    overflow: U,
    swept_at: u64,
}

impl<K: Hash + Eq + Clone, U: Usage> Shards<K, U> {
    fn new(keys_max: usize) -> Self {
        let hasher = RandomState::new();
        let shard = || Shard {
            by_key: HashMap::with_hasher(hasher.clone()),
            overflow: U::default(),
            swept_at: 0,
        };
        let shards = (0..SHARDS).map(|_| Mutex::new(shard())).collect();
        Self {
            keys_per_shard: keys_max.div_ceil(SHARDS).max(1),
            hasher,
            shards,
        }
    }

    fn key_count(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().by_key.len())
            .sum()
    }

    fn ask(&self, quota: &Quota, key: &K, asking: Asking, now: u64) -> Decision {
        let hash = self.hasher.hash_one(key);
        let place = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        let Some(shard) = self.shards.get(place) else {
            return U::default().ask(quota, asking, now);
        };
        let mut shard = shard.lock();
        if let Some(usage) = shard.by_key.get_mut(key) {
            return usage.ask(quota, asking, now);
        }
        if shard.by_key.len() >= self.keys_per_shard {
            shard.sweep(quota, now);
        }
        if shard.by_key.len() >= self.keys_per_shard {
            return shard.overflow.ask(quota, asking, now);
        }
        let mut usage = shard.newcomer(quota, now);
        let decision = usage.ask(quota, asking, now);
        if !matches!(asking, Asking::Look(_)) {
            shard.by_key.insert(key.clone(), usage);
        }
        decision
    }
}

impl<K: Hash + Eq, U: Usage> Shard<K, U> {
    /// What a key has used that is not remembered. As long as newcomers are counted as one, it may be any of them, so it begins where
    /// they stand: room that comes free lets nobody out who was refused a moment ago.
    fn newcomer(&self, quota: &Quota, now: u64) -> U {
        match self.overflow.is_fresh(quota, now) {
            true => U::default(),
            false => self.overflow.clone(),
        }
    }

    /// Forgets the keys that say the same as one never seen. Not more often than there can be any, so that a full shard
    /// does not walk itself for every stranger.
    fn sweep(&mut self, quota: &Quota, now: u64) {
        if self.swept_at != 0 && now.saturating_sub(self.swept_at) < U::sweep_every(quota) {
            return;
        }
        self.swept_at = now.max(1);
        self.by_key.retain(|_, usage| !usage.is_fresh(quota, now));
    }
}

/// Nanoseconds, up to 584 years.
fn as_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
