//! F13: the edge in a memory limit, with ten thousand idle clients, the base load, and a provider that says nothing for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use parking_lot::Mutex;

use crate::background::Background;
use crate::crowd::Tls;
use crate::front::{self, Clients};
use crate::idlers::{self, Protocol};
use crate::memory_group::MemoryGroup;
use crate::proxy::Way;
use crate::row::{Duplicates, LEASE_SETTING, Outcome, Row, Stage};
use crate::vitals;

pub(crate) const ROW: Row = Row {
    id: "F13",
    fault: "512 MB for the edge, 10,000 idle TLS clients, 300 messages/s for half an hour, the provider silent for a quarter of it",
    allowed: "no kill for want of memory; 480 MB at most; less than 1 MB a minute more after ten minutes; lost 0; duplicates only with their record",
    // What was being sent when the provider fell silent.
    duplicates: Duplicates::Ambiguous,
    run,
};

const LIMIT: u64 = 512 << 20;
const BYTES_MAX: u64 = 480 << 20;
/// In a minute, once everything has been allocated that is.
const SLOPE_MAX: f64 = 1_048_576.0;
const SETTLED_AFTER: Duration = Duration::from_secs(600);
const IDLERS: usize = 10_000;
const SHORT_IDLERS: usize = 300;
const PER_SECOND: u32 = 250;
/// How many times the usual length of a row this one takes.
const TIMES: u32 = 10;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Nobody is sent away for being idle.
const CONNECTIONS: &str = "total_max: 16384, idle_ms: 3600000";

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    squeeze(stage).boxed_local()
}

/// A look: when, in seconds since the first, and how many bytes.
type Look = (f64, f64);
type Looks = Arc<Mutex<Vec<Look>>>;

async fn squeeze(stage: &mut Stage) -> Outcome {
    let group = MemoryGroup::of(LIMIT);
    let folder = front::settings(CONNECTIONS, None);
    let path = folder.path().to_str().unwrap().to_owned();
    let settings = [LEASE_SETTING, ("SALLYPORT_CONFIG", &path)];
    let mut site = stage.build_with(&settings).await;
    site.gateway.within = group.around();
    stage.start(&mut site, "").await;
    let clients = Clients::of(stage, IDLERS, SHORT_IDLERS, 1);
    let count = clients.count;
    let lasting = stage.either(stage.lasting * TIMES, stage.lasting);
    let load = site.load(stage.base);
    let tls = Protocol::One(Tls::trusting(site.outfit.home.path(), b"http/1.1"));
    let idlers = idlers::gather(site.outfit.doors.tls, &tls, 0, count, PER_SECOND).await;
    let (looks, looking) = look_on(site.gateway.process());
    let from = load.now();
    tokio::time::sleep(lasting / 4).await;
    site.provider.switch(Way::BlackHole);
    tokio::time::sleep(lasting / 4).await;
    site.provider.switch(Way::Pass);
    tokio::time::sleep(lasting / 2).await;
    looking.stop();
    let to = load.now();
    let (held, has_ended) = (idlers.len(), site.gateway.has_ended());
    drop(idlers);
    let kills = group.kills();

    let mut outcome = Outcome::of(site.evidence(load).await);
    clients.check(&mut outcome);
    let words = format!("{held} of {count} idle clients, in {}", group.name());
    outcome.check(words, held == count);
    let words = format!("alive; killed for want of memory: {kills:?}");
    outcome.check(words, !has_ended && kills.is_none_or(|kills| kills == 0));
    check_looks(&mut outcome, &looks.lock());
    front::check_neighbours(&mut outcome, "all the time", from, to);
    outcome
}

/// Looks at a process's memory until the second of these is dropped.
fn look_on(process: u32) -> (Looks, Background) {
    let looks = Looks::default();
    let noting = Arc::clone(&looks);
    let began = Instant::now();
    let looking = Background::start(async move {
        loop {
            let bytes = vitals::resident_bytes(process) as f64;
            noting.lock().push((began.elapsed().as_secs_f64(), bytes));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    (looks, looking)
}

fn check_looks(outcome: &mut Outcome, looks: &[Look]) {
    let most = looks.iter().map(|look| look.1).fold(0.0, f64::max) as u64;
    let words = format!("{} MB at most (480 MB)", most >> 20);
    outcome.check(words, most > 0 && most <= BYTES_MAX);
    let settled: Vec<Look> = looks
        .iter()
        .filter(|look| look.0 >= SETTLED_AFTER.as_secs_f64())
        .copied()
        .collect();
    if settled.is_empty() {
        let slope = slope_per_minute(looks) / 1_024.0;
        outcome.fact(format!(
            "{slope:.0} KB a minute more, in a time too short to say"
        ));
        return;
    }
    let slope = slope_per_minute(&settled);
    let words = format!(
        "{:.0} KB a minute more after ten minutes (1 MB)",
        slope / 1_024.0
    );
    outcome.check(words, slope < SLOPE_MAX);
}

/// The slope of the line that lies closest to these, in bytes a minute.
fn slope_per_minute(looks: &[Look]) -> f64 {
    let count = looks.len() as f64;
    let mean = |value: fn(&Look) -> f64| looks.iter().map(value).sum::<f64>() / count;
    let (time, bytes) = (mean(|look| look.0), mean(|look| look.1));
    let shared: f64 = looks
        .iter()
        .map(|look| (look.0 - time) * (look.1 - bytes))
        .sum();
    let spread: f64 = looks.iter().map(|look| (look.0 - time).powi(2)).sum();
    if spread > 0.0 {
        60.0 * shared / spread
    } else {
        0.0
    }
}
