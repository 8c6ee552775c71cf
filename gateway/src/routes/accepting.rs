//! How a route takes webhooks, once its settings have become keys and limits.
//!
//! It exists so that the edge meets a hook ready to verify and to count, whoever sends to it. In which order it does both is
//! for [`crate::checks`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_security::{InvalidQuota, RateLimiter};
use sallyport_sources::Provider;

use crate::recent::Recent;
use crate::rules::InvalidRules;
use crate::settings::{AcceptSettings, BotSettings, Importance, RateSettings};

/// How a route takes webhooks.
pub(crate) struct Accepting {
    pub(crate) body_bytes_max: usize,
    pub(crate) body_deadline: Duration,
    pub(crate) limit: Arc<RateLimiter<()>>,
    bots: HashMap<String, Arc<Bot>>,
}

/// A bot or hook that webhooks are taken for.
pub(crate) struct Bot {
    pub(crate) name: String,
    pub(crate) tenant: String,
    /// As it stands in metrics: `telegram:ops`.
    pub(crate) source: Arc<str>,
    /// Who sends to it, with the keys that count now.
    pub(crate) provider: Box<dyn Provider>,
    pub(crate) limit: Arc<RateLimiter<()>>,
    /// How much is lost when its webhooks are turned away.
    pub(crate) importance: Importance,
    /// What came lately.
    pub(crate) recent: Arc<Recent>,
}

impl Accepting {
    /// `importance` is what the route says, if it says anything.
    pub(super) fn new(
        path: &str,
        settings: &AcceptSettings,
        importance: Option<Importance>,
        origin: Instant,
        before: Option<&Self>,
    ) -> Result<Self, InvalidRules> {
        let bot = |bot: &BotSettings| {
            let (path, name) = (|| path.to_owned(), || bot.name.clone());
            let source = settings
                .source_of(bot)
                .ok_or_else(|| InvalidRules::NoSource {
                    path: path(),
                    name: name(),
                })?;
            let importance = bot.importance.or(importance);
            let importance = importance.unwrap_or_else(|| Importance::of_source(source));
            let provider = source.provider(&bot.secrets);
            let provider = provider.map_err(|source| InvalidRules::Hook {
                path: path(),
                name: name(),
                source,
            })?;
            let before = before.and_then(|route| route.bot(&bot.name));
            let counted = before.map(|bot| &bot.limit);
            let made = Bot {
                name: bot.name.clone(),
                tenant: bot.tenant.clone(),
                source: Arc::from(format!("{}:{}", provider.name(), bot.name)),
                provider,
                limit: one_for_all(bot.limit, origin, counted)?,
                importance,
                recent: before
                    .map(|bot| Arc::clone(&bot.recent))
                    .unwrap_or_default(),
            };
            Ok((bot.name.clone(), Arc::new(made)))
        };
        let bots = settings.bots.iter().map(bot);
        let bots = bots.collect::<Result<_, InvalidRules>>()?;
        Ok(Self {
            body_bytes_max: settings.body_bytes_max,
            body_deadline: Duration::from_millis(settings.body_deadline_ms),
            limit: one_for_all(settings.limit, origin, before.map(|route| &route.limit))?,
            bots,
        })
    }

    /// The bot or hook of this name.
    pub(crate) fn bot(&self, name: &str) -> Option<&Arc<Bot>> {
        self.bots.get(name)
    }

    /// All of them, for what is prepared for each at the start.
    pub(crate) fn bots(&self) -> impl Iterator<Item = &Arc<Bot>> {
        self.bots.values()
    }
}

/// A limit that tells nobody apart; the one that was counted so far, if it is the same.
fn one_for_all(
    rate: RateSettings,
    origin: Instant,
    counted: Option<&Arc<RateLimiter<()>>>,
) -> Result<Arc<RateLimiter<()>>, InvalidQuota> {
    let quota = rate.quota()?;
    match counted.filter(|limiter| limiter.quota() == quota) {
        Some(limiter) => Ok(Arc::clone(limiter)),
        None => Ok(Arc::new(RateLimiter::new(quota, 1, origin))),
    }
}
