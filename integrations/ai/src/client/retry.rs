//! Whether to try once more, and after what wait: a decision without clock, network or hidden randomness.
//!
//! It exists apart from the [answer](super::answer) that carries it out, so that it can be tested by numbers. It
//! stops for three reasons of its own: the error cannot get better, the tries are used up, or too much of this
//! process's traffic is retries already, in which case more of them would keep a struggling provider down.

use std::time::Duration;

use parking_lot::Mutex;
use rand::Rng;

use crate::error::ModelError;
use crate::settings::Settings;

/// Each first try earns this part of a retry, so that at most one call in ten is one.
const EARNED_PER_CALL: f64 = 0.1;
/// Retries that may be saved up; also what a quiet process starts with.
const SAVED_MAX: f64 = 10.0;

/// The limits of trying again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// Tries of one call, the first included.
    pub(crate) attempts_max: u32,
    /// Upper end of the first random wait; doubles with each try.
    pub(crate) base: Duration,
    /// The longest wait there is.
    pub(crate) wait_max: Duration,
}

impl RetryPolicy {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            attempts_max: settings.attempts_max,
            base: Duration::from_millis(settings.retry_base_ms),
            wait_max: Duration::from_millis(settings.retry_wait_ms_max),
        }
    }

    /// How long to wait before the next try, or `None` where there is to be none. `attempts` counts the tries made,
    /// `left` is what remains of the call's whole time.
    pub(crate) fn wait(
        &self,
        error: &ModelError,
        attempts: u32,
        left: Duration,
        random: &mut impl Rng,
    ) -> Option<Duration> {
        if !error.may_be_retried() || attempts >= self.attempts_max {
            return None;
        }
        let doubled = self.base.saturating_mul(
            1_u32
                .checked_shl(attempts.saturating_sub(1))
                .unwrap_or(u32::MAX),
        );
        let jitter = doubled.min(self.wait_max).mul_f64(random.random::<f64>());
        let asked = error.retry_after().unwrap_or_default();
        if asked > self.wait_max {
            return None;
        }
        let wait = asked.saturating_add(jitter);
        (wait < left).then_some(wait)
    }
}

/// What this process may still spend on retries.
#[derive(Debug)]
pub(crate) struct RetryBudget(Mutex<f64>);

impl RetryBudget {
    pub(crate) fn full() -> Self {
        Self(Mutex::new(SAVED_MAX))
    }

    /// A call's first try earns a part of somebody's retry.
    pub(crate) fn earn(&self) {
        let mut saved = self.0.lock();
        *saved = (*saved + EARNED_PER_CALL).min(SAVED_MAX);
    }

    /// Takes one retry, or says that there is none left.
    pub(crate) fn spend(&self) -> bool {
        let mut saved = self.0.lock();
        let enough = *saved >= 1.0;
        if enough {
            *saved -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;
    use crate::error::ModelErrorKind;
    use crate::wire::Refusal;

    const LONG: Duration = Duration::from_secs(600);

    fn policy() -> RetryPolicy {
        RetryPolicy::of(&Settings::default())
    }

    #[test]
    fn waits_are_spread_over_the_whole_doubling_range() {
        let mut random = SmallRng::seed_from_u64(7);
        let error = ModelError::new(ModelErrorKind::ServerError);

        let mut waits = |attempts| -> Vec<Duration> {
            (0..1_000)
                .filter_map(|_| policy().wait(&error, attempts, LONG, &mut random))
                .collect()
        };
        let (first, second) = (waits(1), waits(2));

        assert!(first.iter().all(|wait| *wait <= Duration::from_millis(500)));
        assert!(first.iter().any(|wait| *wait < Duration::from_millis(50)));
        assert!(
            second
                .iter()
                .all(|wait| *wait <= Duration::from_millis(1_000))
        );
        assert!(second.iter().any(|wait| *wait > Duration::from_millis(900)));
    }

    #[test]
    fn the_provider_is_never_asked_before_the_time_it_named() {
        let mut random = SmallRng::seed_from_u64(7);
        let named = Duration::from_secs(3);
        let error = ModelError::answered(429, &Refusal::default(), Some(named));

        for _ in 0..100 {
            let wait = policy().wait(&error, 1, LONG, &mut random).unwrap();
            assert!(wait >= named, "{wait:?}");
        }
    }

    #[test]
    fn nothing_is_tried_again_that_cannot_succeed_in_time() {
        let mut random = SmallRng::seed_from_u64(7);
        let later = ModelError::answered(429, &Refusal::default(), Some(Duration::from_secs(60)));
        let broke = ModelError::new(ModelErrorKind::QuotaExhausted);
        let failed = ModelError::new(ModelErrorKind::ServerError);

        assert_eq!(policy().wait(&later, 1, LONG, &mut random), None);
        assert_eq!(policy().wait(&broke, 1, LONG, &mut random), None);
        assert_eq!(policy().wait(&failed, 3, LONG, &mut random), None);
        assert_eq!(policy().wait(&failed, 1, Duration::ZERO, &mut random), None);
    }

    #[test]
    fn retries_stay_below_a_tenth_of_the_traffic() {
        let budget = RetryBudget::full();

        let retries = (0..1_000)
            .filter(|_| {
                budget.earn();
                budget.spend()
            })
            .count();

        assert!(retries <= 100 + 10, "{retries}");
    }
}
