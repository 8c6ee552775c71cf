//! One limit for a whole fleet: counted in Redis while there is one, a share of it in each process while there is not.
//!
//! It exists because most limits are promises about the house and not about a process: a bot may send thirty messages a
//! second however many workers it has. The policy says what the limit is, who shares it and what becomes of it while
//! Redis is away; whoever asks is told in any case, at once and without an error. A limit whose scope is local never
//! asks anybody.
//!
//! While Redis answers, each process also keeps account of what it was granted itself. So when Redis goes away the
//! share goes on from there, and does not begin with a full bucket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_redis::{LimitAsk, LimitState, Redis};
use sallyport_telemetry::metrics::{Counter, counter};
use sallyport_telemetry::{Label, Metric};
use serde::Deserialize;

use crate::limit_key::LimitKey;
use crate::limiter::{Decision, Quota, RateLimiter};

mod several;

/// Whom a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Each process by itself.
    #[default]
    Local,
    /// All processes together.
    Shared,
}

/// What becomes of a shared limit while Redis is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenAway {
    /// Each process takes its share: the limit divided by how many processes there were when Redis was last seen.
    #[default]
    Share,
    /// Everything is let through.
    Open,
    /// Nothing is let through.
    Closed,
}

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How much, how fast.
    pub quota: Quota,
    /// Whom it is about.
    pub scope: Scope,
    /// What becomes of it while Redis is away.
    pub when_away: WhenAway,
}

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecidedBy {
    /// This process alone, because the limit is its own or there is no Redis at all.
    Process,
    /// What all share.
    Fleet,
    /// This process, within its share, because Redis is away.
    Share,
    /// The policy, because Redis is away.
    Policy,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruling {
    /// What was decided.
    pub decision: Decision,
    /// By whom.
    pub by: DecidedBy,
}

/// The buckets of one limit, by key.
pub struct FleetLimiter {
    name: Arc<str>,
    policy: Policy,
    own: RateLimiter<LimitKey>,
    redis: Option<Redis>,
    allowed: Counter,
    limited: Counter,
}

impl FleetLimiter {
    /// A limiter that is called `name` in metrics and in Redis. At most about `keys_max` keys are remembered here;
    /// `origin` is any moment not after the first question.
    #[must_use]
    pub fn new(
        name: &str,
        policy: Policy,
        redis: Option<Redis>,
        keys_max: usize,
        origin: Instant,
    ) -> Self {
        let decisions = |outcome| {
            let labels = [(Label::Limiter, name), (Label::Outcome, outcome)];
            counter(Metric::RateLimitDecisions, &labels)
        };
        Self {
            name: Arc::from(name),
            policy,
            own: RateLimiter::new(policy.quota, keys_max, origin),
            redis: redis.filter(|_| policy.scope == Scope::Shared),
            allowed: decisions("allowed"),
            limited: decisions("limited"),
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What it limits.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Takes one token of `key`, if there is one. Waits for Redis no longer than a quick call may take, and not at all
    /// while it is known to be away.
    ///
    /// # Cancel safety
    /// A dropped call may have taken the token.
    pub async fn take(&self, key: &LimitKey, now: Instant) -> Ruling {
        let rulings = Self::take_all(&[(self, *key)], now).await;
        // One question has one ruling.
        rulings
            .into_iter()
            .next()
            .unwrap_or_else(|| self.by_policy(false))
    }

    fn name_in_redis(&self, key: &LimitKey) -> String {
        format!("{}:{key}", self.name)
    }

    fn ask_of<'n>(&self, name: &'n str) -> LimitAsk<'n> {
        LimitAsk {
            name,
            algorithm: self.policy.quota.algorithm(),
            window: self.policy.quota.window(),
            max: self.policy.quota.burst(),
            tokens: 1,
        }
    }

    /// What the policy says by itself while Redis is away.
    fn by_policy(&self, allowed: bool) -> Ruling {
        Ruling {
            decision: Decision {
                allowed,
                remaining: 0,
                reset_after: Duration::ZERO,
                retry_after: match allowed {
                    true => Duration::ZERO,
                    false => self.policy.quota.token_every(),
                },
            },
            by: DecidedBy::Policy,
        }
    }

    fn tell(&self, ruling: &Ruling) {
        match ruling.decision.allowed {
            true => self.allowed.increment(),
            false => self.limited.increment(),
        }
    }
}

fn by_fleet(state: &LimitState) -> Ruling {
    Ruling {
        decision: Decision {
            allowed: state.enough_after.is_zero(),
            remaining: state.remaining,
            reset_after: state.full_after,
            retry_after: state.enough_after,
        },
        by: DecidedBy::Fleet,
    }
}

impl std::fmt::Debug for FleetLimiter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("FleetLimiter")
            .field("name", &self.name)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
