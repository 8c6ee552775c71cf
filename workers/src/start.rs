//! Starting and stopping the workers of one process.
//!
//! Everything is built from what it is handed and owned by one handle; nothing outlives [`WorkersHandle::drain`]. The
//! order of the start: bots and handlers, then the first try to reach Telegram (so that a person reads the bot's name),
//! then the pool, last the pollers, which bring in work.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sallyport_ai::Models;
use sallyport_kit::App;
use sallyport_postgres::{PoolError, Pools};
use sallyport_queue::Queue;
use sallyport_queue::calendar::CalendarError;
use sallyport_queue::membership::Membership;
use sallyport_recorder::Recorder;
use sallyport_redis::Redis;
use sallyport_telemetry::Health;
use sallyport_telemetry::trace::{KeepPolicy, SpanSink};
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answers::Answers;
use crate::bots::{Bot, BotError, Bots};
use crate::calendar::{self, Declaration, Scheduled};
use crate::conversation::Conversation;
use crate::delivery::ambiguous::Ambiguities;
use crate::delivery::{Delivery, SentParts, outbound};
use crate::events::{Provider, SendMeters};
use crate::house::HouseKeeper;
use crate::housekeeping;
use crate::persons::Persons;
use crate::poller::Poller;
use crate::pool::{Handlers, KindTaken, Pool, PoolHandle, PoolSettings};
use crate::reception::{self, BotNote, NotReady};
use crate::services::Shared;
use crate::settings::{Receive, Settings};
use crate::story::StoryTeller;
use crate::webhooks::{self, Book, WebhookDelivery, Webhooks};

/// How long the start waits for Telegram before it goes on without.
const FIRST_TRY: Duration = Duration::from_secs(5);
/// How long short tasks beside the handlers may take to end.
const LAST_TASKS: Duration = Duration::from_secs(2);

/// What the workers are made of; the binary builds it.
pub struct Parts {
    /// Connections.
    pub pools: Pools,
    /// Redis, if one is configured: what bots may send in bulk is shared through it.
    pub redis: Option<Redis>,
    /// The queue.
    pub queue: Queue,
    /// Which partitions are ours.
    pub membership: Arc<Membership>,
    /// The bounds of the pool.
    pub pool: PoolSettings,
    /// The flight recorder.
    pub recorder: Recorder,
    /// The models.
    pub models: Models,
    /// The apps, by the names that bots ask for.
    pub apps: HashMap<String, Arc<App>>,
    /// Where components report.
    pub health: Health,
    /// Where spans go.
    pub sinks: Arc<dyn SpanSink>,
    /// Which spans are kept.
    pub keep: KeepPolicy,
}

