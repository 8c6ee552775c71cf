//! Everything the stand-ins share: the bots, the faults, the log, and who listens for changes.
//!
//! It owns the tasks that deliver webhooks, so that stopping the playground waits for them. It decides nothing about Telegram or models.

use std::{collections::HashMap, sync::Arc};

use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use tokio::sync::broadcast;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    faults::Faults,
    levers::Lever,
    settings::PlaygroundSettings,
    telegram::{bot::Bot, log::Log},
};

/// Bots are made by whoever knows the address; this bounds what a stranger's loop can make.
const BOTS_MAX: usize = 1_000;

/// A page that falls this far behind is told to read everything again.
const LIVE_CAPACITY: usize = 1_024;

/// What changed, for the pages that watch. They read the rest themselves.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Change {
    pub(crate) bot: i64,
    pub(crate) chat_id: i64,
}

/// The shared state of one playground.
pub(crate) struct World {
    pub(crate) settings: PlaygroundSettings,
    pub(crate) faults: Faults,
    pub(crate) log: Mutex<Log>,
    pub(crate) levers: Vec<Arc<dyn Lever>>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    /// The client for `/ops/*`; webhooks have clients of their own, one per certificate.
    pub(crate) ops_client: reqwest::Client,
    bots: RwLock<HashMap<i64, Arc<Bot>>>,
    live: broadcast::Sender<Change>,
}

impl World {
    pub(crate) fn new(
        settings: PlaygroundSettings,
        levers: Vec<Arc<dyn Lever>>,
        ops_client: reqwest::Client,
        stop: CancellationToken,
    ) -> Self {
        let log = Mutex::new(Log::new(settings.kept_bytes_max));
        let (live, _) = broadcast::channel(LIVE_CAPACITY);
        Self {
            settings,
            faults: Faults::default(),
            log,
            levers,
            tasks: TaskTracker::new(),
            stop,
            ops_client,
            bots: RwLock::default(),
            live,
        }
    }

    /// The bot with this number, made on first use; `None` when there are too many.
    pub(crate) fn bot(&self, id: i64) -> Option<Arc<Bot>> {
        if let Some(bot) = self.bots.read().get(&id) {
            return Some(Arc::clone(bot));
        }
        let mut bots = self.bots.write();
        if bots.len() >= BOTS_MAX && !bots.contains_key(&id) {
            return None;
        }
        let bot = bots
            .entry(id)
            .or_insert_with(|| Arc::new(Bot::new(id, self.settings.kept_bytes_max)));
        Some(Arc::clone(bot))
    }

    /// The bot that a control request names by number or user name; the default bot when it names none.
    pub(crate) fn bot_named(&self, name: Option<&str>) -> Option<Arc<Bot>> {
        let Some(name) = name
            .map(|name| name.trim_start_matches('@'))
            .filter(|name| !name.is_empty())
        else {
            return self.bot(self.settings.default_bot);
        };
        if let Ok(id) = name.parse::<i64>() {
            return (id > 0).then(|| self.bot(id)).flatten();
        }
        self.bots().into_iter().find(|bot| {
            let identity = bot.identity();
            identity.username.eq_ignore_ascii_case(name)
                || identity.short.eq_ignore_ascii_case(name)
        })
    }

    /// All bots, lowest number first.
    pub(crate) fn bots(&self) -> Vec<Arc<Bot>> {
        let mut bots: Vec<_> = self.bots.read().values().cloned().collect();
        bots.sort_by_key(|bot| bot.id);
        bots
    }

    /// Tells the pages that a chat looks different now. Nobody listening is fine.
    pub(crate) fn changed(&self, bot: i64, chat_id: i64) {
        drop(self.live.send(Change { bot, chat_id }));
    }

    pub(crate) fn watch(&self) -> broadcast::Receiver<Change> {
        self.live.subscribe()
    }
}
