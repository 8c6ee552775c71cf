//! Whether whoever acts on the holdings is still there.
//!
//! The heartbeat has a thread of its own so that a busy process does not look dead. The other side of it: a process may live and
//! beat while the one that acts on its partitions has been swallowed by a thread that a handler never gives back.
//! Then nobody would ever take over. So the holder gives signs of life, and the heart counts the beats without one.
//! Beats are counted and not seconds, because a process that was stopped for an hour and goes on has missed none.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// What is done when the holder is gone.
type Dead = Box<dyn Fn() + Send + Sync>;

/// Signs of life, and what is expected of them.
#[derive(Default)]
pub(super) struct Pulse {
    given: AtomicU64,
    expected: Mutex<Option<Expected>>,
}

struct Expected {
    silence_max: Duration,
    dead: Dead,
}

impl Pulse {
    pub(super) fn give(&self) {
        self.given.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn expect(&self, silence_max: Duration, dead: Dead) {
        *self.expected.lock() = Some(Expected { silence_max, dead });
    }

    /// Says that the holder is dead to whoever wanted to know.
    pub(super) fn tell(&self) {
        if let Some(expected) = &*self.expected.lock() {
            (expected.dead)();
        }
    }

    fn silence_max(&self) -> Option<Duration> {
        Some(self.expected.lock().as_ref()?.silence_max)
    }
}

impl fmt::Debug for Pulse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pulse")
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

/// The heart's count.
#[derive(Debug, Default)]
pub(super) struct Listening {
    heard: u64,
    missed: u32,
}

impl Listening {
    /// Listens once per beat, `pause` after the last time. `true` when the holder was silent for too long. Before its first sign
    /// of life it is not expected to give any.
    pub(super) fn is_dead(&mut self, pulse: &Pulse, pause: Duration) -> bool {
        let given = pulse.given.load(Ordering::Relaxed);
        if given != self.heard || given == 0 {
            self.heard = given;
            self.missed = 0;
            return false;
        }
        self.missed = self.missed.saturating_add(1);
        pulse
            .silence_max()
            .is_some_and(|silence_max| pause.saturating_mul(self.missed) >= silence_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(2);

    fn expecting(seconds: u64) -> Pulse {
        let pulse = Pulse::default();
        pulse.expect(Duration::from_secs(seconds), Box::new(|| {}));
        pulse
    }

    #[test]
    fn silence_is_counted_in_beats_from_the_last_sign_of_life() {
        let (pulse, mut listening) = (expecting(6), Listening::default());
        let mut looks = |count| (0..count).any(|_| listening.is_dead(&pulse, PAUSE));

        assert!(!looks(100), "nothing is expected before the first sign");
        pulse.give();
        assert!(!looks(3), "heard once, missed twice");
        pulse.give();
        assert!(!looks(3));
        assert!(looks(1), "missed three times: six seconds");
    }

    #[test]
    fn nobody_is_dead_of_whom_nothing_is_expected() {
        let (pulse, mut listening) = (Pulse::default(), Listening::default());
        pulse.give();

        assert!((0..1_000).all(|_| !listening.is_dead(&pulse, PAUSE)));
    }
}
