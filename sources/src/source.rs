//! Every provider by its name: what an operator writes into the settings of a hook.
//!
//! It exists so that the edge, the command that tries a hook out, and the checks of settings know one list of providers and nothing
//! about any of them. A name alone, `source: slack`, takes a provider as it is; `source: {stripe: {header: …}}` says what it leaves open.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use sallyport_security::Secret;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use validator::{Validate, ValidationErrors};

use crate::hmac::InvalidSender;
use crate::{
    CannotSign, Provider, UnfitKey, alertmanager, discord, github, hmac, pagerduty, slack,
    standard_webhooks, stripe, telegram,
};

mod options;

pub use options::{AlertmanagerOptions, Freshness, StripeOptions};

/// Who sends to a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Telegram's Bot API.
    Telegram,
    /// GitHub.
    GitHub,
    /// A Slack app.
    Slack,
    /// The interactions of a Discord application.
    Discord(Freshness),
    /// Stripe, and those who sign as it does.
    Stripe(StripeOptions),
    /// Whoever keeps to the Standard Webhooks.
    StandardWebhooks(Freshness),
    /// PagerDuty's V3 webhooks.
    PagerDuty,
    /// Prometheus' Alertmanager.
    Alertmanager(AlertmanagerOptions),
    /// Anybody else with an HMAC.
    Hmac(Box<hmac::Settings>),
}

/// Why there is no such hook.
#[derive(Debug, thiserror::Error)]
pub enum InvalidHook {
    /// There is no key, so nothing could be verified.
    #[error("a hook needs a key")]
    NoKey,
    /// A secret is no key of this provider.
    #[error(transparent)]
    Key(#[from] UnfitKey),
    /// The settings contradict themselves.
    #[error(transparent)]
    Settings(#[from] hmac::Nonsense),
}

impl From<InvalidSender> for InvalidHook {
    fn from(error: InvalidSender) -> Self {
        match error {
            InvalidSender::Settings(why) => Self::Settings(why),
            InvalidSender::Key(unfit) => Self::Key(unfit),
        }
    }
}

impl Source {
    /// As it stands in settings, keys and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Telegram => "telegram",
            Self::GitHub => "github",
            Self::Slack => "slack",
            Self::Discord(_) => "discord",
            Self::Stripe(_) => "stripe",
            Self::StandardWebhooks(_) => "standard_webhooks",
            Self::PagerDuty => "pagerduty",
            Self::Alertmanager(_) => "alertmanager",
            Self::Hmac(_) => "hmac",
        }
    }

