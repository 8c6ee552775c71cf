//! F8: the network to Postgres is slow, narrow, or cut into single bytes. The edge pays one round trip, and nobody piles up memory.

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::proxy::Way;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};

pub(crate) const ROW: Row = Row {
    id: "F8",
    fault: "Postgres 50–500 ms away, at 64 kB/s a connection, in slices of one byte",
    allowed: "lost 0; duplicates only with their record; p99 < 200 ms and one round trip; 512 MB at most",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// Half of the shortest round trip, since both ways are slow.
const LATENCY: Duration = Duration::from_millis(25);
const JITTER: Duration = Duration::from_millis(225);
/// 200 ms of our own, and the longest round trip.
const P99_MAX: Duration = Duration::from_millis(200 + 500);
const BYTES_MAX: u64 = 512 << 20;

const WAYS: [(&str, Way); 3] = [
    (
        "50–500 ms",
        Way::Slow {
            latency: LATENCY,
            jitter: JITTER,
        },
    ),
    (
        "64 kB/s",
        Way::Narrow {
            bytes_per_second: 64_000,
        },
    ),
    ("single bytes", Way::Slices),
];

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    slow_down(stage).boxed_local()
}

async fn slow_down(stage: &mut Stage) -> Outcome {
    let site = stage.open().await;
    let has_spool = site.has_spool().await;
    let load = site.load(stage.base);
    let (mut phases, mut fattest) = (Vec::new(), 0);
    for (name, way) in WAYS {
        tokio::time::sleep(stage.lasting / 12).await;
        let from = load.now();
        site.postgres.switch(way);
        tokio::time::sleep(stage.lasting / 6).await;
        let programs = site.workers.iter().chain([&site.gateway]);
        fattest = programs
            .map(crate::program::Program::resident_bytes)
            .fold(fattest, u64::max);
        site.postgres.switch(Way::Pass);
        phases.push((name, from, load.now()));
        tokio::time::sleep(stage.lasting / 12).await;
    }

    let mut outcome = Outcome::of(site.evidence(load).await);
    for (name, from, to) in phases {
        let Some(evidence) = outcome.evidence() else {
            break;
        };
        let p99 = evidence.told.times(from, to).quantile(0.99);
        let failed = evidence.told.failed(from, to);
        let words = format!("{name}: p99 {}, failed {failed}", spell(p99));
        let is_quick = p99.is_some_and(|p99| p99 < P99_MAX) && failed == 0;
        outcome.check_with(
            "the edge has no spool",
            has_spool || is_quick,
            &words,
            is_quick,
        );
    }
    let words = format!("{} MB at most (512 MB)", fattest >> 20);
    outcome.check(words, fattest < BYTES_MAX);
    outcome
}
