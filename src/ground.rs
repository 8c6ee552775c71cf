//! What every role stands on: log, panics, health, the admin door, Postgres, Redis, the queue, the flight recorder and the sinks of spans.
//!
//! Laid in one fixed order and taken up in the reverse one, because the last spans of a drain still have to be written when the edge and
//! the pool have stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use sallyport_playground::{OpsToken, PlaygroundSettings};
use sallyport_postgres::{Pool, Pools, ProcessRole};
use sallyport_queue::{Queue, Stores};
use sallyport_recorder::Recorder;
use sallyport_redis::{Kin, Redis};
use sallyport_security::Secret;
use sallyport_telemetry::admin::{self, Rooms, StatusToken};
use sallyport_telemetry::health::ComponentHandle;
use sallyport_telemetry::metrics::Exposition;
use sallyport_telemetry::trace::{Otlp, OtlpSettings, Sinks, SpanSink};
use sallyport_telemetry::{Chain, Health, Identity, logs, metrics, panics, probe};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::durable::Durable;
use crate::patience::Patience;
use crate::ports;
use crate::settings::{Admin, Settings};
use crate::sockets::Sockets;
use crate::version::{REVISION, VERSION};

/// How often Postgres is asked whether it is there. Three misses in a row make us unready, so an outage shows within five seconds.
const POSTGRES_PROBE_EVERY: Duration = Duration::from_secs(1);
/// The longest an answer to that may take.
const POSTGRES_PROBE_DEADLINE: Duration = Duration::from_secs(1);
/// What is left to write at the end gets so long.
const CLOSE_DEADLINE: Duration = Duration::from_secs(6);

/// The ground under one process.
pub(crate) struct Ground {
    pub(crate) health: Health,
    pub(crate) pools: Pools,
    pub(crate) redis: Option<Redis>,
    pub(crate) queue: Queue,
    pub(crate) recorder: Recorder,
    pub(crate) sinks: Arc<dyn SpanSink>,
    pub(crate) tasks: TaskTracker,
    /// What the role has behind the admin door.
    pub(crate) rooms: Rooms,
    doors: Doors,
    admin_stop: CancellationToken,
    last: CancellationToken,
}

/// The parts that this role opens itself. They are known to health before the admin door opens, so that nobody reads "ready" too early.
struct Doors {
    edge: Option<ComponentHandle>,
    workers: Option<ComponentHandle>,
}

impl Doors {
    fn of(role: ProcessRole, health: &Health) -> Self {
        let has_edge = matches!(role, ProcessRole::Edge | ProcessRole::Both);
        let has_workers = matches!(role, ProcessRole::Workers | ProcessRole::Both);
        Self {
            edge: has_edge.then(|| health.component("edge", true)),
            workers: has_workers.then(|| health.component("workers", true)),
        }
    }
}

/// Starts the log, and tells it of panics. Keep the guard until the process ends: it flushes.
pub(crate) fn start_log(settings: &Settings) -> anyhow::Result<(Identity, logs::LogGuard)> {
    let identity = Identity::new(VERSION, REVISION, settings.monitoring.environment.clone());
    let guard = logs::init(&settings.monitoring.logs, &identity).context("starting the log")?;
    panics::install_hook();
    Ok((identity, guard))
}

