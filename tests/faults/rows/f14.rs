//! F14: more connections than the edge may have files. It lives, its administrators are answered, and it serves again as soon as they leave.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::io::AsyncReadExt;

use crate::crowd;
use crate::front;
use crate::latency::Times;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F14",
    fault: "2,000 silent connections to an edge that may have 512 files (`prlimit --nofile=512`)",
    allowed: "alive; serves again 2 s after they leave; its administrators' door answers all the time, in a second at most; lost 0",
    duplicates: Duplicates::Never,
    run,
};

const FILES: u32 = 512;
const CONNECTIONS: usize = 2_000;
const PER_SECOND: u32 = 1_000;
/// How long those that were taken are silent; the edge bears it for 8 s.
const SILENT: Duration = Duration::from_secs(6);
const AGAIN_WITHIN: Duration = Duration::from_secs(2);
const ADMIN_WITHIN: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// For as long as this the edge is asked whether it serves again.
const PATIENCE: Duration = Duration::from_secs(30);

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    run_short_of_files(stage).boxed_local()
}

async fn run_short_of_files(stage: &mut Stage) -> Outcome {
    let folder = front::settings("", None);
    let path = folder.path().to_str().unwrap().to_owned();
    let settings = [crate::row::LEASE_SETTING, ("SALLYPORT_CONFIG", &path)];
    let mut site = stage.build_with(&settings).await;
    site.gateway.within = vec!["prlimit".to_owned(), format!("--nofile={FILES}:{FILES}")];
    stage.start(&mut site, "").await;
    let rounds = if stage.is_short { 1 } else { 5 };
    let load = site.load(stage.base);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (mut taken, mut admin, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let silent = silent_crowd(&site);
        let (held, mut asked) = beside(silent, &site).await;
        taken.push(held);
        admin.append(&mut asked);
        again.push(serves_again(&site).await);
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let has_ended = site.gateway.has_ended();

    let mut outcome = Outcome::of(site.evidence(load).await);
    outcome.check("the edge is alive", !has_ended);
    outcome.fact(format!(
        "of {CONNECTIONS} connections {} were taken at most, the others closed at once",
        taken.iter().max().unwrap_or(&0)
    ));
    let failed = admin.iter().filter(|took| took.is_none()).count();
    let times: Times = admin.iter().flatten().copied().collect();
    let longest = times.longest();
    outcome.check(
        format!(
            "administrators asked {} times on new connections: {} at most (1 s), failed {failed}",
            admin.len(),
            spell(longest)
        ),
        failed == 0 && longest.is_some_and(|longest| longest < ADMIN_WITHIN),
    );
    let slowest = again.iter().copied().collect::<Option<Vec<_>>>();
    let slowest = slowest.and_then(|times| times.into_iter().max());
    outcome.check(
        format!(
            "served a new client {} after they had left (2 s)",
            spell(slowest)
        ),
        slowest.is_some_and(|slowest| slowest < AGAIN_WITHIN),
    );
    outcome
}

/// Connections that say nothing, each until its time is over or it is closed. How many of them were taken.
async fn silent_crowd(site: &Site) -> usize {
    let port = site.outfit.doors.http;
    let lives = crowd::assemble(CONNECTIONS, PER_SECOND, |member| async move {
        let Ok(mut stream) = crowd::dial(member, port, false).await else {
            return false;
        };
        // A close, and an error: it was not taken, or not for long.
        tokio::time::timeout(SILENT, stream.read(&mut [0]))
            .await
            .is_err()
    });
    lives.await.into_iter().filter(|taken| *taken).count()
}

/// Asks at the administrators' door for as long as this lasts: how long each answer took, none for those that failed.
async fn beside<T>(lasting: impl Future<Output = T>, site: &Site) -> (T, Vec<Option<Duration>>) {
    let door = site.gateway.door("health/live");
    let mut asked = Vec::new();
    let asking = async {
        loop {
            let began = Instant::now();
            let answer = stranger().get(&door).send().await;
            let is_fine = answer.is_ok_and(|answer| answer.status() == 200);
            asked.push(is_fine.then(|| began.elapsed()));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        lasted = lasting => (lasted, asked),
        () = asking => unreachable!("it asks for ever"),
    }
}

/// How long it takes until somebody new is answered.
async fn serves_again(site: &Site) -> Option<Duration> {
    let door = format!("http://127.0.0.1:{}/health/live", site.outfit.doors.http);
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let answer = stranger().get(&door).send().await;
        if answer.is_ok_and(|answer| answer.status() == 200) {
            return Some(began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}

/// A client without a connection.
fn stranger() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap()
}
