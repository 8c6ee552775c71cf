//! The queue of one process: opened once, it hands out the parts that the rooms need, and owns the tasks behind them.

use std::sync::Arc;
use std::time::Duration;

use sallyport_postgres::Pools;
use sallyport_redis::Redis;
use sallyport_telemetry::trace::SpanSink;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::control::{Control, OrdersWatch, Scope, orders};
use crate::dead_letters::DeadLetters;
use crate::error::{OpenError, StoreError};
use crate::inspector::Inspector;
use crate::intake::{self, Intake, Spooling};
use crate::janitor::Janitor;
use crate::ledger::Ledger;
use crate::ownership::WorkerId;
use crate::partition::Key;
use crate::replay::{self, Replays};
use crate::schedules::Schedules;
use crate::settings::Settings;
use crate::snapshots::SnapshotHolder;
use crate::spool::{self, SpoolState};
use crate::store::Store;
use crate::stores::Stores;
use crate::wake::{Bell, Wakeups};
use crate::{gauges, ground, janitor, ledger, live, schedules, snapshots, wake};

/// How long an edge that starts waits for Postgres to say whether they agree about the partitions.
const EDGE_CHECK_MAX: Duration = Duration::from_secs(1);

/// The durable queue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue {
    pools: Pools,
    redis: Option<Redis>,
    settings: Arc<Settings>,
    bell: Bell,
    spooling: Option<Arc<Spooling>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Queue {
    /// Opens the queue for a process that works (and may take in as well): checks the ground, then starts the notifier and
    /// the listener. Chores that one process must do are started by [`start_chores`](Self::start_chores); the janitor's first
    /// visit is for whoever lets something in.
    ///
    /// # Errors
    /// The database is away, dishonest, unmigrated, or made for another number of partitions.
    pub async fn open(stores: impl Into<Stores>, settings: Settings) -> Result<Self, OpenError> {
        let queue = Self::new(stores.into(), settings);
        if let Err(error) = ground::check(&queue.pools, &queue.tasks).await {
            // Whoever tries again opens another one.
            queue.stop.cancel();
            return Err(error);
        }
        let hearing = wake::hear(queue.bell.clone(), queue.pools.clone(), queue.stop.clone());
        queue.tasks.spawn(hearing);
        if let Some(redis) = queue.redis.clone() {
            let hearing = wake::hear_redis(queue.bell.clone(), redis, queue.stop.clone());
            queue.tasks.spawn(hearing);
        }
        Ok(queue)
    }

    /// Opens the queue for a process that only takes in. It starts while Postgres is away, too: what it is given goes to its
    /// spool ([`start_spool`](Self::start_spool)) until Postgres comes, or is refused as unavailable if it has none.
    ///
    /// # Errors
    /// The tables are there and made for another number of partitions, or not there at all.
    pub async fn open_edge(
        stores: impl Into<Stores>,
        settings: Settings,
    ) -> Result<Self, OpenError> {
        let queue = Self::new(stores.into(), settings);
        // A Postgres that does not answer must not keep the doors closed.
        let checked = tokio::time::timeout(EDGE_CHECK_MAX, ground::check_edge(&queue.pools));
        match checked.await {
            Ok(Ok(()) | Err(OpenError::Store(_))) | Err(_) => {}
            Ok(Err(error)) => return Err(error),
        }
        Ok(queue)
    }

    /// Opens the spool and starts its replay. For a process that takes in, and before anything is accepted, so that nothing
    /// overtakes what is in it (law L3). One that cannot be opened is tried again and again; meanwhile accepts go to Postgres
    /// alone. Without a folder in the settings there is nothing to start.
    pub async fn start_spool(&self) {
        let Some(spooling) = &self.spooling else {
            return;
        };
        if let Err(error) = spooling.open().await {
            spool::not_opened(&error);
        }
        self.tasks.spawn(intake::replay::run(
            Arc::clone(spooling),
            self.pools.clone(),
            self.bell.clone(),
            self.stop.clone(),
        ));
    }

    fn new(stores: Stores, settings: Settings) -> Self {
        let process = format!("{}-{:08x}", std::process::id(), rand::random::<u32>());
        let queue = Self {
            pools: stores.pools.clone(),
            redis: stores.redis.clone(),
            spooling: Spooling::new(&settings.spool),
            settings: Arc::new(settings),
            bell: Bell::new(process),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let notifying = wake::notify(
            queue.bell.clone(),
            stores,
            queue.settings.notifications_per_second_max,
            queue.stop.clone(),
        );
        queue.tasks.spawn(notifying);
        queue
    }

    /// Starts what any one worker process does for all: due schedules, the days of the log, the gauges,
    /// the audit of the ledger, the watch over old snapshots. Several may do it
    /// at once; each chore elects who does it this time.
    pub fn start_chores(&self) {
        self.tasks.spawn(schedules::run(
            self.schedules(),
            self.settings.schedules_every_ms,
            self.stop.clone(),
        ));
        self.tasks
            .spawn(replay::run(self.replays(), self.stop.clone()));
        self.tasks.spawn(janitor::run(
            self.janitor(),
            self.settings.janitor_every_ms,
            self.stop.clone(),
        ));
        self.tasks.spawn(gauges::run(
            self.inspect(),
            self.settings.gauges_every_ms,
            self.stop.clone(),
        ));
        self.tasks.spawn(ledger::run(
            self.ledger(),
            self.settings.ledger_every_ms,
            self.stop.clone(),
        ));
        self.tasks.spawn(snapshots::run(
            self.pools.clone(),
            self.settings.gauges_every_ms,
            self.stop.clone(),
        ));
        if let Some(redis) = &self.redis {
            let publisher = live::Publisher::new(
                self.pools.clone(),
                redis.clone(),
                self.bell.process().to_owned(),
                self.settings.live_events_per_second_max,
            );
            let every_ms = self.settings.live_every_ms;
            self.tasks
                .spawn(live::run(publisher, every_ms, self.stop.clone()));
        }
    }

    /// Tells whoever listens to the live bus that something happened, now.
    ///
    /// # Errors
    /// The database is away.
    pub async fn tell(&self, news: &live::News) -> Result<(), StoreError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("tell the news"))?;
        live::tell(&*connection, news).await
    }

    /// The way in, with a committer of its own.
    #[must_use]
    pub fn intake(&self) -> Intake {
        Intake::start(
            self.pools.clone(),
            &self.settings,
            self.spooling.clone(),
            self.bell.clone(),
            &self.tasks,
            self.stop.clone(),
        )
    }

    /// The stored queue in the hands of `worker`.
    #[must_use]
    pub fn store(&self, worker: &WorkerId) -> Store {
        Store::new(self.pools.clone(), worker.clone(), self.bell.clone())
    }

    /// The wake-ups from now on.
    #[must_use]
    pub fn wakeups(&self) -> Wakeups {
        self.bell.listen()
    }

    /// Looks at the queue.
    #[must_use]
    pub fn inspect(&self) -> Inspector {
        Inspector::new(self.pools.clone(), self.control())
    }

    /// The dead letters.
    #[must_use]
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::new(self.pools.clone(), self.bell.clone())
    }

    /// The schedules.
    #[must_use]
    pub fn schedules(&self) -> Schedules {
        Schedules::new(self.pools.clone(), self.bell.clone())
    }

    /// Replays of what has ended.
    #[must_use]
    pub fn replays(&self) -> Replays {
        Replays::new(self.pools.clone(), self.bell.clone())
    }

    /// The janitor of the days.
    #[must_use]
    pub fn janitor(&self) -> Janitor {
        Janitor::new(
            self.pools.clone(),
            self.settings.keep_days,
            self.settings.days_ahead,
            self.tasks.clone(),
        )
    }

    /// The auditor of the ledger.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger::new(
            self.pools.clone(),
            self.settings.ledger_rows_max,
            self.tasks.clone(),
        )
    }

    /// Who holds the oldest snapshot, and so keeps dead rows in the queue; nobody in a quiet house.
    ///
    /// # Errors
    /// The database is away.
    pub async fn oldest_snapshot(&self) -> Result<Option<SnapshotHolder>, StoreError> {
        snapshots::oldest(&self.pools).await
    }

    /// What is known of this process's spool; none when it has none, or could not open it yet.
    #[must_use]
    pub fn spool(&self) -> Option<SpoolState> {
        self.spooling.as_ref()?.state()
    }

    /// Whether this process is meant to have a spool.
    #[must_use]
    pub fn has_spool(&self) -> bool {
        self.spooling.is_some()
    }

    /// Where the traces of replays go from now on.
    pub fn keep_spans_with(&self, sinks: Arc<dyn SpanSink>) {
        if let Some(spooling) = &self.spooling {
            spooling.keep_spans_with(sinks);
        }
    }

    /// The pools that the queue stands on.
    #[must_use]
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Steers what waits and runs.
    #[must_use]
    pub fn control(&self) -> Control {
        Control::new(self.pools.clone(), self.bell.clone())
    }

    /// The orders that stand, kept up to date until the queue is closed or nobody listens any more.
    #[must_use]
    pub fn orders(&self) -> OrdersWatch {
        let (known, orders) = watch::channel(None);
        self.tasks.spawn(orders::watch(
            self.pools.clone(),
            self.bell.clone(),
            known,
            self.stop.clone(),
        ));
        orders
    }

    /// Whether everything is paused: the workers wait for [`Control::resume`] (law L15).
    ///
    /// # Errors
    /// The database is away.
    pub async fn paused(&self) -> Result<bool, StoreError> {
        let pauses = self.control().pauses().await?;
        Ok(pauses.iter().any(|pause| pause.scope == Scope::Everything))
    }

    /// Has the head of a held or parked key tried again now, instead of when its wait is over. Answers whether the key
    /// waited for a delayed head.
    ///
    /// # Errors
    /// The database is away.
    pub async fn unpark(&self, key: &Key) -> Result<bool, StoreError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("unpark a key"))?;
        let changed = connection
            .execute(
                "UPDATE queue q SET ready_at = statement_timestamp()
                 FROM held_keys h
                 WHERE h.partition = $1 AND h.key = $2
                   AND q.state = 1 AND q.partition = h.partition AND q.priority IN (0, 1, 2) AND q.id = h.head",
                &[&key.partition().to_sql(), &key.as_str()],
            )
            .await
            .map_err(StoreError::postgres("unpark a key"))?;
        Ok(changed > 0)
    }

    /// Stops the tasks and waits for them. What an intake had taken is answered, what comes later is refused as
    /// unavailable. What is spooled stays on the disk for the next start: a stop does not wait for Postgres. Twice is fine.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(spooling) = &self.spooling {
            spooling.close().await;
        }
    }
}
