//! F9: the power fails under Postgres and under the edge's spool, with and without messages in the spool. What was answered with a 2xx was flushed.
//!
//! Every order of flushes and losses is tried one by one on a disk in memory (`queue/src/spool/tests/power.rs` and the simulation); this row shows that a
//! real file system agrees.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rand::Rng;

use crate::cluster::Cluster;
use crate::kill_plan::goes_on;
use crate::power_disk::PowerDisk;
use crate::proxy::Way;
use crate::row::{Duplicates, LEASE_SETTING, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F9",
    fault: "power cut under Postgres and the spool: what was not flushed is lost",
    allowed: "lost 0 of what was acknowledged; duplicates only with their record; ready 60 s after the power is back; the spool drains",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// How often at full length.
const ROUNDS: usize = 20;
const READY_MAX: Duration = Duration::from_secs(60);
const DRAINED_WITHIN: Duration = Duration::from_secs(30);

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    pull_the_plug(stage).boxed_local()
}

async fn pull_the_plug(stage: &mut Stage) -> Outcome {
    let disk = match PowerDisk::mount() {
        Ok(disk) => disk,
        Err(reason) => {
            let reason = format!("a disk of its own cannot be mounted (it takes root): {reason}");
            return Outcome::not_available(&reason);
        }
    };
    let mut cluster = Cluster::start_in(disk.path().join("postgres")).await;
    let spool = disk.path().join("spool");
    let settings = [
        LEASE_SETTING,
        ("SALLYPORT_SPOOL_DIR", &spool.to_string_lossy()),
    ];
    let mut site = stage.build_on(&cluster, &settings).await;
    stage.start(&mut site, "").await;
    let load = site.load(stage.base);
    let (began, mut rounds) = (Instant::now(), 0);
    let (mut slowest, mut undrained, mut spooled) = (Duration::ZERO, 0, 0.0);
    while rounds < ROUNDS && (rounds < 2 || goes_on(stage, began)) {
        let is_spooling = rounds % 2 == 1;
        if is_spooling {
            site.postgres.switch(Way::Refuse);
        }
        let waits = stage.rng.random_range(500..2_500);
        tokio::time::sleep(Duration::from_millis(waits)).await;
        if is_spooling {
            spooled += site.spooled().await.unwrap_or(0.0);
        }
        stop_all(&site, &cluster);
        disk.cut();
        kill_all(&mut site, &mut cluster);
        disk.restart().await;
        let ready = power_up(&mut site, &mut cluster).await;
        slowest = slowest.max(ready);
        undrained += usize::from(site.drains(DRAINED_WITHIN).await.is_none());
        rounds += 1;
    }

    let mut outcome = Outcome::of(site.evidence(load).await);
    outcome.fact(format!(
        "{rounds} power cuts, every second with messages in the spool ({spooled} in all)"
    ));
    outcome.check(
        format!(
            "ready {} after the power at most (60 s)",
            spell(Some(slowest))
        ),
        slowest <= READY_MAX,
    );
    outcome.check(
        format!("spools that were not replayed in 30 s: {undrained}"),
        undrained == 0,
    );
    outcome
}

/// Nobody says anything any more: a flush that was under way when the disk went must not be answered for.
fn stop_all(site: &Site, cluster: &Cluster) {
    site.gateway.signal("STOP");
    for worker in &site.workers {
        worker.signal("STOP");
    }
    cluster.signal_all("STOP");
}

/// The machine is off.
fn kill_all(site: &mut Site, cluster: &mut Cluster) {
    site.gateway.kill();
    for worker in &mut site.workers {
        worker.kill();
    }
    cluster.signal_all("KILL");
    cluster.kill();
}

/// The machine starts, and everything on it; how long until all of it is ready.
async fn power_up(site: &mut Site, cluster: &mut Cluster) -> Duration {
    let began = Instant::now();
    site.postgres.switch(Way::Pass);
    cluster.bring_up().await;
    site.start().await;
    began.elapsed()
}
