//! From what was seen in an interval to who is turned away in the next: the rule alone.
//!
//! It exists apart from the counting so that it can be tried with any clock. The rule is CoDel's (Nichols and Jacobson, "Controlling
//! Queue Delay", 2012; RFC 8289): a queue that does good drains now and then, so somebody is quick in every interval; when the
//! *quickest* of an interval was too slow, the queue stands. Where CoDel drops packets, a class of importance is turned away, one more
//! with each such interval, as in WeChat's DAGOR (Zhou et al., 2018) and Google's levels of criticality (Site Reliability
//! Engineering, chapter 21).

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use crate::settings::{Importance, TargetSettings};

/// Intervals in a row that must be better before one class less is turned away.
const CALM: u8 = 4;
/// So many must have been slow, or a few slow answers on a quiet day would count as a queue: for background, and for all others.
const SLOW_MIN: [u64; 3] = [8, 32, 32];
/// Nothing is too slow that takes less than so many times what is usual.
const TIMES_USUAL: u32 = 4;
/// Over how long that is averaged, once the first impression is made.
const USUAL_OVER: Duration = Duration::from_secs(3_600);
/// How long the first impression takes.
const FIRST_IMPRESSION: Duration = Duration::from_secs(10);
/// What takes longer than this is slow, whatever is usual: no route waits longer for an answer.
const TARGET_MAX: Duration = Duration::from_secs(600);
/// How finely it is remembered how many had come when, in parts of the longest target.
const REMEMBERED: u32 = 128;

/// How many classes of importance are turned away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Level(u8);

impl Level {
    /// Everybody is let in.
    pub(crate) const NONE: Self = Self(0);
    /// Everybody is turned away but those who never are.
    const HIGHEST: Self = Self(Importance::TURNED_AWAY.len() as u8);
    /// As far as a lack of room leads: people are turned away for it one by one, and not for the rest of an interval.
    const CROWDED_MAX: Self = Self(2);

    /// So many classes, at most those that there are.
    pub(super) fn of(classes: u8) -> Self {
        Self(classes).min(Self::HIGHEST)
    }

    /// How many classes.
    pub(crate) fn classes(self) -> u8 {
        self.0
    }

    /// Whether this class is one of them.
    pub(crate) fn turns_away(self, importance: Importance) -> bool {
        (importance as u8) < self.0
    }

    fn one_more(self) -> Self {
        Self::of(self.0.saturating_add(1))
    }

    fn one_less(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// The classes by name: `background, normal`.
impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = Importance::TURNED_AWAY.into_iter();
        let names: Vec<_> = classes
            .filter(|importance| self.turns_away(*importance))
            .map(Importance::name)
            .collect();
        formatter.write_str(&names.join(", "))
    }
}

/// How long it usually takes behind a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usual {
    /// It does not matter: what stands behind is ours, and its targets are absolute.
    Never,
    /// Nobody was answered yet; until then nothing is too slow.
    Unknown,
    /// So long: the mean of what the quickest of each interval took.
    Known(Duration),
}

/// What there was in one interval.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// How long the quickest took of those that were answered.
    pub(super) quickest: Option<Duration>,
    /// How many were answered.
    pub(super) answered: u64,
    /// How many have begun to wait, ever.
    pub(super) entered: u64,
    /// How many wait no more, ever.
    pub(super) left: u64,
    /// Who was refused for want of room.
    pub(super) crowded: Level,
}

impl Seen {
    /// How many wait.
    pub(super) fn waiting(&self) -> u64 {
        self.entered.saturating_sub(self.left)
    }
}

/// Judges one interval after the other.
pub(super) struct Judge {
    targets: [Duration; 3],
    /// As many must wait before people are turned away.
    nearly_full: u64,
    usual: Usual,
    /// How long that has been learnt.
    learnt_for: Duration,
    /// How many had entered when, the oldest first.
    history: VecDeque<(Instant, u64)>,
    judged_at: Option<Instant>,
    level: Level,
    /// Intervals in a row that were better than the level.
    calm: u8,
}

impl Judge {
    pub(super) fn new(targets: &TargetSettings, usual: Usual) -> Self {
        let waiting_max = u64::from(targets.waiting_max);
        Self {
            targets: targets.delays(),
            nearly_full: waiting_max.saturating_sub(waiting_max / 8),
            usual,
            learnt_for: Duration::ZERO,
            history: VecDeque::new(),
            judged_at: None,
            level: Level::NONE,
            calm: 0,
        }
    }

