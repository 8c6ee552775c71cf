//! F3: Redis is killed under load and comes back after 20 s. Nobody outside notices, and the live bus catches up.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::limits::Limits;
use crate::listener::Listener;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F3",
    fault: "kill -9 of Redis under load, back after 20 s",
    allowed: "lost 0; no failed webhook; p99 < 200 ms; woken by NOTIFY or by looking; limits per instance meanwhile; \
              the live bus catches up in 10 s",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// What the edge's p99 must stay below, whether Redis is there or not.
pub(super) const P99_MAX: Duration = Duration::from_millis(200);
/// How long a message may wait for its answer while nobody is woken through Redis.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(5);
/// How soon the listener must have heard what it missed.
pub(super) const CATCHES_UP_WITHIN: Duration = Duration::from_secs(10);

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    kill_redis(stage).boxed_local()
}

async fn kill_redis(stage: &mut Stage) -> Outcome {
    let site = stage.open().await;
    let outage = stage.either(Duration::from_secs(20), Duration::from_secs(6));
    let listener = site.listener();
    let limits = Limits::start(&site.redis_url()).await;
    let load = site.load(stage.base);
    tokio::time::sleep(stage.lasting / 4).await;

    let (killed, killed_at) = (load.now(), Instant::now());
    stage.redis.kill();
    tokio::time::sleep(outage).await;
    let ended_meanwhile = site.endings().await;
    stage.redis.bring_up().await;
    let (back, back_at) = (load.now(), Instant::now());
    let caught_up = catches_up(&listener, &ended_meanwhile, back_at).await;
    stage.wait_for(&load, stage.lasting).await;
    let taken = limits.finish(killed_at, back_at).await;

    let mut outcome = Outcome::of(site.evidence(load).await);
    judge(&mut outcome, killed, back);
    outcome.check(
        format!(
            "the live bus caught up {} after its return (10 s), {} events heard",
            spell(caught_up),
            listener.count()
        ),
        caught_up.is_some(),
    );
    all_heard_in_the_end(&site, &listener, &mut outcome).await;
    outcome.check(taken.words(), taken.hold());
    outcome
}

/// What clients noticed of Redis being away.
pub(super) fn judge(outcome: &mut Outcome, from: u64, to: u64) {
    let Some(evidence) = outcome.evidence() else {
        return;
    };
    let failed = evidence.told.failed(0, u64::MAX);
    let p99 = evidence.told.times(from, to).quantile(0.99);
    let waited = evidence.longest_wait(from, to);
    outcome.check(format!("failed webhooks {failed}"), failed == 0);
    outcome.check(
        format!("p99 {} without Redis (200 ms)", spell(p99)),
        p99.is_some_and(|p99| p99 < P99_MAX),
    );
    outcome.check(
        format!("answered after {} at most without it (5 s)", spell(waited)),
        waited.is_some_and(|waited| waited < WAIT_MAX),
    );
}

/// How long after `back` the listener had heard all of these; none if not in time.
pub(super) async fn catches_up(
    listener: &Listener,
    events: &[String],
    back: Instant,
) -> Option<Duration> {
    while back.elapsed() < CATCHES_UP_WITHIN {
        if let Some(at) = listener.all_heard(events) {
            return Some(at.saturating_duration_since(back));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

/// At the end of a row the listener has heard of everything that ended.
async fn all_heard_in_the_end(site: &Site, listener: &Listener, outcome: &mut Outcome) {
    let endings = site.endings().await;
    catches_up(listener, &endings, Instant::now()).await;
    let unheard = listener.unheard(&endings);
    outcome.check(
        format!(
            "of {} endings {unheard} never reached the live bus",
            endings.len()
        ),
        unheard == 0,
    );
}
