//! F23: ten thousand clients over TLS that keep their connections and say nothing, and more of them all the time.

use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::io::AsyncReadExt;

use crate::crowd::{self, Tls};
use crate::frames;
use crate::front::{self, Clients, P99_MAX};
use crate::idlers::{self, Idler, Protocol};
use crate::latency::Times;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;
use crate::vitals;

pub(crate) const ROW: Row = Row {
    id: "F23",
    fault: "10,000 idle clients over TLS, half HTTP/1.1 and half HTTP/2, and 200 new ones a second; 600 connections of one address",
    allowed: "25 KiB for an idle connection (HTTP/2: and 28 KiB that its library keeps), 512 MB in all; p99 < 200 ms, for new ones too; the cap per address answers before a byte is read",
    duplicates: Duplicates::Never,
    run,
};

const IDLERS: usize = 10_000;
const SHORT_IDLERS: usize = 400;
/// Idle ones come at this pace, and new ones on top of them at the other.
const IDLERS_PER_SECOND: u32 = 250;
const NEW_PER_SECOND: u32 = 200;
/// What one may cost, and all. Of HTTP/2 28 KiB are buffers of the h2 library (16 to write, 8 to read, 4 to unpack header blocks), which
/// it makes for every connection and keeps, and which cannot be set.
const BYTES_EACH_MAX: u64 = 25 << 10;
const BYTES_OF_H2: u64 = 28 << 10;
const BYTES_MAX: u64 = 512 << 20;
/// Few connections show nothing: what one costs drowns in what anything else costs.
const COUNTED_FROM: usize = 4_000;
/// Room for all, and an idle time beyond the row's end.
const CONNECTIONS: &str = "total_max: 16384, idle_ms: 900000";
/// The edge's cap per address, and how many try.
const CAP: usize = 512;
const OF_ONE_ADDRESS: usize = 600;
const ONE_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 9, 9, 9);
/// A connection that was not closed by then is open.
const CLOSED_WITHIN: Duration = Duration::from_secs(2);

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    idle(stage).boxed_local()
}

async fn idle(stage: &mut Stage) -> Outcome {
    let (site, _folder) = front::open(stage, CONNECTIONS, None).await;
    let clients = Clients::of(stage, IDLERS, SHORT_IDLERS, 1);
    let count = clients.count;
    let load = site.load(stage.base);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (closed, slowest) = crowd_of_one_address(&site).await;

    let data = site.outfit.home.path();
    let one = Protocol::One(Tls::trusting(data, b"http/1.1"));
    let two = Protocol::Two(Tls::trusting(data, frames::PROTOCOL));
    let (edge, from) = (site.gateway.process(), load.now());
    let mut costs = Vec::new();
    let mut kept = Vec::new();
    let port = site.outfit.doors.tls;
    for (name, protocol, more) in [("HTTP/1.1", &one, 0), ("HTTP/2", &two, BYTES_OF_H2)] {
        let before = vitals::resident_bytes(edge);
        let first = kept.len();
        kept.extend(idlers::gather(port, protocol, first, count / 2, IDLERS_PER_SECOND).await);
        // What handshakes alone need is given back soon.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let grown = vitals::resident_bytes(edge).saturating_sub(before);
        costs.push((name, BYTES_EACH_MAX + more, grown, kept.len() - first));
    }
    let held = load.now();
    let coming = u32::try_from(stage.lasting.as_secs() / 3).unwrap() * NEW_PER_SECOND;
    let new = newcomers(port, &one, count, coming as usize).await;
    let to = load.now();
    let all = vitals::resident_bytes(edge);
    let alive = still_there(&mut kept).await;
    drop(kept);

    let mut outcome = Outcome::of(site.evidence(load).await);
    clients.check(&mut outcome);
    outcome.check(
        format!(
            "{OF_ONE_ADDRESS} connections of one address: {closed} closed unread ({}), the last after {}",
            OF_ONE_ADDRESS - CAP,
            spell(slowest)
        ),
        closed == OF_ONE_ADDRESS - CAP,
    );
    for (name, most, grown, kept) in costs {
        check_cost(&mut outcome, name, most, grown / (kept as u64).max(1), kept);
    }
    let words = format!("{} MB with all of them (512 MB)", all >> 20);
    outcome.check(words, all < BYTES_MAX);
    let words = format!("{alive} of {count} are answered on their old connection");
    outcome.check(words, alive == count);
    check_new(&mut outcome, &new);
    front::check_neighbours(&mut outcome, "while they come", from, held);
    front::check_neighbours(&mut outcome, "with new ones", held, to);
    outcome
}

fn check_cost(outcome: &mut Outcome, name: &str, most: u64, each: u64, count: usize) {
    let words = format!(
        "an idle connection of {name} costs {:.1} KiB ({} KiB; {count} of them)",
        each as f64 / 1_024.0,
        most >> 10
    );
    if count < COUNTED_FROM {
        outcome.fact(words);
    } else {
        outcome.check(words, each <= most);
    }
}

fn check_new(outcome: &mut Outcome, new: &[io::Result<Duration>]) {
    let times: Times = new
        .iter()
        .filter_map(|took| took.as_ref().ok().copied())
        .collect();
    let failed = new.iter().filter(|took| took.is_err()).count();
    let p99 = times.quantile(0.99);
    let words = format!(
        "{} new ones: from connecting to the answer p99 {} (200 ms), failed {failed}",
        new.len(),
        spell(p99)
    );
    outcome.check(words, failed == 0 && p99.is_some_and(|p99| p99 < P99_MAX));
}

/// How many of those that one address opened were closed before anything was said, and when the last of them was.
async fn crowd_of_one_address(site: &Site) -> (usize, Option<Duration>) {
    let port = site.outfit.doors.http;
    let lives = crowd::assemble(OF_ONE_ADDRESS, 2_000, |_| async move {
        let mut socket = crowd::dial_from(ONE_ADDRESS, port, false).await.unwrap();
        let began = Instant::now();
        let closed = tokio::time::timeout(CLOSED_WITHIN, socket.read(&mut [0])).await;
        // A read without an end: the connection is open, and goes on being one of the many until all have been looked at.
        closed.is_ok().then(|| began.elapsed())
    });
    let closed: Vec<Duration> = lives.await.into_iter().flatten().collect();
    (closed.len(), closed.into_iter().max())
}

/// Clients that come, ask once and leave: how long each took from its connection to its answer.
async fn newcomers(
    port: u16,
    protocol: &Protocol,
    behind: usize,
    count: usize,
) -> Vec<io::Result<Duration>> {
    // Addresses may come again: whoever had them before has left.
    const ADDRESSES_AFTER: usize = 4_000;
    let lives = crowd::assemble(count, NEW_PER_SECOND, |member| {
        let protocol = protocol.clone();
        async move {
            let began = Instant::now();
            Idler::arrive(behind + member % ADDRESSES_AFTER, port, protocol).await?;
            io::Result::Ok(began.elapsed())
        }
    });
    lives.await
}

/// How many are answered on the connection that they kept.
async fn still_there(kept: &mut [Idler]) -> usize {
    let mut alive = 0;
    for idler in kept {
        alive += usize::from(idler.ask(2).await.is_ok());
    }
    alive
}
