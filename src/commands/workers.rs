//! `sallyport workers`: the pool and the API behind the edge.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use sallyport_ai::Models;
use sallyport_postgres::ProcessRole;
use sallyport_queue::membership::Membership;
use sallyport_queue::ownership::WorkerId;
use sallyport_telemetry::Chain;
use sallyport_workers::api::{self, Sources, Stops};
use sallyport_workers::pool::SILENCE_MAX;
use sallyport_workers::{Parts, Workers, WorkersHandle};
use tokio_util::sync::CancellationToken;

use crate::backups;
use crate::cli::Places;
use crate::commands::{drained, migrate};
use crate::ground::{self, Ground};
use crate::patience::Patience;
use crate::places;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::sockets::{self, Sockets};

/// How long kept connections to the API get to make their next request, when another process serves it already.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long the log gets to write its last line.
const LAST_LINE: Duration = Duration::from_millis(500);
/// `EX_SOFTWARE` of sysexits: a fault inside; starting again helps.
const EXIT_SOFTWARE: i32 = 70;

pub(crate) async fn run(places: &Places, sockets: &Sockets) -> anyhow::Result<ExitCode> {
    let (settings, _) = places::settings(places)?;
    let (identity, _log) = ground::start_log(&settings)?;
    let signals = Signals::install()?;
    let soft = signals.stops().soft;

    // The start listens to signals, too: it may have to wait for Postgres.
    let work = async {
        let patience = Patience::until(soft.clone());
        let role = ProcessRole::Workers;
        let ground = Ground::lay(&settings, identity, role, sockets, &patience).await?;
        let api = Stops::default();
        serve_api(&settings, &ground, sockets, api.clone()).await?;
        let workers = start(&settings, &ground, soft.child_token(), &patience).await?;
        backups::keep_to_the_schedule(&settings, places, &ground, soft.child_token());
        sockets::tell_ready();

        soft.cancelled().await;
        ground.leave(sockets);
        let farewell = say_goodbye(&api, sockets);
        let drain = workers.drain(Duration::from_millis(settings.workers.drain_deadline_ms));
        tokio::join!(farewell, drain);
        drop(workers);
        api.stop.cancel();
        ground.close().await;
        anyhow::Ok(())
    };
    // On the heap: it holds every room until the last one has stopped.
    Ok(drained(signals.serve(Box::pin(work)).await.transpose()?))
}

/// Joins the fleet and starts to work.
pub(crate) async fn start(
    settings: &Settings,
    ground: &Ground,
    stop: CancellationToken,
    patience: &Patience,
) -> anyhow::Result<WorkersHandle> {
    let began = Instant::now();
    ground.queue.start_chores();
    // A name of its own at every start: whoever comes back under an old name would own what it may not know it owns.
    let me = WorkerId::unique(&ground.health.identity().instance, std::process::id());
    let membership = patience
        .insist(async || {
            Ok(Membership::join(&ground.pools, &settings.stores.membership, me.clone()).await?)
        })
        .await
        .context("joining the workers")?;
    membership.expect_pulse(SILENCE_MAX, leave_as_in_a_crash);
    let apps = migrate::apps(settings)?
        .into_iter()
        .map(|app| (app.name().to_owned(), Arc::new(app)));
    let parts = Parts {
        pools: ground.pools.clone(),
        redis: ground.redis.clone(),
        queue: ground.queue.clone(),
        membership: Arc::new(membership),
        pool: settings.workers.pool.clone(),
        recorder: ground.recorder.clone(),
        models: Models::new(settings.apps.model.clone()).context("setting up the model")?,
        apps: apps.collect::<HashMap<_, _>>(),
        health: ground.health.clone(),
        sinks: Arc::clone(&ground.sinks),
        keep: settings.monitoring.traces.keep.clone(),
    };
    let workers = Workers::start(&settings.apps.chat, parts, stop)
        .await
        .context("starting the workers")?;
    ground.workers_run(began.elapsed());
    Ok(workers)
}

/// A process whose pool was swallowed cannot be mended from inside, and cannot stop in order either: what is left of its runtime may
/// never come by again. So it ends as in a crash, and whoever runs it starts a new one.
#[expect(
    clippy::disallowed_methods,
    reason = "there is nobody left who could drain anything"
)]
fn leave_as_in_a_crash() {
    // The log has a thread of its own, which gets this long to write why.
    std::thread::sleep(LAST_LINE);
    std::process::exit(EXIT_SOFTWARE);
}

/// Where a successor serves the API already, whoever still has a connection to us hears it in the next answer.
async fn say_goodbye(api: &Stops, sockets: &Sockets) {
    if sockets.were_given() {
        api.leaving.cancel();
        tokio::time::sleep(FAREWELL).await;
    }
}

/// Serves `/ops/…` until told to stop.
pub(crate) async fn serve_api(
    settings: &Settings,
    ground: &Ground,
    sockets: &Sockets,
    stops: Stops,
) -> anyhow::Result<()> {
    let api = settings.workers.api.clone();
    let listener = ground::listen(api.listen, sockets, "SALLYPORT_API_LISTEN").await?;
    let sources = Sources::of(&ground.queue, ground.recorder.clone());
    ground.tasks.spawn(async move {
        if let Err(error) = api::serve(listener, &api, sources, stops).await {
            tracing::error!(name: "api.ended", { error = %Chain(&error) }, "The API behind the edge is closed");
        }
    });
    Ok(())
}
