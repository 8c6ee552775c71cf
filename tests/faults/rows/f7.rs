//! F7: the network between the house and a neighbour breaks in four ways. No call waits beyond its deadline, and the edge stays quick.

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::checker::Moment;
use crate::proxy::{Direction, Way};
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F7",
    fault: "partition (reset, black hole, half-open, one way) of Postgres, then of Redis, then of the provider",
    allowed: "lost 0; duplicates only with their record; no call beyond its deadline (Redis 1 s, Postgres 5 s, provider 30 s); p99 < 200 ms",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// What the edge's p99 must stay below whoever is away.
const P99_MAX: Duration = Duration::from_millis(200);
/// The longest that a webhook may wait for its answer: the deadline for Postgres, and a little for the way.
const ANSWER_MAX: Duration = Duration::from_millis(5_500);
/// What of each partition is not measured: whoever was on the way when it came.
const FIRST_SECOND: u64 = 1_000_000;

const WAYS: [(&str, Way); 4] = [
    ("reset", Way::Reset),
    ("black hole", Way::BlackHole),
    ("half-open", Way::Deaf(Direction::Back)),
    ("one way", Way::Deaf(Direction::There)),
];

/// Whom the house is cut off from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Neighbour {
    Postgres,
    Redis,
    Provider,
}

/// One partition, from when to when.
struct Partition {
    neighbour: Neighbour,
    name: &'static str,
    from: Moment,
    to: Moment,
}

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    partition(stage).boxed_local()
}

async fn partition(stage: &mut Stage) -> Outcome {
    let site = stage.open().await;
    let has_spool = site.has_spool().await;
    let load = site.load(stage.base);
    let faults: Vec<(Neighbour, &'static str, Way)> =
        [Neighbour::Postgres, Neighbour::Redis, Neighbour::Provider]
            .into_iter()
            .flat_map(|neighbour| WAYS.map(|(name, way)| (neighbour, name, way)))
            // A short row has time for the worst one.
            .filter(|(neighbour, _, way)| {
                !stage.is_short || (*neighbour != Neighbour::Provider && *way == Way::BlackHole)
            })
            .collect();
    let count = u32::try_from(faults.len()).unwrap();
    let cut = (stage.lasting / count / 2).min(Duration::from_secs(12));
    let whole = stage.lasting / count - cut;
    let mut partitions = Vec::new();
    for (neighbour, name, way) in faults {
        tokio::time::sleep(whole / 2).await;
        let from = load.now();
        switch(&site, neighbour, way);
        tokio::time::sleep(cut).await;
        switch(&site, neighbour, Way::Pass);
        let to = load.now();
        partitions.push(Partition {
            neighbour,
            name,
            from,
            to,
        });
        tokio::time::sleep(whole / 2).await;
    }
    let overdue = overdue_calls(&site).await;

    let mut outcome = Outcome::of(site.evidence(load).await);
    for partition in &partitions {
        judge(&mut outcome, partition, has_spool);
    }
    outcome.check(
        format!("calls of the provider beyond 30 s: {overdue}"),
        overdue == 0.0,
    );
    outcome
}

fn switch(site: &Site, neighbour: Neighbour, way: Way) {
    match neighbour {
        Neighbour::Postgres => site.postgres.switch(way),
        Neighbour::Redis => site.redis.switch(way),
        Neighbour::Provider => site.provider.switch(way),
    }
}

fn judge(outcome: &mut Outcome, partition: &Partition, has_spool: bool) {
    let Some(evidence) = outcome.evidence() else {
        return;
    };
    let times = evidence
        .told
        .times(partition.from + FIRST_SECOND, partition.to);
    let (p99, longest) = (times.quantile(0.99), times.longest());
    let failed = evidence.told.failed(partition.from, partition.to);
    let Partition {
        neighbour, name, ..
    } = partition;
    let waited = (*neighbour == Neighbour::Redis)
        .then(|| evidence.longest_wait(partition.from, partition.to))
        .flatten();
    let words = format!(
        "{neighbour:?}, {name}: p99 {}, longest {}, failed {failed}",
        spell(p99),
        spell(longest)
    );
    let is_quick = p99.is_some_and(|p99| p99 < P99_MAX) && failed == 0;
    let is_there = has_spool || *neighbour != Neighbour::Postgres;
    outcome.check_with("the edge has no spool", is_there, &words, is_quick);
    let is_bounded = longest.is_some_and(|longest| longest < ANSWER_MAX);
    if let Some(waited) = waited {
        let words = format!(
            "{neighbour:?}, {name}: answered after {} at most (5 s)",
            spell(Some(waited))
        );
        outcome.check(words, waited < Duration::from_secs(5));
    }
    outcome.check(
        format!("{neighbour:?}, {name}: every webhook was answered in 5 s"),
        is_bounded,
    );
}

/// How many calls of the provider took longer than the last deadline, as the workers' own clocks have it.
async fn overdue_calls(site: &Site) -> f64 {
    const FAMILY: &str = "http_client_request_duration_seconds";
    let mut overdue = 0.0;
    for worker in &site.workers {
        let text = worker.metrics(&site.client).await;
        let sum = |name: &str, label: &str| -> f64 {
            text.lines()
                .filter(|line| line.starts_with(name) && line.contains(label))
                .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
                .sum()
        };
        // The deadline itself is recorded a little late, so the next bound is asked for.
        let in_time = sum(&format!("{FAMILY}_bucket"), "le=\"60\"");
        overdue += sum(&format!("{FAMILY}_count"), "") - in_time;
    }
    overdue
}