    /// Who is turned away after an interval that ended `now` and came to this. One class more or less at a time.
    pub(super) fn judge(&mut self, now: Instant, seen: &Seen) -> Level {
        self.learn(now, seen.quickest);
        self.remember(now, seen.entered);
        let wanted = self.called_for(now, seen);
        if wanted > self.level {
            self.level = self.level.one_more();
            self.calm = 0;
        } else if wanted == self.level {
            self.calm = 0;
        } else {
            self.calm = self.calm.saturating_add(1);
        }
        if self.calm >= CALM {
            self.level = self.level.one_less();
            self.calm = 0;
        }
        self.level
    }

    /// The level that the interval by itself calls for.
    fn called_for(&self, now: Instant, seen: &Seen) -> Level {
        if self.usual == Usual::Unknown {
            return Level::NONE;
        }
        let has_few_places = seen.waiting() >= self.nearly_full;
        let classes = Importance::TURNED_AWAY
            .into_iter()
            .zip(self.targets)
            .zip(SLOW_MIN);
        let slow = classes.take_while(|((importance, target), slow_min)| {
            let target = self.target(*target);
            let is_quick = seen.quickest.is_some_and(|quickest| quickest <= target);
            let slow = seen
                .answered
                .saturating_add(self.waiting_for(target, now, seen.left));
            let is_spared = *importance == Importance::Interactive && !has_few_places;
            !is_quick && slow >= *slow_min && !is_spared
        });
        let slow = Level::of(slow.count() as u8);
        slow.max(seen.crowded.min(Level::CROWDED_MAX))
    }

    /// At least so many have waited for this long and still do: those who had come by then, less all who have gone since.
    fn waiting_for(&self, long: Duration, now: Instant, left: u64) -> u64 {
        let mut newest_first = self.history.iter().rev();
        let by_then = newest_first.find(|(at, _)| now.saturating_duration_since(*at) >= long);
        by_then.map_or(0, |(_, entered)| entered.saturating_sub(left))
    }

    /// A target, where what is usual is regarded.
    fn target(&self, target: Duration) -> Duration {
        match self.usual {
            Usual::Never | Usual::Unknown => target,
            Usual::Known(usual) => target
                .max(usual.saturating_mul(TIMES_USUAL))
                .min(TARGET_MAX),
        }
    }

    /// A mean, and no minimum: an upstream that is slow by nature may be quick now and then.
    fn learn(&mut self, now: Instant, quickest: Option<Duration>) {
        let before = self.judged_at.replace(now).unwrap_or(now);
        let Some(quickest) = quickest else { return };
        let usual = match self.usual {
            Usual::Never => return,
            Usual::Unknown => quickest,
            Usual::Known(usual) => {
                let elapsed = now.saturating_duration_since(before);
                self.learnt_for = self.learnt_for.saturating_add(elapsed);
                let over = match self.learnt_for < FIRST_IMPRESSION {
                    true => self.learnt_for,
                    false => USUAL_OVER,
                };
                moved(usual, quickest, elapsed, over)
            }
        };
        self.usual = Usual::Known(usual);
    }

    /// Notes how many had entered by now, finely enough and no longer than anybody asks.
    fn remember(&mut self, now: Instant, entered: u64) {
        let longest = self
            .targets
            .last()
            .map_or(TARGET_MAX, |target| self.target(*target));
        let is_older = |at: Instant, than: Duration| now.saturating_duration_since(at) >= than;
        let newest = self.history.back();
        if newest.is_none_or(|(at, _)| is_older(*at, longest / REMEMBERED)) {
            self.history.push_back((now, entered));
        }
        // The first may be older than the longest target, the second not.
        while self
            .history
            .get(1)
            .is_some_and(|(at, _)| is_older(*at, longest))
        {
            self.history.pop_front();
        }
    }
}

/// A mean over so long, moved by what was seen during `elapsed`.
fn moved(mean: Duration, seen: Duration, elapsed: Duration, over: Duration) -> Duration {
    let share = elapsed.as_secs_f64() / over.as_secs_f64();
    let (mean, seen) = (mean.as_secs_f64(), seen.as_secs_f64());
    // No time has passed where `over` is none.
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    Duration::try_from_secs_f64(mean + (seen - mean) * share).unwrap_or(TARGET_MAX)
}

#[cfg(test)]
mod tests;
