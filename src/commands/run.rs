//! `sallyport run`: edge, queue and workers in one process, and the playground beside it. What `make run` starts.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use sallyport_gateway::GatewayHandle;
use sallyport_playground::{Lever, Playground, PlaygroundHandle};
use sallyport_postgres::ProcessRole;
use sallyport_workers::WorkersHandle;
use sallyport_workers::api::Stops;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::backups;
use crate::cli::{Places, RunArguments};
use crate::commands::{drained, gateway, migrate, say, workers};
use crate::ground::{self, Ground};
use crate::instance::Instance;
use crate::levers::{PostgresAway, WorkerKill};
use crate::patience::Patience;
use crate::places;
use crate::ready::{self, Ready};
use crate::reload::Reloads;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::sockets::{self, Sockets};

mod fitting;

pub(crate) async fn run(
    places: &Places,
    sockets: &Sockets,
    arguments: &RunArguments,
) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let mut instance = Instance::take(&places.data)?;
    let (mut settings, _) = places::settings(places)?;
    let model = fitting::fit(&mut settings, places, arguments)?;
    let (identity, _log) = ground::start_log(&settings)?;
    let signals = Signals::install()?;
    let reloads = Reloads::install(places)?;
    let stops = signals.stops();

    // The start listens to signals, too: it may have to wait for Postgres.
    let work = async {
        let patience = Patience::until(stops.soft.clone());
        patience
            .insist(async || migrate::migrate(&settings).await)
            .await?;
        let ground =
            Ground::lay(&settings, identity, ProcessRole::Both, sockets, &patience).await?;
        let (orders, kills) = mpsc::channel(1);
        let outside = CancellationToken::new();
        let playground = match arguments.no_playground {
            true => None,
            false => {
                Some(start_playground(&settings, &ground, orders.clone(), outside.clone()).await?)
            }
        };
        let edge = gateway::open(&settings, places, &ground, sockets, &stops).await?;
        let api = Stops::default();
        workers::serve_api(&settings, &ground, sockets, api.clone()).await?;
        let pool = workers::start(&settings, &ground, stops.soft.child_token(), &patience).await?;

        let took = started.elapsed();
        let ready = ready(
            &settings,
            places,
            &edge,
            &pool,
            playground.as_ref(),
            model,
            took,
        );
        instance.describe(&ready.place())?;
        announce(&ready)?;
        backups::keep_to_the_schedule(&settings, places, &ground, stops.soft.child_token());
        sockets::tell_ready();
        let pool = tokio::select! {
            pool = until_stopped(&settings, &ground, pool, kills, &stops.soft) => pool?,
            never = reloads.serve(&edge, &settings) => match never {},
        };
        ground.leave(sockets);
        let parts = Running {
            edge,
            pool,
            api,
            playground,
            outside,
        };
        parts.stop(&settings, ground).await;
        anyhow::Ok(())
    };
    // On the heap: it holds every room until the last one has stopped.
    Ok(drained(signals.serve(Box::pin(work)).await.transpose()?))
}

/// What has to stop, in this order: nothing new comes in, what runs is finished, then the outside world goes.
struct Running {
    edge: GatewayHandle,
    pool: WorkersHandle,
    api: Stops,
    playground: Option<PlaygroundHandle>,
    outside: CancellationToken,
}

impl Running {
    async fn stop(self, settings: &Settings, ground: Ground) {
        self.edge.drain().await;
        self.pool
            .drain(Duration::from_millis(settings.workers.drain_deadline_ms))
            .await;
        self.api.stop.cancel();
        drop((self.edge, self.pool));
        if let Some(playground) = self.playground {
            self.outside.cancel();
            playground.stopped().await;
        }
        ground.close().await;
    }
}

/// Waits for the soft stop; a pulled lever in between kills the workers and starts new ones.
async fn until_stopped(
    settings: &Settings,
    ground: &Ground,
    mut pool: WorkersHandle,
    mut kills: mpsc::Receiver<()>,
    soft: &CancellationToken,
) -> anyhow::Result<WorkersHandle> {
    loop {
        let killed = soft.run_until_cancelled(kills.recv()).await;
        if killed.flatten().is_none() {
            return Ok(pool);
        }
        tracing::warn!(name: "worker.killed", "The worker was killed by hand; another takes over when its lease is out");
        pool.kill().await;
        let patience = Patience::until(soft.clone());
        pool = workers::start(settings, ground, soft.child_token(), &patience).await?;
    }
}

async fn start_playground(
    settings: &Settings,
    ground: &Ground,
    orders: mpsc::Sender<()>,
    stop: CancellationToken,
) -> anyhow::Result<PlaygroundHandle> {
    let away = PostgresAway {
        url: settings.stores.postgres.url.clone(),
        tasks: ground.tasks.clone(),
    };
    let levers: Vec<Arc<dyn Lever>> = vec![Arc::new(WorkerKill { orders }), Arc::new(away)];
    Playground::start_with_levers(ground::playground_settings(settings), levers, stop)
        .await
        .context("starting the playground")
}

fn ready(
    settings: &Settings,
    places: &Places,
    edge: &GatewayHandle,
    pool: &WorkersHandle,
    playground: Option<&PlaygroundHandle>,
    model: String,
    took: Duration,
) -> Ready {
    let is_development = settings.gateway.shows_development_certificate();
    Ready {
        page: playground.map(PlaygroundHandle::address),
        http: edge.http_addr(),
        tls: edge.tls_addr(),
        authority: is_development.then(|| places.data.join("tls/ca.pem")),
        admin: settings.monitoring.admin.listen,
        secrets: crate::dev_secrets::path(&places.data),
        bots: pool.bots().iter().map(ready::bot_line).collect(),
        owner_links: pool
            .bots()
            .iter()
            .filter_map(|bot| bot.owner_link.clone())
            .collect(),
        model,
        took,
    }
}

/// A person gets the block; a pipe gets one line of JSON in the log like everything else.
fn announce(ready: &Ready) -> anyhow::Result<()> {
    if places::is_a_terminal() {
        say(&ready.block()?)?;
    } else {
        tracing::info!(name: "process.ready", { place = ready.place(), duration_s = ready.took.as_secs_f64() }, "Sallyport is ready");
        for link in &ready.owner_links {
            say(&format!(
                "Open this link once, within 15 minutes, to become the owner: {link}"
            ))?;
        }
    }
    Ok(())
}
