//! Is a source that has proved itself within what it may send?
//!
//! Two buckets: one of the route, which shields the house, and one of the bot or hook, which shields its neighbours. A provider that
//! would drop a delivery after a 429 reads what makes it send again.

use std::borrow::Cow;

use super::Asked;
use crate::events::Meters;
use crate::refusal::{Limited, Refusal};
use crate::routes::{Accepting, Bot};

pub(super) fn check(
    asked: &Asked<'_>,
    accepting: &Accepting,
    bot: &Bot,
    meters: &Meters,
) -> Result<Limited, Refusal> {
    // The bot's own bucket first: what it refuses must not use up what all bots share.
    let own = Limited {
        limiter: Cow::Borrowed("bot"),
        quota: bot.limit.quota(),
        decision: bot.limit.check(&(), asked.arrived.now),
    };
    meters.limit(&own);
    if !own.decision.allowed {
        return Err(Refusal::slow_down(own, &*bot.provider));
    }
    let shared = Limited {
        limiter: Cow::Borrowed("route"),
        quota: accepting.limit.quota(),
        decision: accepting.limit.check(&(), asked.arrived.now),
    };
    meters.limit(&shared);
    if !shared.decision.allowed {
        return Err(Refusal::slow_down(shared, &*bot.provider));
    }
    let tighter = if shared.decision.remaining < own.decision.remaining {
        shared
    } else {
        own
    };
    Ok(tighter)
}
