//! How a route takes webhooks: who sends them, with which secrets, and how much.
//!
//! It exists apart from the routes because what a secret may look like is its provider's to say, so that the hooks of a route
//! can be judged only together with their sources. What is verified and how is for [`sallyport_sources`].

use std::collections::HashSet;

use sallyport_security::Secret;
use sallyport_sources::Source;
use serde::Deserialize;
use validator::{Validate, ValidationError};

use super::limits::RateSettings;
use super::routes::is_a_name;
use super::{Importance, refuse};

/// Secrets that count at the same time: the current one, the next one, and room for a mistake.
pub(super) const SECRETS_MAX: usize = 4;
/// Bots and hooks of one route.
const BOTS_MAX: usize = 1_000;

/// How webhooks are taken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[validate(
    schema(function = "has_distinct_bots"),
    schema(function = "can_verify_all")
)]
pub struct AcceptSettings {
    /// Who sends them, where a bot or hook names nobody itself.
    #[validate(nested)]
    pub source: Option<Source>,
    /// The bots behind this route, or its hooks; the path's `{bot}` or `{name}` names one.
    #[serde(alias = "hooks")]
    #[validate(nested)]
    pub bots: Vec<BotSettings>,
    /// Bytes of a body. Telegram's updates stay far below; GitHub sends up to 25 MB.
    #[serde(default = "default_body_bytes_max")]
    #[validate(range(min = 1, max = 26_214_400, message = "must be 1–26214400"))]
    pub body_bytes_max: usize,
    /// From the end of the head to the end of the body.
    #[serde(default = "default_body_deadline_ms")]
    #[validate(range(min = 50, max = 60_000, message = "must be 50–60000 ms"))]
    pub body_deadline_ms: u64,
    /// Verified webhooks of the whole route.
    #[serde(default = "default_route_limit")]
    #[validate(nested)]
    pub limit: RateSettings,
}

impl AcceptSettings {
    /// Who sends to `bot`: the one that it names, or else the route. Nobody only before anything was validated.
    pub fn source_of<'s>(&'s self, bot: &'s BotSettings) -> Option<&'s Source> {
        bot.source.as_ref().or(self.source.as_ref())
    }
}

/// Room for any update, and for the fields that next year brings.
pub(super) fn default_body_bytes_max() -> usize {
    1024 * 1024
}

pub(super) fn default_body_deadline_ms() -> u64 {
    10_000
}

/// A shield against a sender gone wild, far above what one machine stores.
fn default_route_limit() -> RateSettings {
    RateSettings::bucket(50_000, 1)
}

/// One bot or hook that a source sends to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct BotSettings {
    /// Its name in paths, keys and metrics.
    #[validate(custom(function = "is_a_name"))]
    pub name: String,
    /// Who sends to it, if not the route's source.
    #[validate(nested)]
    pub source: Option<Source>,
    /// Whose it is.
    #[serde(default = "default_tenant")]
    #[validate(custom(function = "is_a_name"))]
    pub tenant: String,
    /// The webhook secrets that count now: one, or two while it is rotated.
    pub secrets: Vec<Secret>,
    /// Verified webhooks of this bot.
    #[serde(default = "default_bot_limit")]
    #[validate(nested)]
    pub limit: RateSettings,
    /// How much is lost when its webhooks are turned away while the house is slow; absent: as its route says.
    pub importance: Option<Importance>,
}

fn default_tenant() -> String {
    "house".to_owned()
}

fn default_bot_limit() -> RateSettings {
    RateSettings::bucket(20_000, 1)
}

fn has_distinct_bots(accept: &AcceptSettings) -> Result<(), ValidationError> {
    let bots = &accept.bots;
    let names: HashSet<_> = bots.iter().map(|bot| bot.name.as_str()).collect();
    if bots.is_empty() || bots.len() > BOTS_MAX || names.len() < bots.len() {
        return Err(refuse(
            "bots",
            "bots must be 1–1000, each with a name of its own",
        ));
    }
    Ok(())
}

/// Every hook has somebody who sends to it, and secrets that can be this sender's.
///
/// The whole of it is checked where one field is meant, because a check of a field would copy the field's value into its
/// error, and secrets do not go there.
fn can_verify_all(accept: &AcceptSettings) -> Result<(), ValidationError> {
    accept.bots.iter().try_for_each(|bot| {
        let name = &bot.name;
        let source = accept.source_of(bot).ok_or_else(|| {
            let message = format!("{name:?} must name a source, or the route must");
            refuse("source", message)
        })?;
        if !(1..=SECRETS_MAX).contains(&bot.secrets.len()) {
            let message = format!("the secrets of {name:?} must be one to four");
            return Err(refuse("secrets", message));
        }
        let mut secrets = bot.secrets.iter();
        secrets
            .try_for_each(|secret| source.check_key(secret))
            .map_err(|unfit| {
                let source = source.name();
                let message = format!("the secrets of {name:?}, which {source} sends to: {unfit}");
                refuse("secrets", message)
            })
    })
}
