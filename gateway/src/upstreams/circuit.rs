//! A circuit breaker: whether one upstream is asked at all.
//!
//! It exists because an upstream that fails is helped by being left in peace, and callers by being told at once. It is
//! closed (requests pass), open (none does) or on trial (one does, and its fate decides). Everything is in atomics: asking
//! costs one read. Who else could be asked is for [`super::group`].

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::tally::{Seen, Tally};
use crate::settings::CircuitSettings;

/// Requests pass.
const CLOSED: u64 = 0;
/// One request is out to see. Any other value: until when it is open, in milliseconds.
const ON_TRIAL: u64 = u64::MAX;

#[derive(Debug, Default)]
pub(super) struct Circuit {
    state: AtomicU64,
    failures_in_a_row: AtomicU32,
    tally: Tally,
}

/// That a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permit {
    /// Like any other.
    Usual,
    /// To see whether the upstream has recovered.
    Trial,
}

/// What a verdict did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    Opened,
    Closed,
}

impl Circuit {
    /// Whether a request could pass now.
    pub(super) fn is_passable(&self, now: u64) -> bool {
        let until = self.state.load(Ordering::Relaxed);
        until == CLOSED || (until != ON_TRIAL && now >= until)
    }

    /// How long until the next trial; nothing while it is closed or one is under way.
    pub(super) fn opens_in(&self, now: u64) -> Option<u64> {
        match self.state.load(Ordering::Relaxed) {
            CLOSED | ON_TRIAL => None,
            until => Some(until.saturating_sub(now)),
        }
    }

    /// Whether requests are kept away.
    pub(super) fn is_open(&self) -> bool {
        self.state.load(Ordering::Relaxed) != CLOSED
    }

    /// Lets a request pass, or not. Every permit is followed by exactly one of [`Self::succeeded`], [`Self::failed`] and
    /// [`Self::abandoned`]; a usual one may be followed by more.
    pub(super) fn permit(&self, now: u64) -> Option<Permit> {
        let until = self.state.load(Ordering::Acquire);
        match until {
            CLOSED => Some(Permit::Usual),
            ON_TRIAL => None,
            _ if now < until => None,
            _ => self
                .state
                .compare_exchange(until, ON_TRIAL, Ordering::AcqRel, Ordering::Relaxed)
                .ok()
                .map(|_| Permit::Trial),
        }
    }

    /// A request was answered.
    pub(super) fn succeeded(
        &self,
        permit: Permit,
        now: u64,
        settings: &CircuitSettings,
    ) -> Option<Turned> {
        // Most of the time it is 0 already, and a read keeps the line shared.
        if self.failures_in_a_row.load(Ordering::Relaxed) != 0 {
            self.failures_in_a_row.store(0, Ordering::Relaxed);
        }
        if permit == Permit::Usual {
            self.tally.count(now, settings.window_ms, Seen::PLAIN);
            return None;
        }
        self.tally.clear();
        self.state.store(CLOSED, Ordering::Release);
        Some(Turned::Closed)
    }

    /// A request failed.
    pub(super) fn failed(
        &self,
        permit: Permit,
        now: u64,
        settings: &CircuitSettings,
    ) -> Option<Turned> {
        let until = now.saturating_add(settings.open_ms).max(1);
        if permit == Permit::Trial {
            self.state.store(until, Ordering::Release);
            return None;
        }
        let in_a_row = self
            .failures_in_a_row
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        self.tally.count(now, settings.window_ms, Seen::MARKED);
        let seen = self.tally.seen(now, settings.window_ms);
        let for_a_row = settings.failures > 0 && in_a_row >= settings.failures;
        let for_percent = settings.failure_percent > 0
            && seen.all >= u64::from(settings.requests_min)
            && seen.reaches(settings.failure_percent);
        if !for_a_row && !for_percent {
            return None;
        }
        // What was under way when it opened changes nothing any more.
        self.state
            .compare_exchange(CLOSED, until, Ordering::AcqRel, Ordering::Relaxed)
            .ok()
            .map(|_| Turned::Opened)
    }

    /// A request ended without telling anything about the upstream. A trial that did is for the next one.
    pub(super) fn abandoned(&self, permit: Permit, now: u64) {
        if permit == Permit::Trial {
            self.state.store(now.max(1), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> CircuitSettings {
        CircuitSettings {
            failures: 3,
            failure_percent: 50,
            window_ms: 1_000,
            requests_min: 10,
            open_ms: 100,
        }
    }

    fn fails(circuit: &Circuit, now: u64) -> Option<Turned> {
        circuit.failed(Permit::Usual, now, &settings())
    }

    fn works(circuit: &Circuit, now: u64) -> Option<Turned> {
        circuit.succeeded(Permit::Usual, now, &settings())
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_does_not() {
        let circuit = Circuit::default();
        for now in [1, 2] {
            assert_eq!(fails(&circuit, now), None);
        }
        works(&circuit, 3);
        for now in [4, 5] {
            assert_eq!(fails(&circuit, now), None);
        }

        assert_eq!(fails(&circuit, 6), Some(Turned::Opened));
        assert!(circuit.is_open() && circuit.permit(105).is_none());
        assert_eq!(circuit.opens_in(56), Some(50));
        assert_eq!(fails(&circuit, 7), None, "it opens once");
    }

    #[test]
    fn half_of_a_window_opens_it_once_there_are_enough() {
        let circuit = Circuit::default();
        for now in 0..4 {
            works(&circuit, now);
            assert_eq!(fails(&circuit, now), None);
        }
        works(&circuit, 8);

        assert_eq!(fails(&circuit, 9), Some(Turned::Opened));
    }

    #[test]
    fn one_trial_at_a_time_decides() {
        let circuit = Circuit::default();
        for now in [1, 2, 3] {
            fails(&circuit, now);
        }

        assert_eq!(circuit.permit(103), Some(Permit::Trial));
        assert!(!circuit.is_passable(104) && circuit.permit(104).is_none());
        assert_eq!(circuit.failed(Permit::Trial, 110, &settings()), None);
        assert_eq!(circuit.permit(209), None);
        assert_eq!(circuit.permit(210), Some(Permit::Trial));
        circuit.abandoned(Permit::Trial, 220);
        assert_eq!(circuit.permit(220), Some(Permit::Trial));
        let closed = circuit.succeeded(Permit::Trial, 230, &settings());
        assert_eq!(closed, Some(Turned::Closed));
        assert_eq!(circuit.permit(231), Some(Permit::Usual));
        assert_eq!(fails(&circuit, 232), None, "old failures are forgotten");
    }
}
