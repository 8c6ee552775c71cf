//! Limits with names: which of them a request counts against, and for whom.
//!
//! It exists because what a limit tells apart (a caller's key, a person, a conversation) is known at the edge alone, while
//! counting is the same for everybody and lives in [`sallyport_security`]. All limits of a route are asked together: a request
//! that one of them refuses counts against none.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, header};
use sallyport_security::access_token::Subject;
use sallyport_security::{FleetLimiter, InvalidQuota, LimitKey, Redis};
use sallyport_sources::{Delivery, Urgency};

use crate::refusal::{Limited, Refusal};
use crate::routes::{Bot, Route};
use crate::settings::{Dimension, LimitSettings};

/// Where callers show a key who do not show it as a bearer token.
const API_KEY: &str = "x-api-key";

/// All limits with names.
#[derive(Default)]
pub(crate) struct Limits(HashMap<String, Arc<Limit>>);

/// One of them.
pub(crate) struct Limit {
    settings: LimitSettings,
    limiter: FleetLimiter,
}

/// Who asks, as far as the edge knows.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'r> {
    pub(crate) route: &'r Route,
    pub(crate) address: IpAddr,
    pub(crate) headers: &'r HeaderMap,
    /// On a route with access tokens: whom the caller's has named.
    pub(crate) user: Option<&'r Subject>,
    /// For a webhook: the bot that it is for, and what it is.
    pub(crate) delivery: Option<(&'r Bot, &'r Delivery)>,
}

impl Limits {
    /// Makes all of them. One that has not changed is taken over from `before` with all that it has counted.
    ///
    /// # Errors
    /// When a limit was never validated and makes no sense.
    pub(crate) fn new(
        settings: &BTreeMap<String, LimitSettings>,
        redis: Option<&Redis>,
        origin: Instant,
        before: &Self,
    ) -> Result<Self, InvalidQuota> {
        let limit = |(name, settings): (&String, &LimitSettings)| {
            let unchanged = before
                .0
                .get(name)
                .filter(|limit| limit.settings == *settings);
            let limit = match unchanged {
                Some(limit) => Arc::clone(limit),
                None => Arc::new(Limit {
                    limiter: FleetLimiter::new(
                        name,
                        settings.policy()?,
                        redis.cloned(),
                        settings.keys_max,
                        origin,
                    ),
                    settings: settings.clone(),
                }),
            };
            Ok((name.clone(), limit))
        };
        settings
            .iter()
            .map(limit)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Those of these names. A name that nobody has given a limit is left out: settings with one are refused.
    pub(crate) fn named(&self, names: &[String]) -> Vec<Arc<Limit>> {
        names
            .iter()
            .filter_map(|name| self.0.get(name).cloned())
            .collect()
    }
}

impl Limit {
    /// For whom a request counts.
    fn key(&self, asker: &Asker<'_>) -> LimitKey {
        match self.settings.by.as_slice() {
            [] => LimitKey::ALL,
            [Dimension::Address] => LimitKey::of_address(asker.address),
            several => {
                let parts: Vec<_> = several.iter().map(|by| asker.part(*by)).collect();
                LimitKey::of(parts.iter().map(|part| &**part))
            }
        }
    }
}

/// As `sallyport explain` tells it: `person: 20 in 60 s by user`.
impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = &self.settings.rate;
        let name = self.limiter.name();
        write!(
            formatter,
            "{name}: {} in {} s",
            rate.requests, rate.window_seconds
        )?;
        let by: Vec<_> = self.settings.by.iter().map(|by| by.name()).collect();
        if by.is_empty() {
            return Ok(());
        }
        write!(formatter, " by {}", by.join(" and "))
    }
}

