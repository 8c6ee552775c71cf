//! F12: while Postgres is away, flushing the spool's disk fails, then takes two seconds each time. What was answered is kept.

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::checker::Moment;
use crate::latency::Times;
use crate::proxy::Way;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F12",
    fault: "flushes of the spool's disk fail (once, and twice in a row), then take 2 s each, while Postgres is away",
    allowed: "lost 0; duplicates only with their record; a failed segment is left behind, never flushed again; 2xx or 503 with Retry-After in 5 s, never silence; \
              p99 of what is refused < 50 ms",
    // The spool fills while Postgres is away, and that is K8 for whatever was being sent.
    duplicates: Duplicates::Ambiguous,
    run,
};

/// Single failures, then failures of the second try as well: then nobody gets a receipt.
const FAILING: &str = "spool-sync=5*off->1*return->20*off->1*return->20*off->2*return->20*off->2*return->5*off->4*return->off";
/// Every flush takes so long.
const SLOW: &str = "spool-sync=sleep(2000)";
/// All senders of the row have one address: what waits, what is being flushed and what is being refused are its connections together.
const CONNECTIONS: &str = "connections:\n  per_address_max: 2048\n";
/// How many may wait for the disk. A slow one takes fewer in its two seconds than are sent.
const WAITING: &str = "queue:\n  spool:\n    waiting_max: 256\n";
/// How many must be taken in a second all the same.
const TAKEN_MIN: usize = 50;
const REFUSED_MAX: Duration = Duration::from_millis(50);
/// The longest that anybody may wait for an answer: the deadline of an accept, and a little.
const ANSWER_MAX: Duration = Duration::from_millis(5_000);
/// How long a spool may take to be replayed.
const DRAINED_WITHIN: Duration = Duration::from_secs(30);

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    trouble_the_disk(stage).boxed_local()
}

async fn trouble_the_disk(stage: &mut Stage) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("stores.yaml"), WAITING).unwrap();
    std::fs::write(folder.path().join("gateway.yaml"), CONNECTIONS).unwrap();
    let path = folder.path().to_str().unwrap();
    let mut site = stage.open_with(&[("SALLYPORT_CONFIG", path)]).await;
    if !site.has_spool().await {
        return Outcome::not_available("the edge has no spool");
    }
    let load = site.load(stage.base);
    let lasting = stage.lasting / 3;
    let mut phases = Vec::new();
    for (name, plan) in [("failing", FAILING), ("slow", SLOW)] {
        restart(&mut site, plan).await;
        let from = load.now();
        site.postgres.switch(Way::Refuse);
        tokio::time::sleep(lasting).await;
        let to = load.now();
        if name == "failing" {
            phases.push((name, from, to, abandoned(&site)));
        } else {
            phases.push((name, from, to, 0));
        }
        site.postgres.switch(Way::Pass);
        site.drains(DRAINED_WITHIN).await;
    }
    restart(&mut site, "").await;

    let mut outcome = Outcome::of(site.evidence(load).await);
    for (name, from, to, abandoned) in phases {
        judge(&mut outcome, name, from, to);
        if name == "failing" {
            outcome.check(
                format!("segments left behind after a failed flush: {abandoned}"),
                abandoned > 0,
            );
        }
    }
    outcome
}

async fn restart(site: &mut Site, plan: &str) {
    site.gateway.kill();
    site.gateway.start(&site.outfit, plan);
    site.gateway.wait_ready(&site.outfit, &site.client).await;
}

/// How often the edge told that it leaves a segment behind.
fn abandoned(site: &Site) -> usize {
    let log = site.gateway.log(&site.outfit);
    log.matches("spool.abandoned").count()
}

fn judge(outcome: &mut Outcome, name: &str, from: Moment, to: Moment) {
    let Some(evidence) = outcome.evidence() else {
        return;
    };
    let (mut taken, mut refused, mut otherwise) = (0, Vec::new(), 0);
    let mut slowest = Duration::ZERO;
    for tried in evidence.told.due_between(from, to) {
        slowest = slowest.max(tried.took);
        match tried.status {
            Some(200..300) => taken += 1,
            Some(503) if tried.says_when => refused.push(tried.took),
            _ => otherwise += 1,
        }
    }
    let count = refused.len();
    let seconds = usize::try_from((to - from) / 1_000_000).unwrap();
    let refused_p99 = refused.into_iter().collect::<Times>().quantile(0.99);
    outcome.check(
        format!(
            "{name}: {taken} taken, {count} refused with 503 and Retry-After, {otherwise} otherwise; longest {} (5 s); p99 of the \
             refused {} (50 ms)",
            spell(Some(slowest)),
            spell(refused_p99)
        ),
        taken >= TAKEN_MIN * seconds
            && otherwise == 0
            && slowest <= ANSWER_MAX
            && refused_p99.is_none_or(|p99| p99 < REFUSED_MAX),
    );
}
