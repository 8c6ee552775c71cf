//! F4: Redis is stopped, its data deleted, and started again. What lay in it comes back or is known to be gone.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use super::f3::{catches_up, judge};
use crate::row::{Duplicates, Outcome, Row, Stage, spell};

pub(crate) const ROW: Row = Row {
    id: "F4",
    fault: "Redis loses its data: stopped, emptied, started",
    allowed: "lost 0; no failed webhook; the live bus goes on in 10 s, and what it lost before it was read shows as a hole in its numbers",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// How long Redis is away between two losses.
const AWAY: Duration = Duration::from_secs(1);

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    lose_data(stage).boxed_local()
}

async fn lose_data(stage: &mut Stage) -> Outcome {
    let site = stage.open().await;
    let listener = site.listener();
    let load = site.load(stage.base);
    let losses: u32 = if stage.is_short { 2 } else { 6 };
    let between = stage.lasting / (losses + 1);
    let (from, mut slowest, mut is_late) = (load.now(), Duration::ZERO, false);
    for _ in 0..losses {
        tokio::time::sleep(between).await;
        stage.redis.stop();
        stage.redis.lose_everything();
        tokio::time::sleep(AWAY).await;
        let ended = site.endings().await;
        stage.redis.bring_up().await;
        let back = Instant::now();
        // What was in the stream and not read is gone for good; a hole in the numbers says how much, and no more may be missing.
        while listener.unheard(&ended) as u64 > listener.missing() {
            if back.elapsed() > super::f3::CATCHES_UP_WITHIN {
                is_late = true;
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        slowest = slowest.max(back.elapsed());
    }
    let to = load.now();
    tokio::time::sleep(between).await;

    let mut outcome = Outcome::of(site.evidence(load).await);
    judge(&mut outcome, from, to);
    let words = format!(
        "the live bus went on {} after each of {losses} losses at most (10 s)",
        spell(Some(slowest))
    );
    outcome.check(words, !is_late);
    let endings = site.endings().await;
    catches_up(&listener, &endings, Instant::now()).await;
    let (unheard, missing) = (listener.unheard(&endings), listener.missing());
    outcome.check(
        format!("{unheard} endings never heard, {missing} of them shown by holes in the numbers"),
        unheard as u64 <= missing,
    );
    outcome.fact("sessions and caches: none of them lies in Redis yet; tokens neither");
    outcome
}
