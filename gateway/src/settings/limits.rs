//! How much in how long, whom it tells apart, and who shares it.
//!
//! It exists apart from the routes because a limit is named once and used on many of them. Counting is for
//! [`sallyport_security`].

use std::time::Duration;

use sallyport_security::{Algorithm, InvalidQuota, Policy, Quota, Scope, WhenAway};
use serde::Deserialize;
use validator::{Validate, ValidationError};

use super::{RouteSettings, Settings, refuse, routes};

/// Each has a series of its own.
const LIMITS_MAX: usize = 64;
/// Limits that every edge has; what they are called in headers and metrics belongs to them.
const OWN_LIMITS: [&str; 4] = ["address", "failures", "bot", "route"];

/// A limit: so many requests in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct RateSettings {
    /// Requests at once when there were none before.
    #[validate(range(min = 1, max = 10_000_000, message = "must be 1–10000000"))]
    pub requests: u32,
    /// How long it takes until nothing of a used up limit is missing any more.
    #[validate(range(min = 1, max = 86_400, message = "must be 1–86400 s"))]
    pub window_seconds: u64,
    /// How they are counted.
    #[serde(default)]
    pub algorithm: Algorithm,
}

impl RateSettings {
    /// So many in so many seconds, as a bucket that fills steadily.
    pub(super) fn bucket(requests: u32, window_seconds: u64) -> Self {
        Self {
            requests,
            window_seconds,
            algorithm: Algorithm::TokenBucket,
        }
    }

    /// The quota that this describes.
    ///
    /// # Errors
    /// When the numbers were never validated and make no sense.
    pub fn quota(&self) -> Result<Quota, InvalidQuota> {
        let quota = Quota::try_new(self.requests, Duration::from_secs(self.window_seconds))?;
        Ok(quota.counted_by(self.algorithm))
    }
}

/// A limit with a name, which routes ask for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "tells_apart_once"))]
pub struct LimitSettings {
    /// What it tells apart. Nothing: all requests count together.
    #[serde(default)]
    pub by: Vec<Dimension>,
    /// How much in how long, for each of those that it tells apart.
    #[validate(nested)]
    pub rate: RateSettings,
    /// Whether each edge counts by itself, or all of them together in Redis.
    #[serde(default)]
    pub scope: Scope,
    /// What becomes of a shared limit while Redis is away.
    #[serde(default)]
    pub when_away: WhenAway,
    /// How many are remembered in this process; one costs about 50 bytes, with a sliding window 350. Beyond, newcomers share.
    #[serde(default = "default_keys_max")]
    #[validate(range(min = 16, max = 10_000_000, message = "must be 16–10000000"))]
    pub keys_max: usize,
}

fn default_keys_max() -> usize {
    65_536
}

impl LimitSettings {
    /// The policy that this describes.
    ///
    /// # Errors
    /// When the numbers were never validated and make no sense.
    pub fn policy(&self) -> Result<Policy, InvalidQuota> {
        Ok(Policy {
            quota: self.rate.quota()?,
            scope: self.scope,
            when_away: self.when_away,
        })
    }

    /// The first thing that it tells apart and that nobody knows on this route.
    pub(super) fn unknown_on(&self, route: &RouteSettings) -> Option<Dimension> {
        let accepts = route.accept.is_some();
        let forward = route.forward.as_ref();
        let has_tokens = forward.is_some_and(|forward| forward.access_token.is_some());
        let known = |dimension: &Dimension| match dimension {
            Dimension::Address | Dimension::ApiKey => !accepts,
            Dimension::User => accepts || has_tokens,
            Dimension::Chat | Dimension::Bot | Dimension::Tenant => accepts,
            Dimension::Route => true,
        };
        self.by.iter().find(|dimension| !known(dimension)).copied()
    }
}

/// What a limit can tell requests apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The client's address; IPv6 by its /64. On forward routes: a source that has proved itself is exempt from limits by
    /// address, since its addresses are its provider's.
    Address,
    /// The bearer token, or `X-API-Key`, as it is shown and before anybody has checked it; without one, the address. On
    /// forward routes.
    ApiKey,
    /// Whom a delivery is about; its chat when it names nobody. On accept routes, and on forward routes with access tokens, where
    /// it is whom the token names.
    User,
    /// The conversation, which is what a delivery is kept in order with. On accept routes.
    Chat,
    /// The bot that a delivery is for. On accept routes.
    Bot,
    /// Whose bot that is. On accept routes.
    Tenant,
    /// The route.
    Route,
}

impl Dimension {
    /// As it stands in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::ApiKey => "api_key",
            Self::User => "user",
            Self::Chat => "chat",
            Self::Bot => "bot",
            Self::Tenant => "tenant",
            Self::Route => "route",
        }
    }
}

fn tells_apart_once(limit: &LimitSettings) -> Result<(), ValidationError> {
    let mut seen = std::collections::HashSet::new();
    match limit.by.iter().find(|dimension| !seen.insert(**dimension)) {
        Some(dimension) => Err(refuse(
            "twice",
            format!("by has {} twice", dimension.name()),
        )),
        None => Ok(()),
    }
}

pub(super) fn fit_their_routes(settings: &Settings) -> Result<(), ValidationError> {
    let limits = &settings.limits;
    if limits.len() > LIMITS_MAX {
        let message = format!("limits must be at most {LIMITS_MAX}");
        return Err(refuse("limits", message));
    }
    for name in limits.keys() {
        if routes::is_a_name(name).is_err() {
            let message = format!("limits: {name:?} must be 1–32 of a–z, 0–9, '-' and '_'");
            return Err(refuse("limits", message));
        }
        if OWN_LIMITS.contains(&name.as_str()) {
            let message = format!("limits: {name} is the name of a limit that every edge has");
            return Err(refuse("limits", message));
        }
    }
    for route in &settings.routes {
        let mut asked = route.limits.iter();
        asked.try_for_each(|name| fits(settings, route, name))?;
    }
    Ok(())
}

fn fits(settings: &Settings, route: &RouteSettings, name: &str) -> Result<(), ValidationError> {
    let path = &route.path;
    let Some(limit) = settings.limits.get(name) else {
        let message =
            format!("the route {path} asks for the limit {name:?}, which limits does not have");
        return Err(refuse("limits", message));
    };
    match limit.unknown_on(route) {
        None => Ok(()),
        Some(dimension) => {
            let by = dimension.name();
            let message = format!(
                "the route {path} asks for the limit {name}, but nobody knows the {by} of a request there"
            );
            Err(refuse("limits", message))
        }
    }
}
