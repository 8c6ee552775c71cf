//! `sallyport status`: what `/status` says in a chat, asked from here, so that it also answers while Postgres or the server is away.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use sallyport_ai::Models;
use sallyport_kit::{Check, CheckState, Language, StatusReport, Verdict};
use sallyport_postgres::{Pools, ProcessRole};
use sallyport_queue::{Queue, WorkerSummary};
use sallyport_recorder::Recorder;
use sallyport_redis::Redis;
use sallyport_telemetry::{Health, Identity};
use sallyport_workers::bots::Bots;
use sallyport_workers::house::HouseKeeper;
use sallyport_workers::story::StoryTeller;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::Places;
use crate::commands::{migrate, say};
use crate::places;
use crate::settings::Settings;
use crate::version::{REVISION, VERSION};

pub(crate) async fn run(places: &Places) -> anyhow::Result<ExitCode> {
    let (settings, _) = places::settings(places)?;
    let (mut report, workers) = report(&settings).await?;
    if let Some(workers) = workers {
        look_at_workers(&mut report, &workers);
    }
    for line in lines(&settings, &report)? {
        say(&line)?;
    }
    Ok(if report.verdict() == Verdict::Working {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// This process has only just begun; how long the house has been up is how long its oldest worker has.
fn look_at_workers(report: &mut StatusReport, workers: &[WorkerSummary]) {
    match workers.iter().map(|worker| worker.started_at).min() {
        Some(since) => report.up = report.at.duration_since(since).unsigned_abs(),
        None => report.checks.push(vec![Check {
            name: "Worker".to_owned(),
            state: CheckState::Down {
                reason: "none runs".to_owned(),
            },
            pending: None,
        }]),
    }
}

/// Asks everything that the house leans on, side by side, a second each; and the workers, when Postgres answers.
pub(crate) async fn report(
    settings: &Settings,
) -> anyhow::Result<(StatusReport, Option<Vec<WorkerSummary>>)> {
    let pools = Pools::open(&settings.stores.postgres, ProcessRole::Both)
        .context("preparing the connections to Postgres")?;
    let queue = Queue::open_edge(pools.clone(), settings.stores.queue.clone())
        .await
        .context("looking at the queue")?;
    let health = Health::new(Identity::new(
        VERSION,
        REVISION,
        settings.monitoring.environment.clone(),
    ));
    let models = Models::new(settings.apps.model.clone()).context("setting up the model")?;
    let apps: HashMap<_, _> = migrate::apps(settings)?
        .into_iter()
        .map(|app| (app.name().to_owned(), Arc::new(app)))
        .collect();
    let bots = Bots::set_up(&settings.apps.chat.bots, &apps, &health, None)
        .context("setting up the bots")?;
    let bot = bots
        .iter()
        .next()
        .context("no bot is configured: add one to apps.yaml")?;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let recorder = Recorder::start(&pools, &settings.monitoring.traces.recorder, &tasks, &stop);
    let keeper = HouseKeeper {
        inspector: queue.inspect(),
        dead_letters: queue.dead_letters(),
        control: queue.control(),
        teller: StoryTeller::new(queue.inspect(), recorder),
        pool: pools.read().clone(),
        redis: Redis::open(&settings.stores.redis).context("preparing the way to Redis")?,
        models,
        health,
    };
    // On the heap: every check in one future is more than a stack should carry.
    let report = Box::pin(keeper.status(bot)).await;
    let workers = match report.queue {
        Some(_) => queue
            .inspect()
            .summary()
            .await
            .ok()
            .map(|summary| summary.workers),
        None => None,
    };
    stop.cancel();
    Ok((report, workers))
}

/// The report in words, the verdict first.
pub(crate) fn lines(settings: &Settings, report: &StatusReport) -> anyhow::Result<Vec<String>> {
    let apps = migrate::apps(settings)?;
    let words = apps.first().context("this build has no app")?.words();
    Ok(report.lines(words, Language::English))
}
