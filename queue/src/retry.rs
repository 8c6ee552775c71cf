//! How long a failed message waits before it is tried again: exponential backoff with full jitter.
//!
//! It exists so that a thousand messages that failed together do not come back together. The wait depends on the number
//! of attempts alone, never on which error it was, so a second, different error does not start the counting anew.
//! Pure: the randomness is handed in. Whether a message is retried at all is the pool's decision.

use std::time::Duration;

use rand::Rng;

/// The shape of the waits between the attempts at one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The upper end of the wait after the first failure; it doubles with each further one.
    pub first: Duration,
    /// No wait is longer than this.
    pub longest: Duration,
}

impl Default for Backoff {
    /// One second suits a provider's hiccup; ten minutes is as long as a person will wait for anything.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(600),
        }
    }
}

impl Backoff {
    /// The longest wait that may follow the given number of failed attempts (the first failure is 1; 0 counts as 1).
    #[must_use]
    pub fn ceiling(&self, failures: u16) -> Duration {
        let doublings = u32::from(failures.saturating_sub(1)).min(u32::BITS - 1);
        self.first
            .saturating_mul(1_u32 << doublings)
            .min(self.longest)
    }
}

/// The wait after `failures` failed attempts: anything between nothing and [`Backoff::ceiling`], evenly spread.
///
/// Full jitter spreads retries best, at the price that a single wait may be short.
#[must_use]
pub fn backoff<R: Rng + ?Sized>(policy: &Backoff, failures: u16, rng: &mut R) -> Duration {
    let ceiling = policy.ceiling(failures);
    if ceiling.is_zero() {
        return ceiling;
    }
    rng.random_range(Duration::ZERO..=ceiling)
}

#[cfg(test)]
mod tests;
