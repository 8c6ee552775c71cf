//! How much may one address ask for without having proved anything?
//!
//! Two buckets per address: one for requests to routes that verify nothing here, one for requests that were refused. A
//! verified request touches neither, so a flood from next door mutes nobody whose head proves who it is. Where only a body can prove
//! that, it is not read any more for an address that was refused too often.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use sallyport_security::addresses::limit_key;
use sallyport_security::{InvalidQuota, RateLimiter};

use super::Asked;
use crate::events::Meters;
use crate::refusal::{Limited, Refusal};
use crate::settings::StrangerSettings;

/// What each address has left.
pub(crate) struct Strangers {
    settings: StrangerSettings,
    unverified: Arc<RateLimiter<IpAddr>>,
    failures: Arc<RateLimiter<IpAddr>>,
}

impl Strangers {
    /// Full buckets for everybody; those of `before` if nothing about them has changed.
    ///
    /// # Errors
    /// When a limit was never validated and makes no sense.
    pub(crate) fn new(
        settings: &StrangerSettings,
        origin: Instant,
        before: Option<&Self>,
    ) -> Result<Self, InvalidQuota> {
        let bucket = |quota| Arc::new(RateLimiter::new(quota, settings.addresses_max, origin));
        let (unverified, failures) = match before.filter(|before| before.settings == *settings) {
            Some(before) => (Arc::clone(&before.unverified), Arc::clone(&before.failures)),
            None => (
                bucket(settings.unverified.quota()?),
                bucket(settings.failures.quota()?),
            ),
        };
        Ok(Self {
            settings: settings.clone(),
            unverified,
            failures,
        })
    }

    /// Counts a request to a route that verifies nothing.
    ///
    /// # Errors
    /// When the address has used up its bucket.
    pub(crate) fn admit(&self, asked: &Asked<'_>, meters: &Meters) -> Result<Limited, Refusal> {
        let limited = Limited {
            limiter: Cow::Borrowed("address"),
            quota: self.unverified.quota(),
            decision: self
                .unverified
                .check(&limit_key(asked.address), asked.arrived.now),
        };
        meters.limit(&limited);
        if limited.decision.allowed {
            Ok(limited)
        } else {
            Err(Refusal::too_fast(limited))
        }
    }

    /// Looks, without counting anything, whether the address was refused too often to have a body read that may prove nothing.
    ///
    /// # Errors
    /// When it has used up its bucket.
    pub(crate) fn look(&self, asked: &Asked<'_>, meters: &Meters) -> Result<(), Refusal> {
        let limited = Limited {
            limiter: Cow::Borrowed("failures"),
            quota: self.failures.quota(),
            decision: self
                .failures
                .peek(&limit_key(asked.address), asked.arrived.now),
        };
        if limited.decision.allowed {
            return Ok(());
        }
        meters.limit(&limited);
        Err(Refusal::too_fast(limited))
    }

    /// Counts a refused request, and says what its sender reads: the reason, or that there were too many.
    pub(crate) fn refuse(
        &self,
        refusal: Refusal,
        address: IpAddr,
        now: Instant,
        meters: &Meters,
    ) -> Refusal {
        if matches!(refusal, Refusal::TooFast(..)) || refusal.is_ours() {
            return refusal;
        }
        let limited = Limited {
            limiter: Cow::Borrowed("failures"),
            quota: self.failures.quota(),
            decision: self.failures.check(&limit_key(address), now),
        };
        meters.limit(&limited);
        if limited.decision.allowed {
            refusal
        } else {
            Refusal::too_fast(limited)
        }
    }
}
