//! How much may one address ask for without having proved anything?
//!
//! Two buckets per address: one for requests to routes that verify nothing here, one for requests that were refused. A
//! verified request touches neither, so a flood from next door mutes nobody.

use std::net::IpAddr;
use std::time::Instant;

use sallyport_security::addresses::limit_key;
use sallyport_security::{InvalidQuota, RateLimiter};

use super::Asked;
use crate::events::Meters;
use crate::refusal::{Limited, Refusal};
use crate::settings::StrangerSettings;

/// What each address has left.
pub(crate) struct Strangers {
    unverified: RateLimiter<IpAddr>,
    failures: RateLimiter<IpAddr>,
}

impl Strangers {
    /// Full buckets for everybody.
    ///
    /// # Errors
    /// When a limit was never validated and makes no sense.
    pub(crate) fn new(settings: &StrangerSettings, origin: Instant) -> Result<Self, InvalidQuota> {
        let bucket = |quota| RateLimiter::new(quota, settings.addresses_max, origin);
        Ok(Self {
            unverified: bucket(settings.unverified.quota()?),
            failures: bucket(settings.failures.quota()?),
        })
    }

    /// Counts a request to a route that verifies nothing.
    ///
    /// # Errors
    /// When the address has used up its bucket.
    pub(crate) fn admit(&self, asked: &Asked<'_>, meters: &Meters) -> Result<Limited, Refusal> {
        let limited = Limited {
            limiter: "address",
            quota: self.unverified.quota(),
            decision: self.unverified.check(&limit_key(asked.address), asked.now),
        };
        meters.limit(&limited);
        if limited.decision.allowed {
            Ok(limited)
        } else {
            Err(Refusal::TooFast(limited))
        }
    }

    /// Counts a refused request, and says what its sender reads: the reason, or that there were too many.
    pub(crate) fn refuse(
        &self,
        refusal: Refusal,
        address: IpAddr,
        now: Instant,
        meters: &Meters,
    ) -> Refusal {
        if matches!(refusal, Refusal::TooFast(_)) || refusal.is_ours() {
            return refusal;
        }
        let limited = Limited {
            limiter: "failures",
            quota: self.failures.quota(),
            decision: self.failures.check(&limit_key(address), now),
        };
        meters.limit(&limited);
        if limited.decision.allowed {
            refusal
        } else {
            Refusal::TooFast(limited)
        }
    }
}