impl Ground {
    /// Lays the ground: everything is up, nothing is let in yet. Who works waits for Postgres, with the admin door open.
    pub(crate) async fn lay(
        settings: &Settings,
        identity: Identity,
        role: ProcessRole,
        sockets: &Sockets,
        patience: &Patience,
    ) -> anyhow::Result<Self> {
        let exposition = metrics::install();
        let health = Health::new(identity.clone());
        let doors = Doors::of(role, &health);
        // An edge can do without it as long as it has a spool.
        let postgres = health.component("postgres", role != ProcessRole::Edge);
        let has_spool = !settings.stores.queue.spool.directory.as_os_str().is_empty();
        let durable = Durable::of(role, has_spool, &health, &postgres);
        let tasks = TaskTracker::new();
        let last = CancellationToken::new();
        tasks.spawn(probe::run(health.clone(), last.clone()));

        let admin_stop = last.child_token();
        let admin = AdminDoor {
            exposition,
            health: health.clone(),
            stop: admin_stop.clone(),
        };
        let rooms = admin
            .open(&settings.monitoring.admin, sockets, &tasks)
            .await?;

        let pools = Pools::open(&settings.stores.postgres, role)
            .context("preparing the connections to Postgres")?;
        tasks.spawn(watch_postgres(pools.read().clone(), postgres, last.clone()));
        let redis = open_redis(settings, role, &health, &tasks, &last)?;
        let stores = Stores {
            pools: pools.clone(),
            redis: redis.clone(),
        };
        let queue = open_queue(settings, stores, role, patience)
            .await
            .context("opening the queue")?;
        if let Some(durable) = durable {
            tasks.spawn(durable.watch(queue.clone(), last.clone()));
        }
        let recorder = Recorder::start(&pools, &settings.monitoring.traces.recorder, &tasks, &last);
        let mut sinks: Vec<Arc<dyn SpanSink>> = vec![Arc::new(recorder.clone())];
        if let Some(otlp) = otlp_settings(settings)? {
            sinks.push(Arc::new(Otlp::start(
                &otlp,
                &identity,
                &tasks,
                last.clone(),
            )?));
        }
        let sinks: Arc<dyn SpanSink> = Arc::new(Sinks(sinks));
        queue.keep_spans_with(Arc::clone(&sinks));
        Ok(Self {
            health,
            pools,
            redis,
            queue,
            recorder,
            sinks,
            tasks,
            doors,
            rooms,
            admin_stop,
            last,
        })
    }

    /// The process begins to leave. It says so on its health pages; where somebody else keeps the admin door open, the successor's are
    /// the ones to look at, and ours close.
    pub(crate) fn leave(&self, sockets: &Sockets) {
        self.health.set_draining();
        if sockets.were_given() {
            self.admin_stop.cancel();
        }
    }

    /// The edge took this long to open.
    pub(crate) fn edge_is_open(&self, took: Duration) {
        self.doors.edge.iter().for_each(|edge| edge.up(took));
    }

    /// The workers took this long to start.
    pub(crate) fn workers_run(&self, took: Duration) {
        self.doors
            .workers
            .iter()
            .for_each(|workers| workers.up(took));
    }

    /// Takes it up again: writes what is left, for a bounded time.
    pub(crate) async fn close(self) {
        let Self {
            queue, tasks, last, ..
        } = self;
        last.cancel();
        tasks.close();
        let closing = async {
            queue.close().await;
            tasks.wait().await;
        };
        if tokio::time::timeout(CLOSE_DEADLINE, closing).await.is_err() {
            tracing::warn!(name: "process.close_missed", "Some background work did not end in time");
        }
    }
}

/// The admin door, still closed.
struct AdminDoor {
    exposition: Exposition,
    health: Health,
    stop: CancellationToken,
}

impl AdminDoor {
    /// Opens it, and returns what other rooms may put behind it.
    async fn open(
        self,
        settings: &Admin,
        sockets: &Sockets,
        tasks: &TaskTracker,
    ) -> anyhow::Result<Rooms> {
        let listener = listen(settings.listen, sockets, "SALLYPORT_ADMIN_LISTEN").await?;
        let token = token_gate(settings.status_token.clone());
        let rooms = Rooms::default();
        let serving = admin::serve(
            listener,
            self.exposition,
            self.health,
            token,
            rooms.clone(),
            self.stop,
        );
        tasks.spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(name: "admin.ended", { error = %Chain(&error) }, "The admin door is closed");
            }
        });
        Ok(rooms)
    }
}

