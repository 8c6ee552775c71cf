//! F31: a million messages wait when the workers come back. The edge stays quick, memory flat, and whoever writes now is answered now.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::load::Base;
use crate::program::Program;
use crate::row::{Duplicates, LEASE_SETTING, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F31",
    fault: "a backlog of 1,000,000 × 300 B; the workers start, and people go on writing",
    allowed: "lost 0; duplicates only with their record; p99 < 200 ms; edge and worker < 256 MB; 1,000/s at least; claims flat ±20 %; \
              an interactive message starts in 1 s",
    duplicates: Duplicates::Ambiguous,
    run,
};

const BACKLOG: i64 = 1_000_000;
const SHORT_BACKLOG: i64 = 40_000;
/// Rows put in at a time.
const FILL: i64 = 50_000;
/// Keys that they are spread over.
const KEYS: i64 = 5_000;
const P99_MAX: Duration = Duration::from_millis(200);
const BYTES_MAX: u64 = 256 << 20;
const DRAIN_MIN: f64 = 1_000.0;
const STARTED_WITHIN: Duration = Duration::from_secs(1);
/// Updates in a second meanwhile.
const RATE: u32 = 50;
const EVERY: Duration = Duration::from_millis(500);
/// What a claim's mean may move by besides a fifth of it, since a histogram's sum over a second is of few claims.
const NOISE: f64 = 0.002;

/// Updates of a kind that nobody answers: 300 bytes each, behind whatever people write.
const PUT: &str = "
    with given as (
        select nextval('message_order') as id, 'in:telegram:ops:backlog-' || (n % $2::bigint) as key, n
          from generate_series(1, $1::bigint) n
    ), put as (
        insert into messages (id, day, bot, tenant, source, kind, kind_version, key, partition, priority, payload, payload_format,
                              trace, trace_id)
        select id, (now() at time zone 'utc')::date, 'ops', 'house', 'faults', 'telegram.update', 1, key,
               (hashtext(key) & 255)::smallint, 2,
               convert_to(rpad('{\"update_id\":' || n || ',\"poll\":{\"id\":\"', 290, 'x') || '\"}}', 'utf8'), 0,
               decode('0102030405060708090a0b0c0d0e0f10a1a2a3a4a5a6a7a800', 'hex'), decode('0102030405060708090a0b0c0d0e0f10', 'hex')
          from given
        returning id, day, partition, priority, kind, key
    )
    insert into queue (id, day, partition, priority, lane, kind, key)
    select id, day, partition, priority, queue_lane('house'), kind, key from put";
const WAITING: &str = "select count(*) from queue where priority = 2";

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    drain(stage).boxed_local()
}

async fn drain(stage: &mut Stage) -> Outcome {
    let mut site = stage.build_with(&[LEASE_SETTING]).await;
    let backlog = if stage.is_short {
        SHORT_BACKLOG
    } else {
        BACKLOG
    };
    fill(&site, backlog).await;
    stage.start(&mut site, "").await;
    let base = Base {
        rate: stage.base.rate.min(RATE),
        ..stage.base
    };
    let load = site.load(base);
    let (began, from) = (Instant::now(), load.now());
    let (mut fattest, mut claims, mut left) = ([0; 2], Vec::new(), backlog);
    let mut last = claimed(&site).await;
    while left > 0 && began.elapsed() < Duration::from_secs(1_500) {
        tokio::time::sleep(EVERY).await;
        fattest[0] = fattest[0].max(site.gateway.resident_bytes());
        let workers = site.workers.iter().map(Program::resident_bytes);
        fattest[1] = workers.fold(fattest[1], u64::max);
        let now = claimed(&site).await;
        if now.1 > last.1 {
            claims.push((now.0 - last.0) / (now.1 - last.1));
        }
        last = now;
        left = site.number(WAITING).await;
    }
    let (took, to) = (began.elapsed(), load.now());

    let mut outcome = Outcome::of(site.evidence(load).await);
    let rate = (backlog - left) as f64 / took.as_secs_f64();
    outcome.fact(format!(
        "backlog {backlog}, gone after {}",
        spell(Some(took))
    ));
    outcome.check(
        format!("{rate:.0} a second (1,000), {left} left"),
        rate >= DRAIN_MIN && left == 0,
    );
    for (name, bytes) in ["edge", "a worker"].into_iter().zip(fattest) {
        outcome.check(
            format!("{name} {} MB at most (256 MB)", bytes >> 20),
            bytes < BYTES_MAX,
        );
    }
    judge_claims(&mut outcome, &claims);
    let Some(evidence) = outcome.evidence() else {
        return outcome;
    };
    let p99 = evidence.told.times(from, to).quantile(0.99);
    let waited = evidence.longest_wait(from, to);
    outcome.check(
        format!("p99 of the edge {} (200 ms)", spell(p99)),
        p99.is_some_and(|p99| p99 < P99_MAX),
    );
    outcome.check(
        format!(
            "whoever wrote meanwhile was answered after {} at most (1 s)",
            spell(waited)
        ),
        waited.is_some_and(|waited| waited < STARTED_WITHIN),
    );
    outcome
}

async fn fill(site: &Site, backlog: i64) {
    let database = site.database().await;
    let mut left = backlog;
    while left > 0 {
        let count = left.min(FILL);
        database.execute(PUT, &[&count, &KEYS]).await.unwrap();
        left -= count;
    }
    database
        .batch_execute("analyze queue; analyze messages")
        .await
        .unwrap();
}

/// The seconds that all claims have taken so far, and how many there were.
async fn claimed(site: &Site) -> (f64, f64) {
    let (mut seconds, mut count) = (0.0, 0.0);
    for worker in &site.workers {
        let text = worker.metrics(&site.client).await;
        let sum = |part: &str| -> f64 {
            let name = format!("db_client_operation_duration_seconds_{part}");
            text.lines()
                .filter(|line| line.starts_with(&name) && line.contains("\"claim\""))
                .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
                .sum()
        };
        seconds += sum("sum");
        count += sum("count");
    }
    (seconds, count)
}

/// The middle of the first third of the drain beside that of the last.
fn judge_claims(outcome: &mut Outcome, claims: &[f64]) {
    let third = claims.len() / 3;
    let middle = |part: &[f64]| -> Option<f64> {
        let mut sorted = part.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    };
    let first = claims.get(..third).and_then(middle);
    let last = claims.get(claims.len() - third..).and_then(middle);
    let Some((first, last)) = first.zip(last) else {
        outcome.fact("the backlog was gone before claims could be compared");
        return;
    };
    let words = format!(
        "a claim took {:.1} ms at first, {:.1} ms in the end (20 %)",
        first * 1e3,
        last * 1e3
    );
    outcome.check(words, first <= last * 1.2 + NOISE);
}
