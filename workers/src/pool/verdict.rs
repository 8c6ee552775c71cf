//! What an attempt's end means: a pure decision between another try and a dead letter.

use std::time::Duration;

use rand::Rng;
use sallyport_queue::retry::backoff;
use sallyport_queue::{ErrorNote, Verdict};

use super::KindPolicy;

/// Turns what a handler said into what is settled: a retry waits at least its backoff, and the last one is the end.
pub(super) fn conclude<R: Rng + ?Sized>(
    said: Verdict,
    policy: &KindPolicy,
    attempt: u16,
    rng: &mut R,
) -> Verdict {
    match said {
        Verdict::Retry { error, .. } if attempt >= policy.attempts_max => Verdict::Dead { error },
        Verdict::Retry { after, error } => Verdict::Retry {
            after: after.max(backoff(&policy.backoff, attempt, rng)),
            error,
        },
        Verdict::Done
        | Verdict::Ignored
        | Verdict::Cancelled { .. }
        | Verdict::Expired
        | Verdict::Erased
        | Verdict::Snooze { .. }
        | Verdict::Dead { .. } => said,
    }
}

/// When a message comes back, if it does.
pub(super) fn comes_back_in(verdict: &Verdict) -> Option<Duration> {
    match verdict {
        Verdict::Retry { after, .. } => Some(*after),
        Verdict::Snooze { for_ } => Some(*for_),
        Verdict::Done
        | Verdict::Ignored
        | Verdict::Cancelled { .. }
        | Verdict::Expired
        | Verdict::Erased
        | Verdict::Dead { .. } => None,
    }
}

/// The error that a verdict carries.
pub(super) fn error_of(verdict: &Verdict) -> Option<&ErrorNote> {
    match verdict {
        Verdict::Retry { error, .. } | Verdict::Dead { error } => Some(error),
        Verdict::Done
        | Verdict::Ignored
        | Verdict::Cancelled { .. }
        | Verdict::Expired
        | Verdict::Erased
        | Verdict::Snooze { .. } => None,
    }
}

/// One word for a verdict, as spans and metrics spell it.
pub(super) fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Retry { .. } => "retry",
        Verdict::Snooze { .. } => "snooze",
        Verdict::Done
        | Verdict::Ignored
        | Verdict::Cancelled { .. }
        | Verdict::Expired
        | Verdict::Erased
        | Verdict::Dead { .. } => verdict
            .outcome()
            .map_or("done", sallyport_queue::Outcome::as_str),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn conclude_retry(after: Duration, attempt: u16) -> Verdict {
        let said = Verdict::Retry {
            after,
            error: ErrorNote::new("provider", "no answer"),
        };
        conclude(
            said,
            &KindPolicy::default(),
            attempt,
            &mut StdRng::seed_from_u64(1),
        )
    }

    #[test]
    fn a_retry_after_the_last_attempt_is_a_dead_letter_with_its_error() {
        let dead = Verdict::Dead {
            error: ErrorNote::new("provider", "no answer"),
        };

        assert_eq!(conclude_retry(Duration::ZERO, 5), dead);
        assert_eq!(conclude_retry(Duration::ZERO, 9), dead);
    }

    #[test]
    fn a_provider_that_asks_for_a_longer_wait_gets_it() {
        let asked = Duration::from_secs(3_600);

        assert_eq!(comes_back_in(&conclude_retry(asked, 1)), Some(asked));
    }

    #[test]
    fn a_snooze_is_no_attempt_and_never_ends_a_message() {
        let snooze = Verdict::Snooze {
            for_: Duration::from_secs(1),
        };

        let settled = conclude(
            snooze.clone(),
            &KindPolicy::default(),
            99,
            &mut StdRng::seed_from_u64(1),
        );

        assert_eq!(settled, snooze);
    }
}