    /// Whether `secret` can be a key of this provider; what it may look like is the provider's to say, how short it may be is ours.
    ///
    /// # Errors
    /// It cannot.
    pub fn check_key(&self, secret: &Secret) -> Result<(), UnfitKey> {
        const TEXT: &str = "16–256 bytes";
        let text = secret.expose();
        let fit = |fits: bool, what| if fits { Ok(()) } else { Err(UnfitKey(what)) };
        match self {
            Self::Telegram => fit(telegram::is_key(text), telegram::KEY),
            Self::GitHub | Self::Slack | Self::Stripe(_) | Self::PagerDuty => {
                fit((16..=256).contains(&text.len()), TEXT)
            }
            Self::Alertmanager(_) => fit(
                (16..=256).contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_graphic()),
                "16–256 visible characters of ASCII",
            ),
            Self::Discord(_) => discord::public_key(text).map(drop),
            Self::StandardWebhooks(_) => standard_webhooks::mac_key(text).map(drop),
            Self::Hmac(settings) => match hmac::Hmac::new(settings, std::slice::from_ref(secret)) {
                Err(InvalidSender::Key(unfit)) => Err(unfit),
                // What the settings say is judged where they are read.
                Ok(_) | Err(InvalidSender::Settings(_)) => Ok(()),
            },
        }
    }

    /// The provider, with the keys of one hook.
    ///
    /// # Errors
    /// There is no key, one of `secrets` is none, or the settings were never validated.
    pub fn provider(&self, secrets: &[Secret]) -> Result<Box<dyn Provider>, InvalidHook> {
        if secrets.is_empty() {
            return Err(InvalidHook::NoKey);
        }
        secrets
            .iter()
            .try_for_each(|secret| self.check_key(secret))?;
        Ok(match self {
            Self::Telegram => Box::new(telegram::Telegram::new(secrets)),
            Self::GitHub => Box::new(github::GitHub::new(secrets)),
            Self::Slack => Box::new(slack::Slack::new(secrets)),
            Self::Discord(fresh) => Box::new(discord::Discord::new(secrets, fresh.window())?),
            Self::Stripe(options) => {
                let window = Duration::from_secs(options.window_seconds);
                Box::new(stripe::Stripe::new(secrets, options.header.clone(), window))
            }
            Self::StandardWebhooks(fresh) => {
                let window = fresh.window();
                Box::new(standard_webhooks::StandardWebhooks::new(secrets, window)?)
            }
            Self::PagerDuty => Box::new(pagerduty::PagerDuty::new(secrets)),
            Self::Alertmanager(options) => Box::new(alertmanager::Alertmanager::new(
                secrets,
                options.username.as_deref(),
            )),
            Self::Hmac(settings) => Box::new(hmac::Hmac::new(settings, secrets)?),
        })
    }

    /// The head with which this provider would send `body` now, as the delivery `id` where it has ids. For Discord `secret` is a private
    /// key of Ed25519, which only Discord has for its own; GitHub's event is `ping`.
    ///
    /// # Errors
    /// `secret` is no key, or something cannot stand in a header.
    pub fn sign(
        &self,
        secret: &Secret,
        id: &str,
        body: &[u8],
        now: SystemTime,
    ) -> Result<HeaderMap, CannotSign> {
        match self {
            Self::Telegram => telegram::sign(secret),
            Self::GitHub => github::sign(secret, "ping", id, body),
            Self::Slack => slack::sign(secret, body, now),
            Self::Discord(_) => discord::sign(secret, body, now),
            Self::Stripe(options) => stripe::sign(secret, options.header.clone(), body, now),
            Self::StandardWebhooks(_) => standard_webhooks::sign(secret, id, body, now),
            Self::PagerDuty => pagerduty::sign(secret, body),
            Self::Alertmanager(options) => alertmanager::sign(secret, options.username.as_deref()),
            Self::Hmac(settings) => hmac::sign(settings, secret, id, body, now),
        }
    }
}

impl Validate for Source {
    fn validate(&self) -> Result<(), ValidationErrors> {
        match self {
            Self::Telegram | Self::GitHub | Self::Slack | Self::PagerDuty => Ok(()),
            Self::Discord(fresh) | Self::StandardWebhooks(fresh) => fresh.validate(),
            Self::Stripe(options) => options.validate(),
            Self::Alertmanager(options) => options.validate(),
            Self::Hmac(settings) => settings.validate(),
        }
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

/// The providers of which something can be said.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Detailed {
    Discord(Freshness),
    Stripe(StripeOptions),
    StandardWebhooks(Freshness),
    Alertmanager(AlertmanagerOptions),
    Hmac(Box<hmac::Settings>),
}

const NAMES: &[&str] = &[
    "telegram",
    "github",
    "slack",
    "discord",
    "stripe",
    "standard_webhooks",
    "pagerduty",
    "alertmanager",
];

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = Source;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a provider, or its name with its settings")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Source, E> {
        Ok(match name {
            "telegram" => Source::Telegram,
            "github" => Source::GitHub,
            "slack" => Source::Slack,
            "discord" => Source::Discord(Freshness::default()),
            "stripe" => Source::Stripe(StripeOptions::default()),
            "standard_webhooks" => Source::StandardWebhooks(Freshness::default()),
            "pagerduty" => Source::PagerDuty,
            "alertmanager" => Source::Alertmanager(AlertmanagerOptions::default()),
            "hmac" => return Err(E::custom("hmac needs its settings")),
            unknown => return Err(E::unknown_variant(unknown, NAMES)),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Source, A::Error> {
        let detailed = Detailed::deserialize(MapAccessDeserializer::new(map))?;
        Ok(match detailed {
            Detailed::Discord(fresh) => Source::Discord(fresh),
            Detailed::Stripe(options) => Source::Stripe(options),
            Detailed::StandardWebhooks(fresh) => Source::StandardWebhooks(fresh),
            Detailed::Alertmanager(options) => Source::Alertmanager(options),
            Detailed::Hmac(settings) => Source::Hmac(settings),
        })
    }
}

#[cfg(test)]
mod tests;
