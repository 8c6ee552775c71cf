//! One upstream of a group: how much it has in hand, and what is known about how it does.
//!
//! It exists as the part that outlives a change of settings or of an answer of the name server: what stays keeps its
//! state. It holds no numbers of its own; those of its group are handed in. All of it is atomics, most of them read only.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::circuit::Circuit;
use crate::settings::{EjectionSettings, HealthCheckSettings};

/// It is not ejected.
const NOT_EJECTED: u64 = 0;

#[derive(Debug)]
pub(super) struct Member {
    pub(super) address: SocketAddr,
    pub(super) circuit: Circuit,
    in_flight: AtomicU32,
    health: Health,
    ejection: Ejection,
}

/// What its page said.
#[derive(Debug, Default)]
struct Health {
    is_down: AtomicBool,
    /// Looks in a row that said otherwise. Only one task looks.
    against: AtomicU32,
}

/// What became of its requests.
#[derive(Debug, Default)]
struct Ejection {
    failures_in_a_row: AtomicU32,
    /// Until when it is left alone, in milliseconds.
    until: AtomicU64,
    /// How often lately.
    times: AtomicU32,
    /// When it was last left alone no more.
    ended: AtomicU64,
}

/// Why one is not asked, for counts and for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is asked.
    Sound,
    /// Its page says that it does not work.
    Down,
    /// Its requests failed.
    Ejected,
    /// Its circuit is open.
    Open,
}

impl State {
    pub(crate) const ALL: [Self; 4] = [Self::Sound, Self::Down, Self::Ejected, Self::Open];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Down => "down",
            Self::Ejected => "ejected",
            Self::Open => "open",
        }
    }
}

impl Member {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            circuit: Circuit::default(),
            in_flight: AtomicU32::new(0),
            health: Health::default(),
            ejection: Ejection::default(),
        }
    }

    /// Requests that it has in hand.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Takes a place for one more request, if it has fewer than so many.
    pub(super) fn enter(&self, in_flight_max: u32) -> bool {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let has_place = before < in_flight_max;
        if !has_place {
            self.leave();
        }
        has_place
    }

    /// Gives the place back.
    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether nothing but its circuit speaks against it.
    pub(super) fn is_sound(&self, now: u64) -> bool {
        now >= self.ejection.until.load(Ordering::Relaxed)
            && !self.health.is_down.load(Ordering::Relaxed)
    }

    pub(super) fn state(&self, now: u64) -> State {
        if self.health.is_down.load(Ordering::Relaxed) {
            State::Down
        } else if now < self.ejection.until.load(Ordering::Relaxed) {
            State::Ejected
        } else if self.circuit.is_open() {
            State::Open
        } else {
            State::Sound
        }
    }

    /// Its page was looked at. Says whether that made it go down (true) or come up (false).
    pub(super) fn looked_at(&self, is_well: bool, settings: &HealthCheckSettings) -> Option<bool> {
        let health = &self.health;
        let is_down = health.is_down.load(Ordering::Relaxed);
        if is_well != is_down {
            health.against.store(0, Ordering::Relaxed);
            return None;
        }
        let against = health
            .against
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        let enough = if is_down {
            settings.up_after
        } else {
            settings.down_after
        };
        if against < enough {
            return None;
        }
        health.against.store(0, Ordering::Relaxed);
        health.is_down.store(!is_down, Ordering::Relaxed);
        Some(!is_down)
    }

    /// Nobody looks at its page any more.
    pub(super) fn forget_health(&self) {
        self.health.is_down.store(false, Ordering::Relaxed);
        self.health.against.store(0, Ordering::Relaxed);
    }

    /// A request was answered.
    pub(super) fn note_success(&self) {
        let failures = &self.ejection.failures_in_a_row;
        // Most of the time it is 0 already, and a read keeps the line shared.
        if failures.load(Ordering::Relaxed) != 0 {
            failures.store(0, Ordering::Relaxed);
        }
    }

    /// A request failed. Says whether that makes it due to be left alone.
    pub(super) fn note_failure(&self, settings: &EjectionSettings) -> bool {
        let in_a_row = self
            .ejection
            .failures_in_a_row
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        settings.failures > 0 && in_a_row >= settings.failures
    }

    /// Leaves it alone. Says for how long, in milliseconds; nothing if somebody else did already.
    pub(super) fn eject(&self, now: u64, settings: &EjectionSettings) -> Option<u64> {
        let ejection = &self.ejection;
        let was_well_for = now.saturating_sub(ejection.ended.load(Ordering::Relaxed));
        let times = if was_well_for > settings.rest_max_ms {
            1
        } else {
            let before = ejection.times.load(Ordering::Relaxed);
            before.saturating_add(1)
        };
        let rest = settings
            .rest_ms
            .saturating_mul(u64::from(times))
            .min(settings.rest_max_ms);
        let until = now.saturating_add(rest).max(1);
        ejection
            .until
            .compare_exchange(NOT_EJECTED, until, Ordering::Relaxed, Ordering::Relaxed)
            .ok()?;
        ejection.times.store(times, Ordering::Relaxed);
        ejection.failures_in_a_row.store(0, Ordering::Relaxed);
        Some(rest)
    }

    /// Notes that its rest is over; true for the first who does.
    pub(super) fn is_back(&self, now: u64) -> bool {
        let ejection = &self.ejection;
        let until = ejection.until.load(Ordering::Relaxed);
        if until == NOT_EJECTED || now < until {
            return false;
        }
        let is_first = ejection
            .until
            .compare_exchange(until, NOT_EJECTED, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if is_first {
            ejection.ended.store(now, Ordering::Relaxed);
        }
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Member {
        Member::new(SocketAddr::from(([127, 0, 0, 1], 1)))
    }

    #[test]
    fn rests_grow_until_it_has_been_well_for_long() {
        let member = member();
        let settings = EjectionSettings {
            rest_ms: 100,
            rest_max_ms: 250,
            ..EjectionSettings::default()
        };

        assert_eq!(member.eject(1_000, &settings), Some(100));
        assert_eq!(member.eject(1_001, &settings), None, "it rests already");
        assert!(!member.is_back(1_099) && !member.is_sound(1_099));
        assert!(member.is_back(1_100) && !member.is_back(1_101));
        assert_eq!(member.eject(1_200, &settings), Some(200));
        assert!(member.is_back(1_400));
        assert_eq!(member.eject(1_500, &settings), Some(250));
        assert!(member.is_back(1_750));
        assert_eq!(member.eject(2_100, &settings), Some(100));
    }

    #[test]
    fn looks_change_its_state_only_in_a_row() {
        let member = member();
        let settings = serde_json::json!({"path": "/", "up_after": 2, "down_after": 3});
        let settings: HealthCheckSettings = serde_json::from_value(settings).unwrap();
        let looks = |looks: &[bool]| {
            let turned = looks.iter().map(|well| member.looked_at(*well, &settings));
            turned.collect::<Vec<_>>()
        };

        assert_eq!(looks(&[false, false, true]), [None; 3]);
        assert_eq!(looks(&[false, false, false]), [None, None, Some(true)]);
        assert_eq!(member.state(0), State::Down);
        assert_eq!(looks(&[true, false, true]), [None; 3]);
        assert_eq!(looks(&[true]), [Some(false)]);
        assert!(member.is_sound(0));
    }

    #[test]
    fn nobody_enters_beyond_its_places() {
        let member = member();

        assert!(member.enter(2) && member.enter(2) && !member.enter(2));
        member.leave();
        assert!(member.enter(2));
        assert_eq!(member.in_flight(), 2);
    }
}
