//! F35: ten thousand long tasks run or wait to run, and one more message was in the hands of a worker that hangs. It is rescued.

use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;
use futures::{FutureExt, StreamExt};
use serde_json::json;

use crate::load::{Base, Told};
use crate::outfit::{OWN_SERVER, tick};
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;
use crate::updates;

pub(crate) const ROW: Row = Row {
    id: "F35",
    fault: "10,000 long tasks, and a worker that hangs with messages in hand",
    allowed: "lost 0; duplicates only with their record; what the hanging worker had is answered in 60 s",
    duplicates: Duplicates::Ambiguous,
    run,
};

const TASKS: i64 = 10_000;
const SHORT_TASKS: i64 = 1_500;
/// How long the model takes for each.
const TASK_MS: u64 = 100_000;
const RESCUED_WITHIN: Duration = Duration::from_secs(60);
const FIRST_CHAT: i64 = 2_000_000;
const AT_ONCE: usize = 32;
/// Updates in a second: of these the hanging worker has some in hand.
const RATE: u32 = 20;

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    starve(stage).boxed_local()
}

async fn starve(stage: &mut Stage) -> Outcome {
    let mut site = stage.build_with(&OWN_SERVER).await;
    let model = format!("http://127.0.0.1:{}/v1", site.outfit.doors.playground);
    for (name, value) in [
        ("OPENAI_BASE_URL", model.as_str()),
        ("OPENAI_API_KEY", "faults"),
    ] {
        site.outfit
            .variables
            .push((name.to_owned(), value.to_owned()));
    }
    stage.start(&mut site, "").await;
    let slow = json!({"target": "openai", "method": "chat/completions", "latency_ms": TASK_MS});
    site.control("faults", &slow).await;
    let tasks = if stage.is_short { SHORT_TASKS } else { TASKS };
    ask(&site, tasks).await;
    let began = Instant::now();
    while site.number(TASKS_WAITING).await < tasks && began.elapsed() < Duration::from_secs(60) {
        tick().await;
    }
    let running = site.number(TASKS_WAITING).await;

    let load = site.load(Base {
        rate: stage.base.rate.min(RATE),
        ..stage.base
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    site.workers[0].signal("STOP");
    let stopped = load.now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let rescued = site.recovers(&load, RESCUED_WITHIN * 2).await;
    let end = load.now();
    let still = site.number(TASKS_WAITING).await;
    site.workers[0].kill();

    let told = load.finish(Duration::from_secs(30)).await;
    forget_tasks(&site, &told).await;
    let mut outcome = Outcome::of(site.evidence_of(told).await);
    outcome.fact(format!(
        "{running} tasks waited or ran at first, {still} when the rescue was over"
    ));
    let waited = outcome
        .evidence()
        .and_then(|evidence| evidence.longest_wait(0, end));
    let late = outcome
        .evidence()
        .and_then(|evidence| evidence.longest_wait(stopped.saturating_sub(1_000_000), stopped));
    outcome.fact(format!(
        "all of what was accepted by then answered {} later",
        spell(rescued)
    ));
    outcome.check(
        format!(
            "accepted around the stop: answered after {} at most; of all: {} (60 s)",
            spell(late),
            spell(waited)
        ),
        waited.is_some_and(|waited| waited <= RESCUED_WITHIN) && rescued.is_some(),
    );
    outcome
}

/// Waits until what was accepted is answered, and takes the tasks away: nothing is said about them, they are in the way, and that is all.
async fn forget_tasks(site: &Site, told: &Told) {
    let accepted: Vec<u64> = told
        .asked
        .iter()
        .filter(|asked| asked.accepted.is_some())
        .map(|asked| asked.number)
        .collect();
    let began = Instant::now();
    while began.elapsed() < RESCUED_WITHIN && !site.unseen(&accepted).is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    site.mend().await;
    site.auditor.stop();
    site.database()
        .await
        .batch_execute("delete from queue where kind like 'task%'")
        .await
        .unwrap();
}

const TASKS_WAITING: &str = "select count(*) from queue where kind like 'task%'";

/// So many people ask the model something.
async fn ask(site: &Site, tasks: i64) {
    let posts = (0..tasks).map(|number| async move {
        let chat = FIRST_CHAT + number;
        let status = site
            .post(&updates::text(chat, chat, "why is the sky blue"))
            .await;
        assert_eq!(status, Some(200), "question {number}");
    });
    futures::stream::iter(posts)
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<()>>()
        .await;
}
