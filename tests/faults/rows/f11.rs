//! F11: the disk of the spool is full while Postgres is away. Nothing durable is left, and the edge says so; it recovers by itself.

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::checker::Moment;
use crate::proxy::Way;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::small_disk::SmallDisk;

pub(crate) const ROW: Row = Row {
    id: "F11",
    fault: "no space left on the spool's disk (64 MB) while Postgres is away",
    allowed: "lost 0; duplicates only with their record; 503 with Retry-After and never a 2xx when nothing durable is left; takes messages 10 s after there is space",
    // The spool fills while Postgres is away, and that is K8 for whatever was being sent.
    duplicates: Duplicates::Ambiguous,
    run,
};

const DISK_MB: u32 = 64;
/// How soon the edge must take messages again.
const RECOVERS_WITHIN: Duration = Duration::from_secs(10);
/// What of the full disk is not judged: the last page of a file may hold some more records.
const FIRST_SECOND: Moment = 1_000_000;

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    fill_the_disk(stage).boxed_local()
}

async fn fill_the_disk(stage: &mut Stage) -> Outcome {
    let disk = match SmallDisk::mount(DISK_MB) {
        Ok(disk) => disk,
        Err(reason) => {
            let reason = format!("a disk of its own cannot be mounted (it takes root): {reason}");
            return Outcome::not_available(&reason);
        }
    };
    let folder = disk.path().join("spool");
    let site = stage
        .open_with(&[("SALLYPORT_SPOOL_DIR", &folder.to_string_lossy())])
        .await;
    if !site.has_spool().await {
        return Outcome::not_available("the edge has no spool");
    }
    let part = stage.lasting / 6;
    let load = site.load(stage.base);
    tokio::time::sleep(part).await;
    site.postgres.switch(Way::Refuse);
    tokio::time::sleep(part).await;
    let spooled = site.spooled().await.unwrap_or(0.0);
    disk.fill();
    let full = load.now();
    tokio::time::sleep(part).await;
    disk.free();
    let free = load.now();
    tokio::time::sleep(part.max(RECOVERS_WITHIN / 2)).await;
    let end = load.now();
    site.postgres.switch(Way::Pass);
    tokio::time::sleep(part).await;

    let mut outcome = Outcome::of(site.evidence(load).await);
    let Some(evidence) = outcome.evidence() else {
        return outcome;
    };
    let (mut refused, mut taken, mut silent) = (0, 0, 0);
    for tried in evidence.told.due_between(full + FIRST_SECOND, free) {
        match tried.status {
            // One that was answered after there was space again says nothing about before.
            Some(200..300) if tried.due + tried.took.as_micros() as u64 > free => {}
            Some(200..300) => taken += 1,
            Some(503) if tried.says_when => refused += 1,
            _ => silent += 1,
        }
    }
    let again = evidence
        .told
        .asked
        .iter()
        .filter_map(|asked| asked.accepted.filter(|at| *at > free && *at < end))
        .min()
        .map(|at| Duration::from_micros(at - free));
    outcome.fact(format!("{spooled} messages on the disk before it was full"));
    outcome.check(
        format!("on a full disk {refused} were refused with 503 and Retry-After, {silent} otherwise, {taken} taken"),
        refused > 0 && silent == 0 && taken == 0,
    );
    let words = format!(
        "took messages {} after there was space (10 s)",
        spell(again)
    );
    outcome.check(words, again.is_some_and(|again| again <= RECOVERS_WITHIN));
    outcome
}
