//! F2: a worker is killed at K5 to K9 and at random times, and one is stopped at K10 until its lease has moved.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::kill_plan::{Done, Kill, goes_on, plan};
use crate::row::{Duplicates, LEASE, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F2",
    fault: "kill -9 of a worker at K5–K9 and at random times; STOP at K10 beyond its lease",
    allowed: "lost 0; duplicates only at K7, K8, with their record; takeover in 15 s",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// A message may wait so long for whoever takes over.
const TAKEOVER_MAX: Duration = Duration::from_secs(15);
/// How long the next kill waits for the answers that the last one held up.
const RECOVERED_WITHIN: Duration = Duration::from_secs(20);
/// How long a point may take to be reached under load.
const REACHED_WITHIN: Duration = Duration::from_secs(15);
/// For so long the stopped process had meant to hold its message up.
const HOLD: &str = "(200)";

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    kill_workers(stage).boxed_local()
}

async fn kill_workers(stage: &mut Stage) -> Outcome {
    let mut site = stage.open().await;
    let kills = plan(stage, &["K5", "K6", "K7", "K8", "K9", "K10"], HOLD);
    let load = site.load(stage.base);
    let (began, mut done, mut slowest) = (Instant::now(), Done::default(), None);
    for (turn, kill) in kills.into_iter().enumerate() {
        if !goes_on(stage, began) {
            break;
        }
        let victim = turn % site.workers.len();
        // Kills that come faster than the recovery are another fault: a message that was in hand at each of them runs out of attempts.
        slowest = slowest.max(site.recovers(&load, RECOVERED_WITHIN).await);
        match kill {
            Kill::At { point, armed } => {
                if stop_at(&mut site, victim, point, &armed).await {
                    done.note(point);
                } else {
                    done.missed.push(point);
                }
            }
            Kill::After(life) => {
                tokio::time::sleep(life).await;
                site.workers[victim].kill();
                site.start_worker(victim, "");
                site.wait_for_worker(victim).await;
                done.note("random");
            }
        }
    }

    let mut outcome = Outcome::of(site.evidence(load).await);
    outcome.fact(format!("killed at {}", done.words()));
    outcome.fact(format!(
        "everything answered again {} after a kill",
        spell(slowest)
    ));
    let waited = outcome
        .evidence()
        .and_then(|evidence| evidence.longest_wait(0, u64::MAX));
    let words = format!("no message waited longer than {} (15 s)", spell(waited));
    outcome.check(words, waited.is_some_and(|waited| waited <= TAKEOVER_MAX));
    let missed = done.missed.join(" ");
    outcome.check(
        format!("every point was reached {missed}"),
        missed.is_empty(),
    );
    outcome
}

/// Starts the victim anew with the point armed; when it is reached, kills it, or at K10 stops it for longer than its lease.
async fn stop_at(site: &mut Site, victim: usize, point: &str, armed: &str) -> bool {
    site.workers[victim].kill();
    site.start_worker(victim, armed);
    let reached = site.workers[victim]
        .reaches(point, &site.outfit, REACHED_WITHIN)
        .await;
    if reached && point == "K10" {
        site.workers[victim].signal("STOP");
        tokio::time::sleep(LEASE * 3).await;
        site.workers[victim].signal("CONT");
    } else {
        site.workers[victim].kill();
        site.start_worker(victim, "");
    }
    site.wait_for_worker(victim).await;
    reached
}
