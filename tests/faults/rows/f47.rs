//! F47: Postgres, the provider, the edge and the workers start in every order. The house becomes ready in each, and nobody loops. Then
//! a worker of an earlier version shares the queue with one of this version, and works alone for a while.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rand::seq::SliceRandom;

use crate::load::Base;
use crate::proxy::Way;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F47",
    fault: "Postgres, provider, edge and workers started in each of the 24 orders, from nothing; then a worker of an earlier version, \
            with fewer migrations, beside one of this version",
    allowed: "lost 0; duplicates only with their record; ready in 30 s; no process ends by itself; both versions work",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// How soon everything must be ready after the last one was started.
const READY_MAX: Duration = Duration::from_secs(30);
/// Between two starts.
const GAP: Duration = Duration::from_millis(700);
/// A supervisor waits so long before it starts again what has ended.
const RESTART_AFTER: Duration = Duration::from_secs(1);
/// Orders that a short row tries.
const SHORT_ORDERS: usize = 4;
/// Updates in a second: what counts here is the start.
const RATE: u32 = 20;
/// Where the program of an earlier version is; `make faults` builds it.
const EARLIER: &str = "SALLYPORT_FAULTS_EARLIER";
/// How long both versions work side by side, and then the earlier one alone.
const SIDE_BY_SIDE: Duration = Duration::from_secs(15);
/// How many messages the earlier version must have ended at least.
const ENDED_MIN: f64 = 50.0;

/// What is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Postgres,
    Provider,
    Edge,
    Workers,
}

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    try_orders(stage).boxed_local()
}

async fn try_orders(stage: &mut Stage) -> Outcome {
    let mut site = stage.build().await;
    let mut orders = permutations(&[Part::Postgres, Part::Provider, Part::Edge, Part::Workers]);
    orders.shuffle(&mut stage.rng);
    if stage.is_short {
        orders.truncate(SHORT_ORDERS);
    }
    let rate = stage.base.rate.min(RATE);
    let load = site.load(Base { rate, ..stage.base });
    let (mut slowest, mut ended, mut late) = (Duration::ZERO, 0, Vec::new());
    for order in &orders {
        take_down(stage, &mut site);
        for part in order {
            start(stage, &mut site, *part).await;
            tokio::time::sleep(GAP).await;
        }
        let (took, restarts) = until_ready(&mut site).await;
        ended += restarts;
        slowest = slowest.max(took);
        if took > READY_MAX {
            late.push(format!("{order:?}"));
        }
        tokio::time::sleep(GAP).await;
    }
    let ended_by_the_earlier = run_beside_an_earlier_version(&mut site).await;

    let mut outcome = Outcome::of(site.evidence(load).await);
    outcome.fact(format!("{} orders", orders.len()));
    let words = format!(
        "ready after {} at most (30 s) {}",
        spell(Some(slowest)),
        late.join(" ")
    );
    outcome.check(words, late.is_empty());
    outcome.check(
        format!("processes that ended by themselves: {ended}"),
        ended == 0,
    );
    match ended_by_the_earlier {
        Some(messages) => outcome.check(
            format!("the earlier version ended {messages} messages"),
            messages >= ENDED_MIN,
        ),
        None => outcome.lacks("version skew: there is no earlier version to run beside this one"),
    }
    outcome
}

/// How many messages a worker of an earlier version ended, beside one of this version and then alone.
async fn run_beside_an_earlier_version(site: &mut Site) -> Option<f64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test is told by its environment"
    )]
    let earlier = std::env::var_os(EARLIER)?;
    site.workers[1].kill();
    site.workers[1].binary = Some(earlier.into());
    site.start_worker(1, "");
    site.wait_for_worker(1).await;
    tokio::time::sleep(SIDE_BY_SIDE).await;
    site.workers[0].kill();
    tokio::time::sleep(SIDE_BY_SIDE).await;
    let ended = site.workers[1]
        .metric(&site.client, "sallyport_messages_completed_total")
        .await;
    site.start_worker(0, "");
    site.wait_for_worker(0).await;
    Some(ended.unwrap_or(0.0))
}

/// Everything is gone, as after a power cut.
fn take_down(stage: &mut Stage, site: &mut Site) {
    for program in site.workers.iter_mut().chain([&mut site.gateway]) {
        if program.starts() > 0 {
            program.kill();
        }
    }
    stage.cluster.stop();
    site.provider.switch(Way::Refuse);
}

async fn start(stage: &mut Stage, site: &mut Site, part: Part) {
    match part {
        Part::Postgres => stage.cluster.bring_up().await,
        Part::Provider => site.provider.switch(Way::Pass),
        Part::Edge => site.gateway.start(&site.outfit, ""),
        Part::Workers => {
            for number in 0..site.workers.len() {
                site.start_worker(number, "");
            }
        }
    }
}

/// Plays the supervisor until everybody is ready: how long that took, and how often one had to be started again.
async fn until_ready(site: &mut Site) -> (Duration, usize) {
    let (began, mut restarts) = (Instant::now(), 0);
    loop {
        let mut all_ready = true;
        for program in site.workers.iter_mut().chain([&mut site.gateway]) {
            if program.has_ended() {
                restarts += 1;
                tokio::time::sleep(RESTART_AFTER).await;
                program.start(&site.outfit, "");
            }
            all_ready &= program.ready_status(&site.client).await == Some(200);
        }
        if all_ready || began.elapsed() > READY_MAX * 2 {
            return (began.elapsed(), restarts);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn permutations(parts: &[Part]) -> Vec<Vec<Part>> {
    if parts.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |first: &Part| {
        let rest: Vec<Part> = parts
            .iter()
            .filter(|part| *part != first)
            .copied()
            .collect();
        let first = *first;
        permutations(&rest)
            .into_iter()
            .map(move |order| [vec![first], order].concat())
            .collect::<Vec<_>>()
    };
    parts.iter().flat_map(with_first).collect()
}
