//! F22: thousands of clients that say or take a byte in a second. Each is sent away in time, and nobody else notices.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::crowd;
use crate::front::{self, Behind, Clients};
use crate::latency::Times;
use crate::outfit::Doors;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::slow::{End, Slow};
use crate::vitals::Memory;

pub(crate) const ROW: Row = Row {
    id: "F22",
    fault: "5,000 clients of each kind that take a byte a second: for a TLS handshake, a head, a webhook, a body that is handed on, reading an answer of 1 MiB",
    allowed: "each closed 10 s after its first byte at the latest; good p99 < 200 ms and none failed; memory +100 MB at most, +200 MB where the head is complete",
    duplicates: Duplicates::Never,
    run,
};

const CLIENTS: usize = 5_000;
const SHORT_CLIENTS: usize = 150;
/// New ones in a second. Of readers fewer: each makes half a megabyte be written before it is noticed.
const PER_SECOND: u32 = 1_000;
const READERS_PER_SECOND: u32 = 250;
const CLOSED_WITHIN: Duration = Duration::from_secs(10);
const GROWTH_MAX: u64 = 100 << 20;
/// Whoever has sent a whole head is a request under way, which costs 29 to 35 KiB: the session that Pingora makes of it, and the boxed futures
/// of its phases and ours. A head that is not complete costs 7 KiB.
const GROWTH_OF_REQUESTS_MAX: u64 = 200 << 20;
/// Room for all of them: what is shown is that each is sent away, not that there is no room.
const CONNECTIONS: &str = "total_max: 16384";

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    dawdle(stage).boxed_local()
}

/// What became of the clients of one kind.
struct Kind {
    slow: Slow,
    ends: Vec<End>,
}

async fn dawdle(stage: &mut Stage) -> Outcome {
    let behind = Behind::start().await;
    let (site, _folder) = front::open(stage, CONNECTIONS, Some(behind.address)).await;
    // A slow reader has somebody behind the edge who writes to it: three files of ours for each, and a little.
    let clients = Clients::of(stage, CLIENTS, SHORT_CLIENTS, 3);
    let load = site.load(stage.base);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let doors = &site.outfit.doors;
    // Short of time they come all at once.
    let rounds = if stage.is_short {
        vec![Slow::ALL.to_vec()]
    } else {
        Slow::ALL.map(|slow| vec![slow]).to_vec()
    };
    let mut told = Vec::new();
    for round in rounds {
        let memory = Memory::watch(site.gateway.process());
        let (from, began) = (load.now(), Instant::now());
        let crowds = round
            .iter()
            .map(|slow| crowd_of(*slow, clients.count, doors));
        let mut kinds = futures::future::join_all(crowds).await;
        for kind in kinds.iter_mut().filter(|kind| kind.slow == Slow::Read) {
            kind.ends = seen_from_behind(&behind, clients.count).await;
        }
        told.push((kinds, from, load.now(), memory.grown(), began.elapsed()));
    }

    let mut outcome = Outcome::of(site.evidence(load).await);
    clients.check(&mut outcome);
    for (kinds, from, to, grown, took) in told {
        for kind in &kinds {
            check_ends(&mut outcome, kind);
        }
        let names: Vec<String> = kinds.iter().map(|kind| name(kind.slow)).collect();
        let names = names.join(", ");
        front::check_neighbours(&mut outcome, &names, from, to);
        let are_requests = |kind: &Kind| matches!(kind.slow, Slow::Body | Slow::Forwarded);
        let most = if kinds.iter().any(are_requests) {
            GROWTH_OF_REQUESTS_MAX
        } else {
            GROWTH_MAX
        };
        outcome.check(
            format!(
                "{names}: the edge grew by {} MB at most ({} MB) in {}",
                grown >> 20,
                most >> 20,
                spell(Some(took))
            ),
            grown < most,
        );
    }
    outcome
}

async fn crowd_of(slow: Slow, clients: usize, doors: &Doors) -> Kind {
    // Each kind has addresses of its own.
    let first = slow as usize * CLIENTS;
    let per_second = if slow == Slow::Read {
        READERS_PER_SECOND
    } else {
        PER_SECOND
    };
    let ends = crowd::assemble(clients, per_second, |member| {
        slow.live(first + member, doors.clone())
    });
    Kind {
        slow,
        ends: ends.await,
    }
}

/// What became of slow readers, as whoever wrote to them saw it.
async fn seen_from_behind(behind: &Behind, clients: usize) -> Vec<End> {
    // Those that were still being read to when they left are noted as soon as the edge has noticed.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (begun, given_up) = behind.large();
    let open = begun - given_up.len();
    let ends = given_up.into_iter().map(End::Closed);
    let ends = ends.chain(std::iter::repeat_n(End::Open, open));
    ends.chain(std::iter::repeat_n(End::Refused, clients - begun))
        .collect()
}

/// Each was taken, and sent away in time.
fn check_ends(outcome: &mut Outcome, kind: &Kind) {
    let lives = kind.ends.iter().filter_map(|end| match end {
        End::Closed(lived) => Some(*lived),
        End::Refused | End::Open => None,
    });
    let lives: Times = lives.collect();
    let count = |wanted: fn(&End) -> bool| kind.ends.iter().filter(|end| wanted(end)).count();
    let refused = count(|end| matches!(end, End::Refused));
    let open = count(|end| matches!(end, End::Open));
    let longest = lives.longest();
    outcome.check(
        format!(
            "{} × {}: closed after {} at the latest (10 s), half of them after {}; {open} still open, {refused} not taken",
            kind.ends.len(),
            name(kind.slow),
            spell(longest),
            spell(lives.quantile(0.5))
        ),
        open == 0 && refused == 0 && longest.is_some_and(|longest| longest <= CLOSED_WITHIN),
    );
}

fn name(slow: Slow) -> String {
    let name = match slow {
        Slow::Handshake => "slow handshake",
        Slow::Head => "slow head",
        Slow::Body => "slow webhook",
        Slow::Forwarded => "slow body that is handed on",
        Slow::Read => "slow reader",
    };
    name.to_owned()
}