impl<'r> Asker<'r> {
    fn part(&self, by: Dimension) -> Cow<'r, [u8]> {
        let delivery = self.delivery.map(|(_, delivery)| delivery);
        let bot = self.delivery.map(|(bot, _)| bot);
        let text = |text: Option<&'r str>| Cow::Borrowed(text.unwrap_or_default().as_bytes());
        match by {
            Dimension::Route => text(Some(&self.route.template)),
            Dimension::Bot => text(bot.map(|bot| bot.name.as_str())),
            Dimension::Tenant => text(bot.map(|bot| bot.tenant.as_str())),
            Dimension::Chat => text(delivery.map(|delivery| delivery.key.as_str())),
            Dimension::User => match (self.user, delivery) {
                (Some(user), _) => Cow::Owned(person(user)),
                (None, delivery) => {
                    let named = delivery.and_then(|delivery| delivery.subject.as_deref());
                    text(named.or(delivery.map(|delivery| delivery.key.as_str())))
                }
            },
            Dimension::ApiKey => match self.api_key() {
                Some(key) => Cow::Borrowed(key),
                None => self.address(),
            },
            Dimension::Address => self.address(),
        }
    }

    fn address(&self) -> Cow<'r, [u8]> {
        let owner = sallyport_security::addresses::limit_key(self.address);
        Cow::Owned(owner.to_string().into_bytes())
    }

    /// What the caller shows, whether it opens anything or not.
    fn api_key(&self) -> Option<&'r [u8]> {
        let bearer = self
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim().as_bytes());
        bearer.or_else(|| self.headers.get(API_KEY).map(http::HeaderValue::as_bytes))
    }
}

/// Two issuers may call two people the same. Neither of the two parts holds a line break.
fn person(user: &Subject) -> Vec<u8> {
    [user.issuer(), user.name()].join("\n").into_bytes()
}

/// Counts a request against all limits of its route. Returns how each of them stands then.
///
/// What somebody waits for by the clock, or wants to stop, is never held up here: it counts against nothing (law L10).
///
/// # Errors
/// The first limit that is used up; then the request has counted against none.
pub(crate) async fn check(asker: Asker<'_>, now: Instant) -> Result<Vec<Limited>, Refusal> {
    let limits = &asker.route.limits;
    let is_urgent = asker
        .delivery
        .is_some_and(|(_, delivery)| delivery.urgency == Urgency::Now);
    if limits.is_empty() || is_urgent {
        return Ok(Vec::new());
    }
    let asks: Vec<_> = limits
        .iter()
        .map(|limit| (&limit.limiter, limit.key(&asker)))
        .collect();
    let rulings = FleetLimiter::take_all(&asks, now).await;
    let told = limits.iter().zip(rulings).map(|(limit, ruling)| Limited {
        limiter: Cow::Owned(limit.limiter.name().to_string()),
        quota: limit.limiter.policy().quota,
        decision: ruling.decision,
    });
    let (allowed, refused): (Vec<_>, Vec<_>) = told.partition(|limited| limited.decision.allowed);
    match refused.into_iter().next() {
        Some(limited) => Err(match asker.delivery {
            Some((bot, _)) => Refusal::slow_down(limited, &*bot.provider),
            None => Refusal::too_fast(limited),
        }),
        None => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_counts_by_the_key_that_it_shows_and_else_by_its_address() {
        let settings: LimitSettings = serde_json::from_value(serde_json::json!({
            "by": ["api_key"], "rate": {"requests": 1, "window_seconds": 60},
        }))
        .unwrap();
        let all = BTreeMap::from([("callers".to_owned(), settings)]);
        let limits = Limits::new(&all, None, Instant::now(), &Limits::default()).unwrap();
        let route = Route::problems();
        let key = |shown: Option<(&'static str, &'static str)>, address: &str| {
            let headers: HeaderMap = shown
                .into_iter()
                .map(|(name, value)| {
                    let name = http::HeaderName::from_static(name);
                    (name, http::HeaderValue::from_static(value))
                })
                .collect();
            limits.named(&["callers".to_owned()])[0].key(&Asker {
                route: &route,
                address: address.parse().unwrap(),
                headers: &headers,
                user: None,
                delivery: None,
            })
        };

        let bearer = key(Some(("authorization", "Bearer k1")), "192.0.2.1");
        assert_eq!(
            bearer,
            key(Some(("authorization", "bearer  k1")), "192.0.2.2")
        );
        assert_eq!(bearer, key(Some(("x-api-key", "k1")), "192.0.2.3"));
        assert_ne!(bearer, key(Some(("x-api-key", "k2")), "192.0.2.1"));
        assert_ne!(bearer, key(None, "192.0.2.1"));
        assert_eq!(key(None, "2001:db8::1"), key(None, "2001:db8::2"));
        assert_ne!(key(None, "192.0.2.1"), key(None, "192.0.2.2"));
    }
}
