//! The bots of this process: each with its client, its app and its pace.
//!
//! Several run side by side from the first day, so nothing about a bot is global. What a bot *is* comes from the
//! settings and does not change; what changes (its public name, whether it is paused) is kept here for all rooms.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sallyport_kit::{App, Role, Us};
use sallyport_queue::ErrorNote;
use sallyport_redis::Redis;
use sallyport_security::{FleetLimiter, InvalidQuota, LimitKey};
use sallyport_telegram::{BotApi, InvalidToken};
use sallyport_telemetry::health::ComponentHandle;
use sallyport_telemetry::{Event, Health};
use thiserror::Error;

use crate::delivery::pacing::{self, Pacer, Pacing, Step, Turn};
use crate::events::{BotPaused, BotResumed};
use crate::pool::Handled;
use crate::settings::{BotSettings, Receive};

/// A millisecond more than the exact time: rounding must not send anybody back for another microsecond.
const ROUNDING: Duration = Duration::from_millis(1);

/// One bot of this process.
pub struct Bot {
    /// The house's own name for it.
    pub name: String,
    /// Whose it is.
    pub tenant: String,
    /// What it does.
    pub app: Arc<App>,
    /// Its way to Telegram.
    pub api: BotApi,
    /// What somebody may do whom nobody has given a role.
    pub newcomers: Role,
    /// Whether its app may ask the configured model.
    pub uses_model: bool,
    /// How its updates arrive.
    pub receive: Receive,
    username: OnceLock<String>,
    pacer: Mutex<Pacer>,
    /// What it may send in bulk; `None` where only what is refused has to wait.
    bulk: Option<(Arc<FleetLimiter>, LimitKey)>,
    paused: AtomicBool,
    health: ComponentHandle,
}

/// Why a bot cannot be set up.
#[derive(Debug, Error)]
pub enum BotError {
    /// There is no app of that name.
    #[error("the bot {bot} asks for the app {app}, which this build does not have")]
    UnknownApp {
        /// The bot.
        bot: String,
        /// The app it asks for.
        app: String,
    },
    /// The token cannot be one.
    #[error("the token of the bot {bot} cannot be used")]
    Token {
        /// The bot.
        bot: String,
        /// Why.
        #[source]
        source: InvalidToken,
    },
    /// The pace of bots makes no sense.
    #[error("the pace of bots makes no sense")]
    Pace(#[from] InvalidQuota),
}

impl Bot {
    fn set_up(
        settings: &BotSettings,
        app: Arc<App>,
        health: &Health,
        bulk: &Arc<FleetLimiter>,
    ) -> Result<Self, BotError> {
        let api = BotApi::open(&settings.telegram, &settings.token).map_err(|source| {
            BotError::Token {
                bot: settings.name.clone(),
                source,
            }
        })?;
        Ok(Self {
            name: settings.name.clone(),
            tenant: settings.tenant.clone(),
            app,
            api,
            newcomers: settings.newcomers,
            uses_model: settings.model,
            receive: settings.receive.clone(),
            username: OnceLock::new(),
            pacer: Mutex::new(Pacer::new(settings.pacing)),
            bulk: (settings.pacing == Pacing::Cloud)
                .then(|| (Arc::clone(bulk), LimitKey::from(settings.name.as_str()))),
            paused: AtomicBool::new(false),
            health: health.component(format!("telegram {}", settings.name), false),
        })
    }

    /// How the bot is addressed, as far as known yet.
    #[must_use]
    pub fn us(&self) -> Us {
        Us {
            bot: self.name.clone(),
            username: self.username.get().cloned().unwrap_or_default(),
        }
    }

    /// The name people mention it by, once Telegram told.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.get().map(String::as_str)
    }

    /// Remembers the public name. The first one stays: it changes less often than processes.
    pub fn introduce(&self, username: &str) {
        let _known = self.username.set(username.to_owned());
    }

    /// Asks for a turn to send, and takes it if it is there. What nobody waits for asks the whole fleet, too: at the
    /// longest for as long as a quick call of Redis may take.
    pub async fn turn(&self, step: Step, now: Instant) -> Turn {
        if step.bulk
            && let Some((bulk, name)) = &self.bulk
        {
            // The chat is looked at first: what its own pace holds back must not use up a turn of the others.
            let wait = self.pacer.lock().wait(step, now);
            if wait > Duration::ZERO {
                return Turn::Wait(wait);
            }
            let decision = bulk.take(name, now).await.decision;
            if !decision.allowed {
                return Turn::Wait(decision.retry_after + ROUNDING);
            }
        }
        self.pacer.lock().ask(step, now)
    }

    /// Telegram said to wait with a chat.
    pub fn told_to_wait(&self, step: Step, wait: std::time::Duration, now: Instant) {
        self.pacer
            .lock()
            .told_to_wait(step.chat, step.to_group, wait, now);
    }

    /// Whether the token was refused and nothing is sent.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Stops sending: the token was refused.
    pub fn pause(&self) {
        self.health
            .down("the token was refused (401); set a valid one and restart");
        if !self.paused.swap(true, Ordering::Relaxed) {
            BotPaused { bot: &self.name }.emit(&());
        }
    }

    /// Telegram answered: whatever was wrong with the token is over.
    pub fn answered(&self, latency: std::time::Duration) {
        self.health.up(latency);
        if self.paused.swap(false, Ordering::Relaxed) {
            BotResumed { bot: &self.name }.emit(&());
        }
    }

    /// Telegram did not answer, or not as it should.
    pub fn unreachable(&self, reason: &str) {
        self.health.down(reason);
    }
}

/// What becomes of a message of a bot that this process does not have: another process of the fleet, or the next deployment,
/// may know it.
pub(crate) fn unknown_bot() -> Handled {
    Handled::retry(ErrorNote::new(
        "unknown_bot",
        "this process has no such bot",
    ))
}

/// All bots of this process, by name. Cheap to clone.
#[derive(Clone)]
pub struct Bots(Arc<HashMap<String, Arc<Bot>>>);

impl Bots {
    /// Sets up every bot. Nothing is sent yet.
    ///
    /// # Errors
    /// When a bot names an app that is not there, or its token has a shape that no token has.
    pub fn set_up(
        settings: &[BotSettings],
        apps: &HashMap<String, Arc<App>>,
        health: &Health,
        redis: Option<Redis>,
    ) -> Result<Self, BotError> {
        let bulk = Arc::new(pacing::bulk(redis, Instant::now())?);
        let mut bots = HashMap::with_capacity(settings.len());
        for bot in settings {
            let app = apps.get(&bot.app).ok_or_else(|| BotError::UnknownApp {
                bot: bot.name.clone(),
                app: bot.app.clone(),
            })?;
            let set_up = Bot::set_up(bot, Arc::clone(app), health, &bulk)?;
            bots.insert(bot.name.clone(), Arc::new(set_up));
        }
        Ok(Self(Arc::new(bots)))
    }

    /// The bot of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Bot>> {
        self.0.get(name)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Bot>> {
        self.0.values()
    }
}
