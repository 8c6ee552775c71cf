//! A bucket that fills steadily and holds no more than the quota.
//!
//! It is one number, the moment at which it will be full again, as in the generic cell rate algorithm (ITU-T I.371): what
//! is missing is what fits into the time until then.

use std::time::Duration;

use super::{Asking, Decision, Quota, Usage};

/// When the bucket is full again.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenBucket {
    full_at: u64,
}

impl Usage for TokenBucket {
    fn ask(&mut self, quota: &Quota, asking: Asking, now: u64) -> Decision {
        let per_token = quota.nanos_per_token();
        let capacity = per_token.saturating_mul(u64::from(quota.burst));
        let missing = self.full_at.saturating_sub(now);
        let asked = per_token.saturating_mul(u64::from(asking.tokens(quota)));
        let after = missing.saturating_add(asked);
        let allowed = after <= capacity;
        let owed = match asking {
            Asking::Used(_) => after.min(capacity),
            Asking::Look(_) | Asking::Take(_) if allowed => after,
            Asking::Look(_) | Asking::Take(_) => missing,
        };
        if !matches!(asking, Asking::Look(_)) {
            self.full_at = now.saturating_add(owed);
        }
        let remaining = capacity.saturating_sub(owed) / per_token;
        let retry_after = if allowed { 0 } else { after - capacity };
        Decision {
            allowed,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            reset_after: Duration::from_nanos(owed),
            retry_after: Duration::from_nanos(retry_after),
        }
    }

    fn is_fresh(&self, _quota: &Quota, now: u64) -> bool {
        self.full_at <= now
    }

    fn sweep_every(quota: &Quota) -> u64 {
        quota.nanos_per_token()
    }
}
