//! Token buckets by key, in memory that does not grow with the number of strangers.
//!
//! They exist because every limit of the house is the same question asked with another key: an address, a route, a bot,
//! a person. A bucket is one number (the moment at which it will be full again), so a check is a short lock on one of
//! several maps. The clock is handed in. What a refusal looks like, and what it costs, is for the caller.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How many maps the keys are spread over, so that two cores seldom wait for each other.
const SHARDS: usize = 16;

/// A bucket: how much it holds, and how fast it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    burst: u32,
    window: Duration,
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
        Ok(Self { burst, window })
    }

    /// How many requests a full bucket lets through at once.
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// How long an empty bucket takes to be full again.
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

/// What a bucket says about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go on.
    pub allowed: bool,
    /// How many more would be allowed right now.
    pub remaining: u32,
    /// When the bucket will be full again.
    pub reset_after: Duration,
    /// How long a refused caller should wait; zero when allowed.
    pub retry_after: Duration,
}

/// Token buckets for the keys of one limit.
///
/// At most `keys_max` keys are remembered. When that many are busy at once, further keys share one bucket per shard:
/// a flood from a million addresses is then limited as if it were a handful, and costs no more memory.
pub struct RateLimiter<K> {
    quota: Quota,
    keys_per_shard: usize,
    origin: Instant,
    hasher: RandomState,
    shards: Vec<Mutex<Shard<K>>>,
}

struct Shard<K> {
    /// Per key, the moment at which its bucket is full again, in nanoseconds since `origin`.
    full_at: HashMap<K, u64, RandomState>,
    overflow_full_at: u64,
    swept_at: u64,
}

impl<K: Hash + Eq + Clone> RateLimiter<K> {
    /// A limiter whose buckets all have this `quota`, remembering at most about `keys_max` keys.
    /// `origin` is any moment not after the first check.
    pub fn new(quota: Quota, keys_max: usize, origin: Instant) -> Self {
        let hasher = RandomState::new();
        let shards = (0..SHARDS)
            .map(|_| {
                Mutex::new(Shard {
                    full_at: HashMap::with_hasher(hasher.clone()),
                    overflow_full_at: 0,
                    swept_at: 0,
                })
            })
            .collect();
        Self {
            quota,
            keys_per_shard: keys_max.div_ceil(SHARDS).max(1),
            origin,
            hasher,
            shards,
        }
    }

    /// The quota of every bucket.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// Takes one token of `key`, if there is one. A refused request takes nothing.
    pub fn check(&self, key: &K, now: Instant) -> Decision {
        self.check_several(key, 1, now)
    }

    /// Takes so many tokens of `key`, if they are there; never more than a full bucket holds.
    pub fn check_several(&self, key: &K, tokens: u32, now: Instant) -> Decision {
        self.ask(key, Asking::Take(tokens), now)
    }

    /// What [`RateLimiter::check`] would say, without taking anything.
    pub fn peek(&self, key: &K, now: Instant) -> Decision {
        self.ask(key, Asking::Look, now)
    }

    /// So many tokens of `key` were used, whether they were there or not.
    pub(crate) fn used(&self, key: &K, tokens: u32, now: Instant) {
        let _noted = self.ask(key, Asking::Used(tokens), now);
    }

    /// How many keys are remembered now. For a gauge.
    pub fn key_count(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().full_at.len())
            .sum()
    }

    fn ask(&self, key: &K, asking: Asking, now: Instant) -> Decision {
        let now = as_nanos(now.saturating_duration_since(self.origin));
        let hash = self.hasher.hash_one(key);
        let place = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        let Some(shard) = self.shards.get(place) else {
            return decide(self.quota, asking, 0, now).0;
        };
        let mut shard = shard.lock();
        if let Some(full_at) = shard.full_at.get_mut(key) {
            return apply(self.quota, full_at, now, asking);
        }
        if asking == Asking::Look {
            return decide(self.quota, asking, 0, now).0;
        }
        if shard.full_at.len() >= self.keys_per_shard {
            shard.sweep(now, self.quota);
        }
        if shard.full_at.len() >= self.keys_per_shard {
            return apply(self.quota, &mut shard.overflow_full_at, now, asking);
        }
        let mut full_at = 0;
        let decision = apply(self.quota, &mut full_at, now, asking);
        shard.full_at.insert(key.clone(), full_at);
        decision
    }
}

impl<K: Hash + Eq> Shard<K> {
    /// Forgets the keys whose buckets are full: they say the same as a key never seen. At most once per token's time,
    /// so that a full shard does not walk itself for every stranger.
    fn sweep(&mut self, now: u64, quota: Quota) {
        if self.swept_at != 0 && now.saturating_sub(self.swept_at) < quota.nanos_per_token() {
            return;
        }
        self.swept_at = now.max(1);
        self.full_at.retain(|_, full_at| *full_at > now);
    }
}

/// What is done to a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    /// One token is asked for, and none taken.
    Look,
    /// So many are taken if they are there.
    Take(u32),
    /// So many are taken, down to an empty bucket.
    Used(u32),
}

fn apply(quota: Quota, full_at: &mut u64, now: u64, asking: Asking) -> Decision {
    let (decision, after) = decide(quota, asking, *full_at, now);
    if asking != Asking::Look {
        *full_at = after;
    }
    decision
}

/// The whole arithmetic: a bucket that is full at `full_at` misses as many tokens as fit into the time until then.
/// Returns the decision and the new moment.
fn decide(quota: Quota, asking: Asking, full_at: u64, now: u64) -> (Decision, u64) {
    let per_token = quota.nanos_per_token();
    let capacity = per_token.saturating_mul(u64::from(quota.burst));
    let tokens = match asking {
        Asking::Look => 1,
        Asking::Take(tokens) | Asking::Used(tokens) => tokens.min(quota.burst),
    };
    let missing = full_at.saturating_sub(now);
    let after = missing.saturating_add(per_token.saturating_mul(u64::from(tokens)));
    let allowed = after <= capacity;
    let owed = match asking {
        Asking::Used(_) => after.min(capacity),
        Asking::Look | Asking::Take(_) if allowed => after,
        Asking::Look | Asking::Take(_) => missing,
    };
    let remaining = capacity.saturating_sub(owed) / per_token;
    let retry_after = if allowed { 0 } else { after - capacity };
    let decision = Decision {
        allowed,
        remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
        reset_after: Duration::from_nanos(owed),
        retry_after: Duration::from_nanos(retry_after),
    };
    (decision, now.saturating_add(owed))
}

/// Nanoseconds, up to 584 years.
fn as_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
