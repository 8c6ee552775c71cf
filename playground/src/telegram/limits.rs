//! Telegram's sending limits: how often a bot may speak before it is told to wait.
//!
//! The documented rules are one message a second per chat with short bursts, twenty a minute per group, about thirty a second for bulk; answers to people
//! who have just written do not count as bulk. The real limits move with load and cannot be copied. These are the documented ones with one message of
//! allowance, since the network may bring two messages closer together than they were sent. A decision is pure: the caller brings the time.

use std::time::{Duration, Instant};

/// A rate: so many at once, so many a second after that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) burst: f64,
    pub(crate) per_second: f64,
}

/// One chat: a burst of three, then one a second (and one of allowance).
pub(crate) const PER_CHAT: Rate = Rate {
    burst: 4.0,
    per_second: 1.0,
};
/// A group: twenty a minute (and one of allowance).
pub(crate) const PER_GROUP: Rate = Rate {
    burst: 21.0,
    per_second: 20.0 / 60.0,
};
/// Messages that answer nobody: thirty a second over all chats of a bot.
pub(crate) const BULK: Rate = Rate {
    burst: 31.0,
    per_second: 30.0,
};
/// Edits have a bucket of their own, so that a streamed answer does not mute its chat.
pub(crate) const EDITS_PER_CHAT: Rate = Rate {
    burst: 5.0,
    per_second: 1.0,
};

/// A bot answers a person, rather than broadcasting, for this long after the person wrote.
pub(crate) const ANSWERING_FOR: Duration = Duration::from_secs(600);

/// A token bucket that starts full.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    spent: f64,
    at: Option<Instant>,
}

impl Bucket {
    /// How long until one token is there; zero when it is there now. Takes nothing.
    pub(crate) fn wait(&self, rate: Rate, now: Instant) -> Duration {
        let missing = self.spent_at(rate, now) + 1.0 - rate.burst;
        if missing <= 0.0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64(missing / rate.per_second)
        }
    }

    /// Takes one token, whether or not it is there; ask [`Self::wait`] first.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) {
        self.spent = self.spent_at(rate, now) + 1.0;
        self.at = Some(now);
    }

    fn spent_at(&self, rate: Rate, now: Instant) -> f64 {
        let since = self
            .at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        (self.spent - since.as_secs_f64() * rate.per_second).max(0.0)
    }
}

/// Whole seconds to name in `retry_after`: never zero, never too short.
pub(crate) fn retry_after(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1_000))
        .unwrap_or(u32::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_passes_and_the_next_waits_about_a_second() {
        let (mut bucket, now) = (Bucket::default(), Instant::now());
        for _ in 0..4 {
            assert_eq!(bucket.wait(PER_CHAT, now), Duration::ZERO);
            bucket.take(PER_CHAT, now);
        }

        assert_eq!(retry_after(bucket.wait(PER_CHAT, now)), 1);
        assert_eq!(
            bucket.wait(PER_CHAT, now + Duration::from_secs(1)),
            Duration::ZERO
        );
    }

    proptest! {
        #[test]
        fn no_more_pass_than_the_burst_and_the_rate_allow(gaps in prop::collection::vec(0u64..2_000, 1..200)) {
            let (mut bucket, start) = (Bucket::default(), Instant::now());
            let (mut now, mut passed) = (start, 0.0);
            for gap in gaps {
                now += Duration::from_millis(gap);
                if bucket.wait(PER_CHAT, now).is_zero() {
                    bucket.take(PER_CHAT, now);
                    passed += 1.0;
                }
            }
            prop_assert!(passed <= PER_CHAT.burst + now.duration_since(start).as_secs_f64() * PER_CHAT.per_second + 1e-6);
        }

        #[test]
        fn whoever_waits_as_long_as_told_passes(taken in 1u32..50) {
            let (mut bucket, now) = (Bucket::default(), Instant::now());
            for _ in 0..taken {
                bucket.take(PER_GROUP, now);
            }
            let told = Duration::from_secs(u64::from(retry_after(bucket.wait(PER_GROUP, now))));
            prop_assert!(bucket.wait(PER_GROUP, now + told).is_zero());
        }
    }
}
