//! Counts what happened lately, and how much of it was of the kind that matters: failures among requests, retries among requests.
//!
//! It exists so that a share of the last seconds costs one atomic change to count and two reads to ask. It knows no clock: whoever
//! counts says when it is.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits of each count in a slot. A window with more than a million goes on with those that it has.
const COUNT_BITS: u32 = 20;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;
/// Bits that tell one window from the next ones: those that are left.
const INDEX_MAX: u64 = (1 << (64 - 2 * COUNT_BITS)) - 1;

/// This window and the one before, each packed into one word: its number, all, and those that matter.
#[derive(Debug, Default)]
pub(super) struct Tally {
    even: AtomicU64,
    odd: AtomicU64,
}

/// What there was in the last window, up to now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) all: u64,
    pub(super) marked: u64,
}

impl Tally {
    /// Counts these. Times are in milliseconds of one clock, windows longer than 0. A full window stays as it is.
    pub(super) fn count(&self, now: u64, window: u64, more: Seen) {
        let index = now.checked_div(window).unwrap_or_default();
        let count = |word: u64| {
            let seen = unpack(word, index).unwrap_or_default().plus(more);
            let fits = seen.all <= COUNT_MAX && seen.marked <= COUNT_MAX;
            fits.then(|| pack(index, seen))
        };
        self.slot(index)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count)
            .ok();
    }

    /// What there was in the last `window`: all of this one, and of the one before the part that has not passed.
    pub(super) fn seen(&self, now: u64, window: u64) -> Seen {
        let index = now.checked_div(window).unwrap_or_default();
        let current = unpack(self.slot(index).load(Ordering::Relaxed), index).unwrap_or_default();
        let before = index.checked_sub(1).and_then(|index| {
            let word = self.slot(index).load(Ordering::Relaxed);
            unpack(word, index)
        });
        let before = before.unwrap_or_default();
        let left = window.saturating_sub(now.checked_rem(window).unwrap_or_default());
        let part = |count: u64| {
            count
                .saturating_mul(left)
                .checked_div(window)
                .unwrap_or_default()
        };
        current.plus(Seen {
            all: part(before.all),
            marked: part(before.marked),
        })
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.even.store(0, Ordering::Relaxed);
        self.odd.store(0, Ordering::Relaxed);
    }

    fn slot(&self, index: u64) -> &AtomicU64 {
        if index.is_multiple_of(2) {
            &self.even
        } else {
            &self.odd
        }
    }
}

impl Seen {
    /// One that does not matter.
    pub(super) const PLAIN: Self = Self { all: 1, marked: 0 };
    /// One that does.
    pub(super) const MARKED: Self = Self { all: 1, marked: 1 };
    /// That one that was counted before does.
    pub(super) const MARK: Self = Self { all: 0, marked: 1 };

    fn plus(self, more: Self) -> Self {
        Self {
            all: self.all.saturating_add(more.all),
            marked: self.marked.saturating_add(more.marked),
        }
    }

    /// Whether at least so many percent are marked.
    pub(super) fn reaches(self, percent: u8) -> bool {
        self.marked.saturating_mul(100) >= self.all.saturating_mul(u64::from(percent))
    }
}

fn pack(index: u64, seen: Seen) -> u64 {
    ((index & INDEX_MAX) << (2 * COUNT_BITS)) | (seen.all << COUNT_BITS) | seen.marked
}

/// The counts of the window with this number; nothing when the word is another's.
fn unpack(word: u64, index: u64) -> Option<Seen> {
    let is_same = word >> (2 * COUNT_BITS) == index & INDEX_MAX;
    is_same.then_some(Seen {
        all: (word >> COUNT_BITS) & COUNT_MAX,
        marked: word & COUNT_MAX,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_before_fades() {
        let tally = Tally::default();
        for _ in 0..10 {
            (0..9).for_each(|_| tally.count(10_500, 1_000, Seen::PLAIN));
            tally.count(10_500, 1_000, Seen::MARKED);
        }
        let at = |now| tally.seen(now, 1_000);

        assert_eq!((at(10_999).all, at(10_999).marked), (100, 10));
        assert_eq!((at(11_500).all, at(11_500).marked), (50, 5));
        assert_eq!(at(12_000), Seen::default());
        assert!(at(11_000).reaches(10) && !at(11_000).reaches(11));
    }

    #[test]
    fn what_is_marked_later_is_not_counted_twice() {
        let tally = Tally::default();
        tally.count(5, 10, Seen::PLAIN);
        tally.count(6, 10, Seen::MARK);

        assert_eq!(tally.seen(7, 10), Seen { all: 1, marked: 1 });
        tally.clear();
        assert_eq!(tally.seen(7, 10), Seen::default());
    }

    #[test]
    fn a_full_window_keeps_its_share() {
        let word = pack(
            3,
            Seen {
                all: COUNT_MAX,
                marked: 7,
            },
        );
        let tally = Tally::default();
        tally.odd.store(word, Ordering::Relaxed);

        tally.count(35, 10, Seen::MARKED);

        assert_eq!(tally.odd.load(Ordering::Relaxed), word);
    }
}
