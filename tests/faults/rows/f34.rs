//! F34: a worker stands still for a minute, as in a long collection of garbage, and wakes up believing that it still owns its work.

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::row::{Duplicates, Outcome, Row, Stage, spell};

pub(crate) const ROW: Row = Row {
    id: "F34",
    fault: "STOP of a worker for 60 s under load, then CONT",
    allowed: "lost 0; one effect (a send under way at the stop: with its record); the stale end is refused",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// A message may wait so long for whoever takes over.
const TAKEOVER_MAX: Duration = Duration::from_secs(15);

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    stand_still(stage).boxed_local()
}

async fn stand_still(stage: &mut Stage) -> Outcome {
    let site = stage.open().await;
    let still = stage.either(Duration::from_secs(60), Duration::from_secs(6));
    let load = site.load(stage.base);
    tokio::time::sleep(stage.lasting / 4).await;

    site.workers[0].signal("STOP");
    let stopped = load.now();
    tokio::time::sleep(still).await;
    site.workers[0].signal("CONT");
    let gone = Duration::from_micros(load.now());
    tokio::time::sleep(stage.lasting.saturating_sub(gone)).await;
    let refused = site.workers[0]
        .metric(&site.client, "sallyport_fenced_completions_total")
        .await;

    let mut outcome = Outcome::of(site.evidence(load).await);
    let refused = refused.unwrap_or(0.0);
    outcome.fact(format!("stale ends refused or dropped: {refused}"));
    let waited = outcome
        .evidence()
        .and_then(|evidence| evidence.longest_wait(stopped, u64::MAX));
    let words = format!("no message waited longer than {} (15 s)", spell(waited));
    outcome.check(words, waited.is_some_and(|waited| waited <= TAKEOVER_MAX));
    outcome
}
