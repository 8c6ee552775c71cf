//! What a request meets: a few atomics before something that may be slow.
//!
//! It exists so that the way of every request through here is short: letting one in reads three words, and what it measures changes
//! four. Everything that takes thought is done once per interval by [`super::level`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sallyport_telemetry::Event;

use super::level::{Judge, Level, Seen, Usual};
use crate::events::shedding::{GateMeters, Shifted, Why};
use crate::refusal::Refusal;
use crate::settings::{Importance, TargetSettings};

/// The least and the most that somebody is asked to wait who is turned away. Longer than the calm that brings a class back, and wide
/// enough that they do not come back together.
const COME_BACK_SECONDS: (u64, u64) = (2, 10);
/// In an interval in which nobody was answered.
const NOBODY: u64 = u64::MAX;

/// Stands before something that may be slow.
pub(crate) struct Gate {
    name: String,
    /// How many may wait when one of each importance comes.
    rooms: [u64; 3],
    level: AtomicU8,
    /// Those that have begun to wait, ever.
    entered: AtomicU64,
    /// Those that wait no more, whatever became of them, ever.
    left: AtomicU64,
    /// Those that were answered in this interval.
    answered: AtomicU64,
    /// Microseconds that the quickest of them took.
    quickest_us: AtomicU64,
    /// How many classes were refused for want of room in this interval.
    crowded: AtomicU8,
    /// Locked by whoever judges, and by no request.
    judge: Mutex<Judge>,
    meters: GateMeters,
}

/// What an interval came to.
pub(super) struct Judged {
    pub(super) level: Level,
    /// How long the quickest took, if anybody was answered.
    pub(super) quickest: Option<Duration>,
}

/// Somebody whom a gate has let in and who has no answer yet. Its end is counted when it is dropped.
pub(crate) struct Waiting {
    gate: Arc<Gate>,
    since: Instant,
}

impl Gate {
    pub(super) fn new(name: &str, targets: &TargetSettings, usual: Usual) -> Self {
        Self {
            name: name.to_owned(),
            rooms: targets.rooms(),
            level: AtomicU8::new(0),
            entered: AtomicU64::new(0),
            left: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            quickest_us: AtomicU64::new(NOBODY),
            crowded: AtomicU8::new(0),
            judge: Mutex::new(Judge::new(targets, usual)),
            meters: GateMeters::new(name),
        }
    }

    /// Lets somebody of this importance in.
    ///
    /// # Errors
    /// When it is one of those that are turned away now, which is counted.
    pub(crate) fn admit(&self, importance: Importance) -> Result<(), Refusal> {
        let Some(room) = self.rooms.get(importance as usize) else {
            return Ok(());
        };
        if self.level().turns_away(importance) {
            return Err(self.turn_away(importance, Why::Slow));
        }
        if self.waiting() >= *room {
            let classes = (importance as u8).saturating_add(1);
            self.crowded.fetch_max(classes, Ordering::Relaxed);
            return Err(self.turn_away(importance, Why::Full));
        }
        Ok(())
    }

    #[cold]
    fn turn_away(&self, importance: Importance, why: Why) -> Refusal {
        self.meters.turned_away(importance, why);
        Refusal::Shed(come_back_after(rand::random()))
    }

    /// Somebody who was let in begins to wait now.
    pub(crate) fn enter(self: &Arc<Self>, now: Instant) -> Waiting {
        self.entered.fetch_add(1, Ordering::Relaxed);
        Waiting {
            gate: Arc::clone(self),
            since: now,
        }
    }

    /// How many wait. Somebody who leaves while this is read may still be among them.
    fn waiting(&self) -> u64 {
        let left = self.left.load(Ordering::Relaxed);
        self.entered.load(Ordering::Relaxed).saturating_sub(left)
    }

    fn level(&self) -> Level {
        Level::of(self.level.load(Ordering::Relaxed))
    }

    /// Ends an interval.
    pub(super) fn judge(&self, now: Instant) -> Judged {
        // Who has left may not be missing among those who entered.
        let left = self.left.load(Ordering::Acquire);
        let quickest_us = self.quickest_us.swap(NOBODY, Ordering::Relaxed);
        let seen = Seen {
            quickest: (quickest_us != NOBODY).then(|| Duration::from_micros(quickest_us)),
            answered: self.answered.swap(0, Ordering::Relaxed),
            entered: self.entered.load(Ordering::Relaxed),
            left,
            crowded: Level::of(self.crowded.swap(0, Ordering::Relaxed)),
        };
        let (from, to) = (self.level(), self.judge.lock().judge(now, &seen));
        self.level.store(to.classes(), Ordering::Relaxed);
        self.meters.level(to);
        if from != to {
            Shifted {
                gate: &self.name,
                from,
                to,
                quickest: seen.quickest,
                waiting: seen.waiting(),
            }
            .emit(&());
        }
        Judged {
            level: to,
            quickest: seen.quickest,
        }
    }

    /// Nobody comes here any more.
    pub(super) fn retire(&self) {
        self.meters.level(Level::NONE);
    }
}

impl Waiting {
    /// The answer is there, and it was a good one. What fails at once says nothing about how quick the others are.
    pub(crate) fn answered(self, now: Instant) {
        let took = now.saturating_duration_since(self.since).as_micros();
        let took = u64::try_from(took).unwrap_or(NOBODY);
        self.gate.quickest_us.fetch_min(took, Ordering::Relaxed);
        self.gate.answered.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.gate.left.fetch_add(1, Ordering::Release);
    }
}

/// When somebody should come back; `chance` is anything from 0 to 1.
fn come_back_after(chance: f64) -> Duration {
    let (least, most) = COME_BACK_SECONDS;
    let spread = Duration::from_secs(most.saturating_sub(least));
    let whole = Duration::from_secs(least) + spread.mul_f64(chance.clamp(0.0, 1.0));
    Duration::from_secs(whole.as_secs())
}

#[cfg(test)]
mod tests;