/// Why the workers did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A bot cannot be set up.
    #[error(transparent)]
    Bot(#[from] BotError),
    /// A bot's updates go elsewhere.
    #[error("{}", .0.sentence())]
    NotReady(NotReady),
    /// An app has a schedule that cannot be read.
    #[error("a schedule cannot be read")]
    Calendar(#[from] CalendarError),
    /// Two handlers for one kind.
    #[error(transparent)]
    Kind(#[from] KindTaken),
    /// Webhooks cannot be sent.
    #[error(transparent)]
    Webhooks(#[from] sallyport_webhook::SetupError),
    /// This process has no pool for handlers.
    #[error("the workers have no connections")]
    Pools(#[from] PoolError),
}

/// The workers' entrance.
#[derive(Debug)]
pub struct Workers;

impl Workers {
    /// Starts everything. Returns once the pool runs; what Telegram does not answer in time goes on in the background.
    ///
    /// # Errors
    /// See [`StartError`]; nothing runs then. Cancel safe up to the pool's start.
    pub async fn start(
        settings: &Settings,
        parts: Parts,
        stop: CancellationToken,
    ) -> Result<WorkersHandle, StartError> {
        let bots = Bots::set_up(
            &settings.bots,
            &parts.apps,
            &parts.health,
            parts.redis.clone(),
        )?;
        let tasks = TaskTracker::new();
        let shared = Arc::new(shared(settings, &parts, &tasks)?);
        let handlers = handlers(settings, &parts, &bots, &shared)?;
        let declarations = bots
            .iter()
            .map(|bot| Declaration::of(bot, parts.health.identity().version))
            .collect::<Result<Vec<_>, _>>()?;
        let (notes, unready) = first_try(settings, &parts, &bots).await?;

        let background = Background {
            parts: &parts,
            tasks: &tasks,
            stop: &stop,
        };
        background.keep_trying(unready);
        background.keep_house(&shared);
        let pool = Pool::start(
            &parts.queue,
            Arc::clone(&parts.membership),
            &handlers,
            &parts.pool,
            Arc::clone(&parts.sinks),
            parts.keep.clone(),
        );
        background.declare(declarations);
        background.poll(&bots, &shared);
        tasks.close();
        Ok(WorkersHandle {
            pool,
            notes,
            tasks,
            stop,
        })
    }
}

/// Running workers.
pub struct WorkersHandle {
    pool: PoolHandle,
    notes: Vec<BotNote>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl WorkersHandle {
    /// What the first try came to, per bot, for the lines that a person reads at the start.
    #[must_use]
    pub fn bots(&self) -> &[BotNote] {
        &self.notes
    }

    /// The pool, to pause and resume it.
    #[must_use]
    pub fn pool(&self) -> &PoolHandle {
        &self.pool
    }

    /// Stops fetching, finishes what runs within `deadline` and gives the rest back uncounted. Twice is harmless.
    pub async fn drain(&self, deadline: Duration) {
        self.stop.cancel();
        self.pool.drain(deadline).await;
        if tokio::time::timeout(LAST_TASKS, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(name: "workers.tasks_left", "Some short tasks did not end in time");
        }
    }

    /// What a `kill -9` does to a worker, for trying it out: nothing is settled, no lease is released.
    pub async fn kill(&self) {
        self.stop.cancel();
        self.pool.kill().await;
        self.tasks.wait().await;
    }
}

fn shared(settings: &Settings, parts: &Parts, tasks: &TaskTracker) -> Result<Shared, StartError> {
    let handlers = parts.pools.handlers()?.clone();
    Ok(Shared {
        intake: parts.queue.intake(),
        models: parts.models.clone(),
        answers: Arc::new(Answers::new(handlers.clone())),
        persons: Arc::new(Persons::new(handlers.clone())),
        webhooks: Webhooks::open(&settings.webhooks)?,
        book: Book::new(handlers.clone()),
        house: HouseKeeper {
            inspector: parts.queue.inspect(),
            dead_letters: parts.queue.dead_letters(),
            control: parts.queue.control(),
            teller: StoryTeller::new(parts.queue.inspect(), parts.recorder.clone()),
            pool: parts.pools.read().clone(),
            redis: parts.redis.clone(),
            models: parts.models.clone(),
            health: parts.health.clone(),
        },
        tasks: tasks.clone(),
        preview_private: Duration::from_millis(settings.preview_private_ms),
        preview_group: Duration::from_millis(settings.preview_group_ms),
        handlers,
    })
}

/// One handler per kind: what is heard, what is said, and each app's tasks.
fn handlers(
    settings: &Settings,
    parts: &Parts,
    bots: &Bots,
    shared: &Arc<Shared>,
) -> Result<Handlers, StartError> {
    let still_trying = Duration::from_millis(settings.still_trying_after_ms);
    let mut handlers = Handlers::default();
    let heard = Conversation::of_updates(bots.clone(), Arc::clone(shared), still_trying);
    handlers.add(sallyport_sources::telegram::KIND, Arc::new(heard))?;
    let ambiguities = |provider| Ambiguities {
        sent: SentParts::new(shared.handlers.clone()),
        meters: Arc::new(SendMeters::new(provider)),
        tasks: shared.tasks.clone(),
    };
    let answers = Arc::clone(&shared.answers);
    let said = Delivery::new(bots.clone(), answers, ambiguities(Provider::Telegram));
    handlers.add(outbound::KIND, Arc::new(said))?;
    let posted = WebhookDelivery::new(
        shared.webhooks.clone(),
        shared.book.clone(),
        ambiguities(Provider::Webhook),
    );
    handlers.add(webhooks::outbound::KIND, Arc::new(posted))?;
    for app in parts.apps.values() {
        for task in app.tasks() {
            let kind = format!("task.{}.{}", app.name(), task.name);
            let handler =
                Conversation::of_task(bots.clone(), Arc::clone(shared), &task, still_trying);
            handlers.add(kind, Arc::new(handler))?;
        }
        for schedule in app.schedules() {
            let handler = Scheduled::new(bots.clone(), Arc::clone(shared), &schedule);
            handlers.add(calendar::kind(app, &schedule), Arc::new(handler))?;
        }
    }
    Ok(handlers)
}

/// Tries to get every bot ready, side by side, and tells which still have to be tried.
async fn first_try(
    settings: &Settings,
    parts: &Parts,
    bots: &Bots,
) -> Result<(Vec<BotNote>, Vec<Arc<Bot>>), StartError> {
    let pool = parts.pools.handlers()?;
    let code_works_for = Duration::from_secs(u64::from(settings.owner_code_minutes) * 60);
    let tries = bots.iter().map(|bot| async move {
        (
            bot,
            tokio::time::timeout(FIRST_TRY, reception::receive(bot)).await,
        )
    });
    let mut notes = Vec::new();
    let mut unready = Vec::new();
    for (bot, tried) in futures::future::join_all(tries).await {
        let tried = match tried {
            Ok(Err(error @ NotReady::ForeignWebhook { .. })) => {
                return Err(StartError::NotReady(error));
            }
            Ok(Err(error)) => {
                reception::note(bot, &error);
                unready.push(Arc::clone(bot));
                Err(error)
            }
            Ok(Ok(())) => Ok(()),
            Err(_) => {
                unready.push(Arc::clone(bot));
                Ok(())
            }
        };
        notes.push(reception::introduce(bot, tried, pool, code_works_for).await);
    }
    notes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok((notes, unready))
}

/// What goes on beside the pool until the process stops.
struct Background<'a> {
    parts: &'a Parts,
    tasks: &'a TaskTracker,
    stop: &'a CancellationToken,
}

impl Background<'_> {
    fn until_stopped(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
    }

    fn keep_trying(&self, unready: Vec<Arc<Bot>>) {
        for bot in unready {
            self.until_stopped(reception::keep_trying(bot));
        }
    }

    fn keep_house(&self, shared: &Shared) {
        self.until_stopped(housekeeping::run(shared.handlers.clone()));
    }

    fn declare(&self, declarations: Vec<Declaration>) {
        self.until_stopped(calendar::declare(
            self.parts.queue.schedules(),
            declarations,
        ));
    }

    fn poll(&self, bots: &Bots, shared: &Shared) {
        for bot in bots
            .iter()
            .filter(|bot| matches!(bot.receive, Receive::Polling { .. }))
        {
            let poller = Poller {
                bot: Arc::clone(bot),
                pools: self.parts.pools.clone(),
                intake: shared.intake.clone(),
                keep: self.parts.keep.clone(),
                tasks: self.tasks.clone(),
            };
            self.until_stopped(poller.run());
        }
    }
}
