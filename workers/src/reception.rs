//! Getting a bot ready: who it is, how its updates reach us, what its menus say, who its owner may become.
//!
//! Runs once per bot at the start and goes on in the background while Telegram does not answer, because a house must
//! come up while a provider is down. Only one finding stops the start: a webhook of another host, since polling would
//! silently cut that host off.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_kit::Role;
use sallyport_postgres::Pool;
use sallyport_telegram::{CallError, Refusal};
use sallyport_telemetry::Event;
use thiserror::Error;
use url::Url;

use crate::bots::Bot;
use crate::events::BotTrouble;
use crate::persons::owner;
use crate::settings::Receive;

mod menus;

/// The wait after a failed try doubles from here…
const AGAIN_FIRST: Duration = Duration::from_secs(1);
/// …to here: a person who repairs the network should not wait long for the bot.
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// What a bot's start came to, for the lines that a person reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotNote {
    /// The house's name for it.
    pub name: String,
    /// The name people find it by, if Telegram told in time.
    pub username: Option<String>,
    /// `polling`, `webhook` or `off`.
    pub receive: &'static str,
    /// The link that makes whoever opens it first the owner. A secret: print it once.
    pub owner_link: Option<String>,
    /// What is wrong, in one sentence with the next step.
    pub trouble: Option<String>,
}

/// Why a bot is not ready.
#[derive(Debug, Error)]
pub enum NotReady {
    /// A webhook of another host is set.
    #[error(
        "A webhook on host {host} is set; polling would cut it off. Use another token, or --take-over."
    )]
    ForeignWebhook {
        /// The host.
        host: String,
    },
    /// Telegram did not do as asked.
    #[error("Telegram did not take what the bot {bot} needs")]
    Call {
        /// The bot.
        bot: String,
        /// Why.
        #[source]
        source: CallError,
    },
    /// The webhook's certificate cannot be read.
    #[error("the webhook's certificate {path} cannot be read")]
    Certificate {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl NotReady {
    /// One sentence with the next step.
    #[must_use]
    pub fn sentence(&self) -> String {
        let refusal = match self {
            Self::Call { source, .. } => source.refusal(),
            Self::ForeignWebhook { .. } | Self::Certificate { .. } => return self.to_string(),
        };
        match refusal {
            Some(Refusal::Unauthorized) => {
                "Telegram refuses the token (401). Get the current one from @BotFather and start again.".to_owned()
            }
            Some(Refusal::Conflict(_)) => {
                "Somebody else receives this bot's updates (409). Stop the other one; this one goes on by itself.".to_owned()
            }
            Some(Refusal::TooFast { retry_after }) => {
                format!("Telegram asks to wait {} s; the bot goes on by itself.", retry_after.as_secs())
            }
            Some(_) => format!("{self}; the bot tries again by itself."),
            None => "Telegram cannot be reached. Check the network; the bot goes on by itself.".to_owned(),
        }
    }

    /// Whether trying again by itself can help.
    fn passes(&self) -> bool {
        match self {
            Self::Call { .. } => true,
            Self::ForeignWebhook { .. } | Self::Certificate { .. } => false,
        }
    }
}

/// Gets a bot ready, once.
///
/// # Errors
/// See [`NotReady`]; everything done so far bears repetition.
pub async fn receive(bot: &Arc<Bot>) -> Result<(), NotReady> {
    let failed = |source| NotReady::Call {
        bot: bot.name.clone(),
        source,
    };
    let asked = Instant::now();
    let me = bot.api.me().await.map_err(failed)?;
    bot.answered(asked.elapsed());
    bot.introduce(me.username.as_deref().unwrap_or_default());
    match &bot.receive {
        Receive::Polling { take_over } => make_way_for_polling(bot, *take_over).await?,
        Receive::Webhook {
            url,
            secret,
            certificate,
        } => {
            let certificate = match certificate {
                Some(path) => Some(read_certificate(path).await?),
                None => None,
            };
            bot.api
                .set_webhook(url.as_str(), secret, certificate)
                .await
                .map_err(failed)?;
        }
        Receive::Off => {}
    }
    menus::publish(bot).await.map_err(failed)
}

/// Tries until the bot is ready or the process stops. Failures that cannot pass end it with an event.
pub async fn keep_trying(bot: Arc<Bot>) {
    let mut wait = AGAIN_FIRST;
    while let Err(error) = receive(&bot).await {
        note(&bot, &error);
        if !error.passes() {
            return;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(AGAIN_MAX);
    }
}

/// Tells health and log why a bot is not ready.
pub fn note(bot: &Bot, error: &NotReady) {
    let refusal = match error {
        NotReady::Call { source, .. } => source.refusal(),
        NotReady::ForeignWebhook { .. } | NotReady::Certificate { .. } => None,
    };
    if refusal == Some(&Refusal::Unauthorized) {
        bot.pause();
    } else {
        bot.unreachable(&error.sentence());
    }
    BotTrouble {
        bot: &bot.name,
        attempted: "getting ready",
        error,
    }
    .emit(&());
}

/// What is to be told about a bot after its first try.
pub async fn introduce(
    bot: &Bot,
    tried: Result<(), NotReady>,
    pool: &Pool,
    code_works_for: Duration,
) -> BotNote {
    let username = bot.username().map(str::to_owned);
    let is_private = bot.newcomers == Role::Guest;
    let owner_link = match &username {
        Some(username) if is_private => {
            let code = owner::new_code(&mut rand::rng());
            let issued = owner::issue(pool, &bot.name, &code, code_works_for).await;
            issued
                .unwrap_or(false)
                .then(|| format!("https://t.me/{username}?start={code}"))
        }
        _ => None,
    };
    BotNote {
        name: bot.name.clone(),
        username,
        receive: match bot.receive {
            Receive::Polling { .. } => "polling",
            Receive::Webhook { .. } => "webhook",
            Receive::Off => "off",
        },
        owner_link,
        trouble: tried.err().map(|error| error.sentence()),
    }
}

async fn make_way_for_polling(bot: &Bot, take_over: bool) -> Result<(), NotReady> {
    let failed = |source| NotReady::Call {
        bot: bot.name.clone(),
        source,
    };
    let webhook = bot.api.webhook().await.map_err(failed)?;
    if webhook.url.is_empty() {
        return Ok(());
    }
    if !take_over {
        let host = Url::parse(&webhook.url)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_else(|| "unknown".to_owned());
        return Err(NotReady::ForeignWebhook { host });
    }
    bot.api.delete_webhook().await.map_err(failed)
}

async fn read_certificate(path: &std::path::Path) -> Result<Vec<u8>, NotReady> {
    tokio::fs::read(path)
        .await
        .map_err(|source| NotReady::Certificate {
            path: path.display().to_string(),
            source,
        })
}
