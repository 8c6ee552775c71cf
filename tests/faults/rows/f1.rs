//! F1: the edge is killed at K0 to K4 and at random times. Whatever it had answered is answered, and nothing twice.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::kill_plan::{Done, Kill, goes_on, plan};
use crate::proxy::Way;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F1",
    fault: "kill -9 of the edge at K0–K4, K11 and at random times",
    allowed: "lost 0; no duplicate; ready again in 3 s",
    duplicates: Duplicates::Never,
    run,
};

/// How soon a restarted edge must take messages.
const READY_MAX: Duration = Duration::from_secs(3);
/// How long Postgres is away before a kill at K11.
const AWAY: Duration = Duration::from_millis(500);
/// How long a point may take to be reached under load.
const REACHED_WITHIN: Duration = Duration::from_secs(15);

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    kill_edges(stage).boxed_local()
}

async fn kill_edges(stage: &mut Stage) -> Outcome {
    let mut site = stage.open().await;
    let has_spool = site.has_spool().await;
    let points: &[&'static str] = match has_spool {
        true => &["K0", "K1", "K2", "K3", "K4", "K11"],
        false => &["K0", "K1", "K2", "K3", "K4"],
    };
    let kills = plan(stage, points, "");
    let load = site.load(stage.base);
    let (began, mut done, mut slowest) = (Instant::now(), Done::default(), Duration::ZERO);
    for kill in kills {
        if !goes_on(stage, began) {
            break;
        }
        site.gateway.kill();
        let armed = match &kill {
            Kill::At { armed, .. } => armed.as_str(),
            Kill::After(_) => "",
        };
        site.gateway.start(&site.outfit, armed);
        let took = site.gateway.wait_ready(&site.outfit, &site.client).await;
        slowest = slowest.max(took);
        match kill {
            Kill::At { point, .. } => {
                if point == "K11" {
                    away_and_back(&site).await;
                }
                let reached = site.gateway.reaches(point, &site.outfit, REACHED_WITHIN);
                if reached.await {
                    done.note(point);
                } else {
                    done.missed.push(point);
                }
            }
            Kill::After(life) => {
                tokio::time::sleep(life).await;
                done.note("random");
            }
        }
    }
    site.gateway.kill();
    site.gateway.start(&site.outfit, "");
    site.gateway.wait_ready(&site.outfit, &site.client).await;

    let mut outcome = Outcome::of(site.evidence(load).await);
    outcome.fact(format!("killed at {}", done.words()));
    let ready = spell(Some(slowest));
    outcome.check(
        format!("ready again after {ready} at most (3 s)"),
        slowest <= READY_MAX,
    );
    let missed = done.missed.join(" ");
    outcome.check(
        format!("every point was reached {missed}"),
        missed.is_empty(),
    );
    if !has_spool {
        outcome.lacks("K11, since the edge has no spool");
    }
    outcome
}

/// Fills the spool, so that there is something to be replayed.
async fn away_and_back(site: &Site) {
    site.postgres.switch(Way::Refuse);
    tokio::time::sleep(AWAY).await;
    site.postgres.switch(Way::Pass);
}
