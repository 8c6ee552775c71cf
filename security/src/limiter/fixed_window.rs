//! The whole quota anew in every window.
//!
//! A window begins with the first request after the one before it ended, so that not all keys turn at the same moment.

use std::time::Duration;

use super::{Asking, Decision, Quota, Usage, as_nanos};

/// A full map is looked through this often in a window.
const SWEEPS: u64 = 64;

/// What was used in the window that ends then.
#[derive(Clone, Debug, Default)]
pub(super) struct FixedWindow {
    ends_at: u64,
    used: u32,
}

impl Usage for FixedWindow {
    fn ask(&mut self, quota: &Quota, asking: Asking, now: u64) -> Decision {
        let is_over = self.is_fresh(quota, now);
        let (used, ends_at) = match is_over {
            true => (0, now.saturating_add(as_nanos(quota.window))),
            false => (self.used, self.ends_at),
        };
        let after = used.saturating_add(asking.tokens(quota));
        let allowed = after <= quota.burst;
        let counted = match asking {
            Asking::Used(_) => after.min(quota.burst),
            Asking::Look(_) | Asking::Take(_) if allowed => after,
            Asking::Look(_) | Asking::Take(_) => used,
        };
        if !matches!(asking, Asking::Look(_)) {
            (self.used, self.ends_at) = (counted, ends_at);
        }
        let left = Duration::from_nanos(ends_at.saturating_sub(now));
        Decision {
            allowed,
            remaining: quota.burst.saturating_sub(counted),
            reset_after: if counted == 0 { Duration::ZERO } else { left },
            retry_after: if allowed { Duration::ZERO } else { left },
        }
    }

    fn is_fresh(&self, _quota: &Quota, now: u64) -> bool {
        self.used == 0 || self.ends_at <= now
    }

    fn sweep_every(quota: &Quota) -> u64 {
        as_nanos(quota.window) / SWEEPS
    }
}
