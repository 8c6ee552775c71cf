//! At most the quota within any window, wherever it begins.
//!
//! Requests are counted per slice of a window. A slice counts until all of it is a window old, so what is counted is never
//! less than what the window has seen, and more only by what its oldest slice saw before it. The common estimate of two weighted
//! windows would be smaller, and wrong by up to half a quota when requests come in bursts.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Asking, Decision, Quota, Usage, as_nanos};

/// Slices of a window: how exactly what was used comes back.
const SLICES: u64 = 64;
/// The slices that count: those of a whole window, and the one that has begun.
const COUNTED: usize = 65;

/// What was used in each of the latest slices.
#[derive(Clone, Debug, Default)]
pub(super) struct SlidingWindow {
    /// The oldest first; empty as long as nothing was counted.
    counts: VecDeque<u32>,
    /// The number of the last of them.
    latest: u64,
    total: u32,
}

impl Usage for SlidingWindow {
    fn ask(&mut self, quota: &Quota, asking: Asking, now: u64) -> Decision {
        let slice = slice_nanos(quota);
        self.turn_to(now / slice);
        let after = self.total.saturating_add(asking.tokens(quota));
        let allowed = after <= quota.burst;
        let retry_after = match allowed {
            true => Duration::ZERO,
            false => self.free_after(after - quota.burst, slice, now),
        };
        let counted = match asking {
            Asking::Used(_) => after.min(quota.burst),
            Asking::Look(_) | Asking::Take(_) if allowed => after,
            Asking::Look(_) | Asking::Take(_) => self.total,
        };
        let reset_after = match counted == self.total {
            true => self.free_after(self.total, slice, now),
            false => self.over_after(COUNTED - 1, slice, now),
        };
        if !matches!(asking, Asking::Look(_)) {
            self.count(counted - self.total);
        }
        Decision {
            allowed,
            remaining: quota.burst.saturating_sub(counted),
            reset_after,
            retry_after,
        }
    }

    fn is_fresh(&self, quota: &Quota, now: u64) -> bool {
        let passed = (now / slice_nanos(quota)).saturating_sub(self.latest);
        self.total == 0 || passed >= COUNTED as u64
    }

    fn sweep_every(quota: &Quota) -> u64 {
        slice_nanos(quota)
    }
}

impl SlidingWindow {
    /// Forgets the slices that are a window old.
    fn turn_to(&mut self, slice: u64) {
        let passed = slice.saturating_sub(self.latest);
        self.latest = self.latest.max(slice);
        if passed >= COUNTED as u64 {
            *self = Self {
                latest: self.latest,
                ..Self::default()
            };
            return;
        }
        for _ in 0..passed {
            let Some(old) = self.counts.pop_front() else {
                return;
            };
            self.total = self.total.saturating_sub(old);
            self.counts.push_back(0);
        }
    }

    fn count(&mut self, tokens: u32) {
        if self.counts.is_empty() && tokens > 0 {
            self.counts = VecDeque::from([0; COUNTED]);
        }
        if let Some(latest) = self.counts.back_mut() {
            *latest = latest.saturating_add(tokens);
            self.total = self.total.saturating_add(tokens);
        }
    }

    /// How long until so many of what was used do not count any more.
    fn free_after(&self, tokens: u32, slice: u64, now: u64) -> Duration {
        let mut freed = 0_u32;
        let free = |count: &u32| {
            freed = freed.saturating_add(*count);
            freed >= tokens
        };
        match self.counts.iter().position(free) {
            Some(place) if tokens > 0 => self.over_after(place, slice, now),
            _ => Duration::ZERO,
        }
    }

    /// How long until the slice in this place does not count any more.
    fn over_after(&self, place: usize, slice: u64, now: u64) -> Duration {
        let turns = self.latest.saturating_add(1 + place as u64);
        Duration::from_nanos(turns.saturating_mul(slice).saturating_sub(now))
    }
}

/// How long a slice lasts, rounded up: a window is never counted for shorter than it is.
fn slice_nanos(quota: &Quota) -> u64 {
    as_nanos(quota.window).div_ceil(SLICES).max(1)
}
