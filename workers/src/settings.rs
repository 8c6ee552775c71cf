//! What the workers can be told: the pool, and for each bot who it is, how its updates arrive and how fast it may speak.

use std::path::PathBuf;

use sallyport_kit::Role;
use sallyport_security::Secret;
use serde::Deserialize;
use url::Url;
use validator::{Validate, ValidationError};

use crate::delivery::pacing::Pacing;

/// A person who waits this long for a message that fails and is tried again is told so.
const STILL_TRYING_AFTER_MS: u64 = 10_000;
/// The shortest time between two previews of a streamed answer.
const PREVIEW_PRIVATE_MS: u64 = 1_500;
/// Groups allow about twenty edits a minute, shared with everything else that is said.
const PREVIEW_GROUP_MS: u64 = 4_000;
/// Whose a bot is if nothing else is said, here as at the edge.
pub const DEFAULT_TENANT: &str = "house";
/// The code that makes somebody the owner works this long.
const OWNER_CODE_MINUTES: u32 = 15;

/// Settings of the workers.
#[derive(Debug, Clone, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[validate(schema(function = names_are_unique))]
pub struct Settings {
    /// The bots of this house. Each name at most once.
    #[validate(nested)]
    pub bots: Vec<BotSettings>,
    /// After how long a retried message says "Still trying", in milliseconds.
    #[validate(range(min = 1_000, max = 600_000, message = "must be 1000–600000"))]
    pub still_trying_after_ms: u64,
    /// The shortest time between two previews in a private chat, in milliseconds.
    #[validate(range(min = 500, max = 60_000, message = "must be 500–60000"))]
    pub preview_private_ms: u64,
    /// The same in a group.
    #[validate(range(min = 500, max = 60_000, message = "must be 500–60000"))]
    pub preview_group_ms: u64,
    /// How long an owner code works, in minutes.
    #[validate(range(min = 1, max = 1_440, message = "must be 1–1440"))]
    pub owner_code_minutes: u32,
    /// Webhooks that are sent.
    #[validate(nested)]
    pub webhooks: crate::webhooks::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bots: Vec::new(),
            still_trying_after_ms: STILL_TRYING_AFTER_MS,
            preview_private_ms: PREVIEW_PRIVATE_MS,
            preview_group_ms: PREVIEW_GROUP_MS,
            owner_code_minutes: OWNER_CODE_MINUTES,
            webhooks: crate::webhooks::Settings::default(),
        }
    }
}

/// One bot.
#[derive(Debug, Clone, PartialEq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct BotSettings {
    /// The house's own name for it, part of keys and of the webhook's path.
    #[validate(custom(function = is_a_name))]
    pub name: String,
    /// Whose it is. A route of the edge that takes webhooks for this bot must say the same.
    #[serde(default = "default_tenant")]
    #[validate(custom(function = is_a_name))]
    pub tenant: String,
    /// The app it runs, by its name.
    pub app: String,
    /// Its token.
    pub token: Secret,
    /// Where the Bot API is.
    #[serde(default)]
    #[validate(nested)]
    pub telegram: sallyport_telegram::Settings,
    /// How its updates arrive.
    #[serde(default)]
    pub receive: Receive,
    /// What somebody may do whom nobody has given a role.
    #[serde(default = "nobody_is_let_in")]
    pub newcomers: Role,
    /// How fast it may speak.
    #[serde(default)]
    pub pacing: Pacing,
    /// Whether its apps may ask the configured model. Off where a stand-in's text would reach a real chat.
    #[serde(default = "yes")]
    pub model: bool,
}

/// How updates arrive.
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Receive {
    /// One worker of the fleet asks for them.
    Polling {
        /// Whether a webhook of another host may be removed for it.
        #[serde(default)]
        take_over: bool,
    },
    /// Telegram posts them to the edge.
    Webhook {
        /// The public address.
        url: Url,
        /// What Telegram repeats in its header, the same as the edge's key.
        secret: Secret,
        /// A PEM file to upload, when the edge's certificate is not a public one.
        #[serde(default)]
        certificate: Option<PathBuf>,
    },
    /// Neither: somebody else has set the webhook, or updates are posted by hand.
    #[default]
    Off,
}

fn default_tenant() -> String {
    DEFAULT_TENANT.to_owned()
}

fn nobody_is_let_in() -> Role {
    Role::Guest
}

fn yes() -> bool {
    true
}

fn is_a_name(name: &str) -> Result<(), ValidationError> {
    let fits = (1..=32).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if fits {
        Ok(())
    } else {
        Err(ValidationError::new("name").with_message("must be 1–32 of a–z, 0–9 and -".into()))
    }
}

fn names_are_unique(settings: &Settings) -> Result<(), ValidationError> {
    let mut names: Vec<&str> = settings.bots.iter().map(|bot| bot.name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).all(|pair| pair.first() != pair.last()) {
        Ok(())
    } else {
        Err(ValidationError::new("unique").with_message("each bot needs a name of its own".into()))
    }
}

#[cfg(test)]
mod tests {
    use validator::Validate;

    use super::{Receive, Settings};

    #[test]
    fn a_bot_is_private_and_silent_until_told_otherwise() {
        let settings: Settings =
            serde_json::from_str(r#"{"bots": [{"name": "ops", "app": "hub", "token": "1:x"}]}"#)
                .expect("the shortest form");

        assert_eq!(settings.bots[0].newcomers, sallyport_kit::Role::Guest);
        assert_eq!(settings.bots[0].receive, Receive::Off);
        assert!(settings.validate().is_ok());
    }

    #[test]
    fn two_bots_of_one_name_are_refused() {
        let settings: Settings = serde_json::from_str(
            r#"{"bots": [{"name": "ops", "app": "hub", "token": "1:x"}, {"name": "ops", "app": "hub", "token": "2:x"}]}"#,
        )
        .expect("it parses");

        assert!(settings.validate().is_err());
    }

    #[test]
    fn a_webhook_and_polling_are_written_as_one_word_each() {
        for receive in [
            r#"{"polling": {"take_over": true}}"#,
            r#"{"webhook": {"url": "https://a.b/telegram/ops", "secret": "s"}}"#,
            r#""off""#,
        ] {
            assert!(
                serde_json::from_str::<Receive>(receive).is_ok(),
                "{receive}"
            );
        }
    }
}
