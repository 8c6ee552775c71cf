//! Fetching updates from Telegram, for bots without a webhook.
//!
//! Telegram allows one poller per token, so the fleet elects one: whoever holds an advisory lock on a connection of its
//! own. What is fetched goes the way of a webhook (same identity, same keys, same commit), and only when all of it is on
//! disk does the next call confirm it. So a crash between the two brings a repeat, which the queue absorbs, and no loss.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sallyport_postgres::{PoolError, Pools, Role};
use sallyport_queue::{AcceptError, Intake, Key, NewMessage, PayloadFormat, Priority};
use sallyport_telegram::{CallError, Refusal};
use sallyport_telemetry::trace::{KeepPolicy, SpanContext, SpanKind, SpanRecord, Trail};
use sallyport_telemetry::{Chain, Event};
use serde_json::value::RawValue;
use thiserror::Error;
use tokio_postgres::Client;
use tokio_util::task::TaskTracker;

use crate::bots::Bot;
use crate::delivery::REFUSED_TOKEN_PAUSE;
use crate::events::{BotTrouble, PollingBegan};

/// How often the others ask whether the poller is gone.
const ELECTION_EVERY: Duration = Duration::from_secs(5);
/// The wait after a failed poll doubles from here to the next.
const AGAIN_FIRST: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// Polls for one bot.
pub(crate) struct Poller {
    pub(crate) bot: Arc<Bot>,
    pub(crate) pools: Pools,
    pub(crate) intake: Intake,
    pub(crate) keep: KeepPolicy,
    pub(crate) tasks: TaskTracker,
}

/// Why polling stopped for a moment.
#[derive(Debug, Error)]
enum Interrupted {
    /// The connection that holds the lock is gone, and the lock with it.
    #[error("the connection of the election failed")]
    Election(#[source] tokio_postgres::Error),
    /// No connection for the election.
    #[error("no connection for the election")]
    Pool(#[source] PoolError),
    /// Telegram did not give its updates.
    #[error("the updates could not be fetched")]
    Fetch(#[source] CallError),
    /// What was fetched could not be stored.
    #[error("the fetched updates could not be stored")]
    Store(#[source] AcceptError),
}

impl Poller {
    /// Polls whenever this process is elected, until it is dropped.
    pub(crate) async fn run(self) {
        let mut wait = AGAIN_FIRST;
        loop {
            let Err(error) = self.elected_and_polling(&mut wait).await;
            BotTrouble {
                bot: &self.bot.name,
                attempted: "polling",
                error: &error,
            }
            .emit(&());
            tokio::time::sleep(self.pause_after(&error).max(wait)).await;
            wait = (wait * 2).min(AGAIN_MAX);
        }
    }

    /// What an interruption means for the bot, and how long it lasts at least.
    fn pause_after(&self, error: &Interrupted) -> Duration {
        let Interrupted::Fetch(call) = error else {
            return Duration::ZERO;
        };
        match call.refusal() {
            Some(Refusal::Unauthorized) => {
                self.bot.pause();
                REFUSED_TOKEN_PAUSE
            }
            Some(Refusal::Conflict(_)) => {
                self.bot
                    .unreachable("another poller or a webhook uses this token (409); stop it");
                ELECTION_EVERY
            }
            Some(_) => call.retry_after().unwrap_or_default(),
            None => {
                self.bot.unreachable("no network to Telegram");
                Duration::ZERO
            }
        }
    }

    async fn elected_and_polling(
        &self,
        wait: &mut Duration,
    ) -> Result<std::convert::Infallible, Interrupted> {
        let election = self.elected().await?;
        PollingBegan {
            bot: &self.bot.name,
        }
        .emit(&());
        let mut next = None;
        loop {
            let asked = std::time::Instant::now();
            let updates = self
                .bot
                .api
                .updates(next)
                .await
                .map_err(Interrupted::Fetch)?;
            self.bot.answered(asked.elapsed());
            // The lock lives as long as its connection: without it somebody else is polling by now.
            election
                .simple_query("select 1")
                .await
                .map_err(Interrupted::Election)?;
            for update in &updates {
                if let Some(id) = self.store(update).await? {
                    next = next.max(Some(id + 1));
                }
            }
            *wait = AGAIN_FIRST;
        }
    }

    /// Waits until this process is the one that polls; the lock is held by the returned connection.
    async fn elected(&self) -> Result<Client, Interrupted> {
        let client = self
            .pools
            .connect_driven("workers poller", Role::Workers, &self.tasks)
            .await
            .map_err(Interrupted::Pool)?;
        let subject = format!("sallyport poll telegram:{}", self.bot.name);
        loop {
            let row = client
                .query_one(
                    "select pg_try_advisory_lock(hashtextextended($1, 0))",
                    &[&subject],
                )
                .await
                .map_err(Interrupted::Election)?;
            if row.try_get(0).map_err(Interrupted::Election)? {
                return Ok(client);
            }
            tokio::time::sleep(ELECTION_EVERY).await;
        }
    }

    /// Stores one update and returns its id. What is no update at all has none and is left out, with a line in the log.
    async fn store(&self, update: &RawValue) -> Result<Option<i64>, Interrupted> {
        let body = update.get().as_bytes();
        let delivery = match sallyport_sources::telegram::read(&self.bot.name, body) {
            Ok(delivery) => delivery,
            Err(error) => {
                tracing::error!(name: "polling.unreadable", { bot = %self.bot.name, error = %Chain(&error) }, "An update cannot be read");
                return Ok(None);
            }
        };
        let id = delivery.delivery_id.as_ref().and_then(|id| id.parse().ok());
        let (trace, spans) = self.traced(&delivery);
        let message = NewMessage {
            bot: self.bot.name.clone(),
            tenant: self.bot.tenant.clone(),
            source: delivery.source,
            delivery_id: delivery.delivery_id,
            kind: delivery.kind.to_owned(),
            kind_version: delivery.kind_version,
            key: Key::from(delivery.key),
            priority: Priority::Interactive,
            payload: Bytes::copy_from_slice(body),
            payload_format: PayloadFormat::Json,
            subject: delivery.subject,
            cause: None,
            trace,
            edge_spans: Some(spans),
            delay: None,
            expires_in: None,
            unique: None,
        };
        match self.intake.accept(message).await {
            Ok(_) => Ok(id),
            // It will be refused for ever, so confirming it is the only way on; its bytes stay in no table.
            Err(error) if error.is_senders_fault() => {
                tracing::error!(name: "polling.refused", { bot = %self.bot.name, error = %Chain(&error) }, "An update cannot be stored");
                Ok(id)
            }
            Err(error) => Err(Interrupted::Store(error)),
        }
    }

    /// The root of the update's trace, as the edge would have made it.
    fn traced(&self, delivery: &sallyport_sources::Delivery) -> (SpanContext, Vec<SpanRecord>) {
        let trail = Trail::rooted(self.keep.new_root());
        let mut fetched = trail.start("poll telegram", SpanKind::Client);
        fetched.set("sallyport.source", delivery.source.clone());
        let mut sent = fetched.child(format!("send {}", delivery.kind), SpanKind::Producer);
        sent.set("messaging.system", "sallyport");
        sent.set("messaging.destination.name", delivery.kind);
        let context = sent.context().unwrap_or_else(|| trail.context());
        sent.end();
        fetched.end();
        (context, trail.finish())
    }
}