/// Listens on the socket that was handed over for this address, else on one of its own; or says who has the port and what to set.
pub(crate) async fn listen(
    address: SocketAddr,
    sockets: &Sockets,
    variable: &str,
) -> anyhow::Result<TcpListener> {
    if let Some(socket) = sockets.take(address) {
        socket.set_nonblocking(true)?;
        return Ok(TcpListener::from_std(socket)?);
    }
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Err(anyhow::anyhow!(ports::taken(address, variable)))
        }
        Err(error) => Err(error).with_context(|| format!("listening on {address} ({variable})")),
    }
}

/// The playground's settings, with the edge and the token that its server asks with.
pub(crate) fn playground_settings(settings: &Settings) -> PlaygroundSettings {
    let mut playground = settings.testing.playground.clone();
    if playground.ops_url.is_none() {
        playground.ops_url = settings
            .gateway
            .http
            .and_then(|http| format!("http://{http}").parse().ok());
    }
    let token = &settings.workers.api.ops_token;
    if playground.ops_token.is_none() && !token.is_empty() {
        playground.ops_token = Some(OpsToken::new(token.expose()));
    }
    playground
}

/// Opens the way to Redis, if one is configured, and has it watched. It only ever degrades us.
fn open_redis(
    settings: &Settings,
    role: ProcessRole,
    health: &Health,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Redis>> {
    let component = health.component("redis", false);
    let redis = Redis::open(&settings.stores.redis).context("preparing the way to Redis")?;
    match &redis {
        None => component.not_configured(),
        Some(redis) => {
            let kin = Kin {
                kind: match role {
                    ProcessRole::Edge => "edge",
                    ProcessRole::Workers | ProcessRole::Both => "workers",
                },
                instance: format!(
                    "{}-{}-{:08x}",
                    health.identity().instance,
                    std::process::id(),
                    rand::random::<u32>()
                ),
            };
            tasks.spawn(redis.clone().watch(kin, component, stop.clone()));
        }
    }
    Ok(redis)
}

async fn open_queue(
    settings: &Settings,
    stores: Stores,
    role: ProcessRole,
    patience: &Patience,
) -> anyhow::Result<Queue> {
    let mut queue = settings.stores.queue.clone();
    if role == ProcessRole::Workers {
        // Whoever only works has nobody to answer who could not ask again.
        queue.spool.directory = PathBuf::new();
    }
    if role == ProcessRole::Edge {
        let queue = Queue::open_edge(stores, queue).await?;
        queue.start_spool().await;
        return Ok(queue);
    }
    let opening = patience.insist(async || Ok(Queue::open(stores.clone(), queue.clone()).await?));
    let queue = opening.await?;
    // Before anything is let in, so that on a new database no message meets its day's partition being attached. The
    // janitor's own visits begin after this one.
    let janitor = queue.janitor();
    patience
        .insist(async || Ok(janitor.sweep().await?))
        .await
        .context("making the days of the log")?;
    queue.start_spool().await;
    Ok(queue)
}

fn token_gate(token: Secret) -> Option<StatusToken> {
    (!token.is_empty()).then(|| {
        StatusToken::checked_by(move |offered| {
            sallyport_security::constant_time_eq(offered.as_bytes(), token.expose().as_bytes())
        })
    })
}

fn otlp_settings(settings: &Settings) -> anyhow::Result<Option<OtlpSettings>> {
    let endpoint = &settings.monitoring.traces.otlp_endpoint;
    if endpoint.is_empty() {
        return Ok(None);
    }
    let value = serde_json::json!({ "endpoint": endpoint });
    serde_json::from_value(value)
        .map(Some)
        .context("reading the collector's address")
}

async fn watch_postgres(pool: Pool, component: ComponentHandle, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(POSTGRES_PROBE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let asked = Instant::now();
        let answer = async {
            let connection = pool
                .get()
                .await
                .map_err(|error| Chain(&error).to_string())?;
            connection
                .batch_execute("select 1")
                .await
                .map_err(|error| Chain(&error).to_string())
        };
        match tokio::time::timeout(POSTGRES_PROBE_DEADLINE, answer).await {
            Ok(Ok(())) => component.up(asked.elapsed()),
            Ok(Err(reason)) => component.down(reason),
            Err(_) => component.down("no answer in 1 s"),
        }
    }
}
