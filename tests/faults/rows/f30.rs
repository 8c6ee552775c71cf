//! F30: edge and workers are replaced again and again under their supervisors, and a worker below a shell is told to stop, while clients
//! keep their connections. Nobody notices.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::kept;
use crate::program::{Above, Program};
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F30",
    fault: "edge and worker replaced ×20 (SIGHUP to the supervisor); SIGTERM through a shell; 500 requests/s, h1 and h2 keep-alive",
    allowed: "0 failed requests, lost 0, no duplicate; a stop takes 30 s at most; what was unfinished goes on at once",
    duplicates: Duplicates::Never,
    run,
};

const ROUNDS: usize = 20;
const SHORT_ROUNDS: usize = 2;
/// The supervisors tell in their logs who left.
const SETTINGS: [(&str, &str); 1] = [("SALLYPORT_LOG", "info")];
/// The next one must be ready and the old one gone in this time.
const REPLACED_WITHIN: Duration = Duration::from_secs(40);
const STOPPED_WITHIN: Duration = Duration::from_secs(30);
/// Leases last 10 s here; whoever waits half as long did not wait for one to run out.
const AT_ONCE: Duration = Duration::from_secs(5);

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    replace(stage).boxed_local()
}

async fn replace(stage: &mut Stage) -> Outcome {
    let mut site = stage.build_with(&SETTINGS).await;
    site.gateway.above = Above::Supervisor;
    site.workers[0].above = Above::Supervisor;
    site.workers[1].above = Above::Shell;
    // The edge forwards to one address, at which one pool of the two can be.
    let api = format!("127.0.0.1:{}", site.outfit.doors.api);
    site.workers[0].environment = vec![("SALLYPORT_API_LISTEN".to_owned(), api)];
    stage.start(&mut site, "").await;
    let load = kept::clients(&site);
    let rounds = if stage.is_short { SHORT_ROUNDS } else { ROUNDS };
    let (mut late, mut slowest, mut disorderly) = (0, Duration::ZERO, 0);
    for round in 1..=rounds {
        for program in [&site.gateway, &site.workers[0]] {
            program.signal("HUP");
            late += usize::from(!left(&site, program, round).await);
        }
        match site.workers[1].stop(STOPPED_WITHIN).await {
            Some((took, in_order)) => {
                slowest = slowest.max(took);
                disorderly += usize::from(!in_order);
            }
            None => late += 1,
        }
        site.start_worker(1, "");
        site.wait_for_worker(1).await;
    }
    let all = load.stop().await;
    let failures: Vec<String> = all
        .iter()
        .filter_map(|asked| asked.came_to.clone().err())
        .collect();
    let (requests, told) = (all.len(), kept::told(&site, &all));

    let mut outcome = Outcome::of(site.evidence_of(told).await);
    outcome.fact(format!(
        "{rounds} × edge and worker replaced, worker stopped through a shell; {requests} requests"
    ));
    let first = failures.first().map(String::as_str).unwrap_or_default();
    outcome.check(
        format!("failed requests {} {first}", failures.len()),
        failures.is_empty(),
    );
    outcome.check(
        format!("processes that did not leave in time: {late}"),
        late == 0,
    );
    outcome.check(
        format!(
            "a stop through a shell took {} at most (30 s); {disorderly} not in order",
            spell(Some(slowest))
        ),
        slowest < STOPPED_WITHIN && disorderly == 0,
    );
    // Killed with its shell, it would be left behind.
    site.workers[1].stop(STOPPED_WITHIN).await;
    check_waits(&mut outcome);
    outcome
}

fn check_waits(outcome: &mut Outcome) {
    let waited = outcome
        .evidence()
        .and_then(|evidence| evidence.longest_wait(0, u64::MAX));
    outcome.check(
        format!(
            "no message waited longer than {} (5 s, half a lease)",
            spell(waited)
        ),
        waited.is_some_and(|waited| waited < AT_ONCE),
    );
}

/// Whether the supervisor has told so often that an old process is gone.
async fn left(site: &Site, program: &Program, times: usize) -> bool {
    let began = Instant::now();
    while began.elapsed() < REPLACED_WITHIN {
        if program.log(&site.outfit).matches("supervisor.left").count() >= times {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    false
}
