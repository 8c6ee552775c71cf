//! F5: Postgres is killed under load and comes back after 20 s. The edge goes on answering 2xx, the workers wait.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F5",
    fault: "kill -9 of Postgres under load, back after 20 s",
    allowed: "lost 0; duplicates only with their record; no failed webhook; p99 < 200 ms after the first second; order per chat; \
              workers 503 in 5 s; caught up in twice the outage",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// What the edge's p99 must stay below during the outage.
const P99_MAX: Duration = Duration::from_millis(200);
/// How soon a worker must say that it is not ready.
const UNREADY_MAX: Duration = Duration::from_secs(5);
/// What of the outage is not measured: whoever was waiting for the old server.
const FIRST_SECOND: u64 = 1_000_000;

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    kill_postgres(stage).boxed_local()
}

async fn kill_postgres(stage: &mut Stage) -> Outcome {
    let site = stage.open().await;
    let has_spool = site.has_spool().await;
    let outage = stage.either(Duration::from_secs(20), Duration::from_secs(6));
    let load = site.load(stage.base);
    tokio::time::sleep(stage.lasting / 4).await;

    stage.cluster.kill();
    let (killed, killed_at) = (load.now(), Instant::now());
    let unready = unready_after(&site, outage).await;
    tokio::time::sleep(outage.saturating_sub(killed_at.elapsed())).await;
    stage.cluster.bring_up().await;
    let (back, away) = (load.now(), killed_at.elapsed());
    let drained = site.drains(away * 2).await;
    stage.wait_for(&load, stage.lasting).await;

    let mut outcome = Outcome::of(site.evidence(load).await);
    let Some(evidence) = outcome.evidence() else {
        return outcome;
    };
    let p99 = evidence
        .told
        .times(killed + FIRST_SECOND, back)
        .quantile(0.99);
    let failed = evidence.told.failed(0, u64::MAX);
    let caught_up = evidence
        .caught_up(back)
        .map(|at| Duration::from_micros(at.saturating_sub(back)));
    outcome.fact(format!("away for {}", spell(Some(away))));
    let words = format!("p99 {} without Postgres (200 ms)", spell(p99));
    let is_quick = p99.is_some_and(|p99| p99 < P99_MAX);
    outcome.check_with("the edge has no spool", has_spool, &words, is_quick);
    let words = format!("failed webhooks {failed}");
    outcome.check_with("the edge has no spool", has_spool, &words, failed == 0);
    let words = format!("workers not ready after {} (5 s)", spell(unready));
    outcome.check(words, unready.is_some_and(|after| after <= UNREADY_MAX));
    let words = format!(
        "caught up {} after its return (twice the outage)",
        spell(caught_up)
    );
    outcome.check(words, caught_up.is_some_and(|after| after <= away * 2));
    let words = format!(
        "the spool was empty after {} (twice the outage)",
        spell(drained)
    );
    outcome.check_with(
        "the edge has no spool",
        has_spool,
        &words,
        drained.is_some(),
    );
    outcome
}

/// When the last worker said 503; none if one never did.
async fn unready_after(site: &Site, patience: Duration) -> Option<Duration> {
    let began = Instant::now();
    for worker in &site.workers {
        while worker.ready_status(&site.client).await != Some(503) {
            if began.elapsed() > patience {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Some(began.elapsed())
}
