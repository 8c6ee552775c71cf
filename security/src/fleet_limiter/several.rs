//! One request against one limit or several: it counts against all of them, or against none.
//!
//! It exists because a request that one limit refuses must not use up what another allows: whoever is told to wait would
//! find that waiting has cost them. What this process can refuse alone costs no round trip, and all shared limits
//! together cost one.

use std::time::Instant;

use super::{DecidedBy, FleetLimiter, Ruling, WhenAway, by_fleet};
use crate::limit_key::LimitKey;

/// How one of the limits is asked.
#[derive(Clone, Copy)]
enum Way {
    /// Out of this process's own account, so many at once.
    Own { tokens: u32, by: DecidedBy },
    /// In Redis; this process's own account keeps up.
    Fleet { share: u32 },
    /// Not at all: the policy has decided already, whether it is allowed.
    Decided(bool),
}

impl FleetLimiter {
    /// Takes one token of each, if every one of them has one. The rulings stand in the order of asking. Those that
    /// would have allowed a request that another refuses say how they stand, and have counted nothing.
    ///
    /// Between looking and counting another request may take the last token of a limit that is this process's own; then
    /// that limit refuses, and what the others have counted stays counted.
    ///
    /// # Cancel safety
    /// A dropped call may have taken the tokens.
    pub async fn take_all(asks: &[(&Self, LimitKey)], now: Instant) -> Vec<Ruling> {
        let rulings = ask_all(asks, now).await;
        let allowed = rulings.iter().all(|ruling| ruling.decision.allowed);
        for ((limiter, _), ruling) in asks.iter().zip(&rulings) {
            // A limit that would have allowed what another refused has decided nothing.
            if allowed || !ruling.decision.allowed {
                limiter.tell(ruling);
            }
        }
        rulings
    }

    fn way(&self) -> Way {
        match &self.redis {
            None => Way::Own {
                tokens: 1,
                by: DecidedBy::Process,
            },
            Some(redis) => Way::Fleet {
                share: redis.instances().max(1),
            },
        }
    }

    fn way_without_redis(&self, share: u32) -> Way {
        match self.policy.when_away {
            WhenAway::Share => Way::Own {
                tokens: share,
                by: DecidedBy::Share,
            },
            WhenAway::Open => Way::Decided(true),
            WhenAway::Closed => Way::Decided(false),
        }
    }

    fn look(&self, key: &LimitKey, way: Way, now: Instant) -> Option<Ruling> {
        match way {
            Way::Fleet { .. } => None,
            Way::Decided(allowed) => Some(self.by_policy(allowed)),
            Way::Own { tokens, by } => {
                let decision = self.own.peek_several(key, tokens, now);
                Some(in_shares(Ruling { decision, by }, tokens))
            }
        }
    }

    fn count(&self, key: &LimitKey, way: Way, looked: Ruling, now: Instant) -> Ruling {
        match way {
            Way::Decided(_) => looked,
            Way::Fleet { share } => {
                self.own.used(key, share, now);
                looked
            }
            Way::Own { tokens, by } => {
                let decision = self.own.check_several(key, tokens, now);
                in_shares(Ruling { decision, by }, tokens)
            }
        }
    }
}

async fn ask_all(asks: &[(&FleetLimiter, LimitKey)], now: Instant) -> Vec<Ruling> {
    let mut ways: Vec<Way> = asks.iter().map(|(limiter, _)| limiter.way()).collect();
    let mut looked = look_at_all(asks, &ways, now);
    if looked
        .iter()
        .flatten()
        .all(|ruling| ruling.decision.allowed)
    {
        ask_fleet(asks, &mut ways, &mut looked, now).await;
    }
    let allowed = looked
        .iter()
        .all(|ruling| ruling.is_some_and(|ruling| ruling.decision.allowed));
    let mut rulings = Vec::with_capacity(asks.len());
    for (((limiter, key), way), ruling) in asks.iter().zip(ways).zip(looked) {
        rulings.push(match ruling {
            Some(ruling) if allowed => limiter.count(key, way, ruling, now),
            Some(ruling) => ruling,
            // Nobody asked Redis, because the request is refused here already. Our own account is what we know.
            None => Ruling {
                decision: limiter.own.peek(key, now),
                by: DecidedBy::Process,
            },
        });
    }
    rulings
}

fn look_at_all(
    asks: &[(&FleetLimiter, LimitKey)],
    ways: &[Way],
    now: Instant,
) -> Vec<Option<Ruling>> {
    let looked = asks.iter().zip(ways);
    looked
        .map(|((limiter, key), way)| limiter.look(key, *way, now))
        .collect()
}

/// Asks all shared limits at once. While Redis is away, each goes its policy's way.
async fn ask_fleet(
    asks: &[(&FleetLimiter, LimitKey)],
    ways: &mut [Way],
    looked: &mut [Option<Ruling>],
    now: Instant,
) {
    let shared = || {
        let asks = asks.iter().zip(&*ways);
        asks.filter(|(_, way)| matches!(way, Way::Fleet { .. }))
            .map(|(ask, _)| ask)
    };
    let names: Vec<String> = shared()
        .map(|(limiter, key)| limiter.name_in_redis(key))
        .collect();
    // All limiters of one process share one Redis.
    let Some(redis) = shared().find_map(|(limiter, _)| limiter.redis.as_ref()) else {
        return;
    };
    let questions: Vec<_> = shared()
        .zip(&names)
        .map(|((limiter, _), name)| limiter.ask_of(name))
        .collect();
    let mut states = redis
        .take(&questions)
        .await
        .map(|taken| taken.limits.into_iter())
        .ok();
    for (((limiter, key), way), ruling) in asks.iter().zip(ways).zip(looked) {
        let Way::Fleet { share } = *way else { continue };
        match states.as_mut().and_then(Iterator::next) {
            Some(state) => *ruling = Some(by_fleet(&state)),
            None => {
                *way = limiter.way_without_redis(share);
                *ruling = limiter.look(key, *way, now);
            }
        }
    }
}

/// What is left, in requests and not in what a request costs this process's account.
fn in_shares(mut ruling: Ruling, share: u32) -> Ruling {
    ruling.decision.remaining /= share.max(1);
    ruling
}
