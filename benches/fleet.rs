//! How the house would behave as a fleet: many edges and workers on one Postgres, and where that one ends. A simulation; nothing is started.
//!
//! It exists for `docs/growth.md`. Shares and moves of partitions come from the real `ownership::assign`, keys go to partitions by the
//! real hash; what a message costs is measured by the other benches and given here as numbers. Time is simulated: messages arrive at
//! random, each key's one after the other (law L7), each worker with so many slots.
#![expect(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sallyport_queue::Key;
use sallyport_queue::ownership::{WorkerId, assign};

const PARTITIONS: u16 = 256;
const FLEETS: [usize; 5] = [2, 4, 12, 24, 48];

/// Processor time of Postgres per message that is accepted, claimed, settled, and answered by one send that is claimed and settled too, in
/// seconds (benches `accepts` and `queue`): 21 + 16 + 3 rows of the reply's insert as for an accept without the unique pair + 16 µs.
const POSTGRES_PER_MESSAGE: f64 = 70e-6;
/// The part of a core's time that a database may spend before waiting times grow: queueing theory's usual 60 %.
const POSTGRES_LOAD_MAX: f64 = 0.6;
/// Connections: per edge 2 to accept and 4 for the rest; per worker 4 to settle, 8 for handlers, 4 to read, and 4 of its own (heartbeat, listener,
/// ledger, janitor).
const CONNECTIONS_PER_EDGE: usize = 6;
const CONNECTIONS_PER_WORKER: usize = 20;

fn main() {
    println!("shares of {PARTITIONS} partitions");
    println!(
        "workers   least   most   moved by a join   moved by a leave   busiest worker, Zipf keys"
    );
    for workers in FLEETS {
        shares(workers);
    }
    println!();
    println!(
        "waiting behind busy slots: 32 slots a worker, handlers of 50 ms, at 70 % of the fleet's slots"
    );
    println!("workers   messages/s   p50 ms   p99 ms   p99 ms, Zipf keys");
    for workers in FLEETS {
        waiting(workers);
    }
    println!();
    println!(
        "one Postgres, at {:.0} % of its cores",
        POSTGRES_LOAD_MAX * 100.0
    );
    println!("cores   messages/s (accepted, handled, answered)");
    for cores in [2, 4, 8, 16, 32] {
        let rate = f64::from(cores) * POSTGRES_LOAD_MAX / POSTGRES_PER_MESSAGE;
        println!("{cores:>5}   {rate:>10.0}");
    }
    println!();
    println!("connections of a fleet");
    for (edges, workers) in [(2, 4), (6, 12), (12, 24), (24, 48)] {
        let connections = edges * CONNECTIONS_PER_EDGE + workers * CONNECTIONS_PER_WORKER;
        println!("{edges:>3} edges, {workers:>3} workers: {connections:>5}");
    }
}

fn fleet(size: usize) -> BTreeSet<WorkerId> {
    (0..size)
        .map(|number| WorkerId::new(&format!("host-{number}-1-{number:08x}")))
        .collect()
}

fn moved(before: &BTreeMap<u16, WorkerId>, after: &BTreeMap<u16, WorkerId>) -> usize {
    before
        .iter()
        .filter(|(partition, owner)| after.get(partition) != Some(owner))
        .count()
}

fn shares(size: usize) {
    let workers = fleet(size);
    let owners = assign(&workers, PARTITIONS);
    let mut counts: BTreeMap<&WorkerId, usize> = BTreeMap::new();
    for owner in owners.values() {
        *counts.entry(owner).or_default() += 1;
    }
    let joined = assign(&fleet(size + 1), PARTITIONS);
    let mut fewer = workers.clone();
    fewer.pop_first();
    let left = assign(&fewer, PARTITIONS);
    let mut load: BTreeMap<&WorkerId, f64> = BTreeMap::new();
    for (key, weight) in zipf_keys(rate_of(size)) {
        if let Some(owner) = owners.get(&u16::from(key.partition().index())) {
            *load.entry(owner).or_default() += weight;
        }
    }
    let busiest =
        load.values().copied().fold(0.0, f64::max) * size as f64 / load.values().sum::<f64>();
    println!(
        "{size:>7}   {:>5}   {:>4}   {:>15}   {:>16}   {busiest:>8.2} x the mean",
        counts.values().min().copied().unwrap_or_default(),
        counts.values().max().copied().unwrap_or_default(),
        moved(&owners, &joined),
        moved(&owners, &left),
    );
}

/// Chats of which few say much and most say little (Zipf), in a fleet that handles `rate` messages a second; none says more than
/// [`LOUDEST`] a second, because one at a time is the law. Their shares of all messages.
fn zipf_keys(rate: f64) -> Vec<(Key, f64)> {
    let sum: f64 = (1..=CHATS).map(|rank| 1.0 / rank as f64).sum();
    (1..=CHATS)
        .map(|rank| {
            let share = (1.0 / rank as f64 / sum).min(LOUDEST / rate);
            (Key::from(format!("in:telegram:ops:{rank}")), share)
        })
        .collect()
}

const CHATS: usize = 200_000;
const LOUDEST: f64 = 5.0;
const SLOTS: usize = 32;
const HANDLER_SECONDS: f64 = 0.05;
const LOAD: f64 = 0.7;
const MESSAGES: usize = 300_000;

/// Messages a second at which a fleet has its load.
fn rate_of(size: usize) -> f64 {
    size as f64 * SLOTS as f64 / HANDLER_SECONDS * LOAD
}

fn waiting(size: usize) {
    let rate = rate_of(size);
    let even: Vec<(Key, f64)> = (0..CHATS)
        .map(|chat| (Key::from(format!("in:telegram:ops:{chat}")), 1.0))
        .collect();
    let mut calm = simulate(size, rate, &even);
    let mut loud = simulate(size, rate, &zipf_keys(rate));
    println!(
        "{size:>7}   {rate:>10.0}   {:>6.1}   {:>6.1}   {:>6.1}",
        percentile(&mut calm, 0.5) * 1e3,
        percentile(&mut calm, 0.99) * 1e3,
        percentile(&mut loud, 0.99) * 1e3,
    );
}

fn percentile(sorted: &mut [f64], part: f64) -> f64 {
    sorted.sort_unstable_by(f64::total_cmp);
    let place = (sorted.len() as f64 * part) as usize;
    sorted.get(place).copied().unwrap_or_default()
}

/// How long each message waits from its arrival to its start, in seconds.
fn simulate(size: usize, rate: f64, keys: &[(Key, f64)]) -> Vec<f64> {
    let owners = assign(&fleet(size), PARTITIONS);
    let number: BTreeMap<&WorkerId, usize> = owners
        .values()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .zip(0..)
        .collect();
    let owner_of: Vec<usize> = keys
        .iter()
        .filter_map(|(key, _)| {
            number
                .get(owners.get(&u16::from(key.partition().index()))?)
                .copied()
        })
        .collect();
    let mut upto = 0.0;
    let bounds: Vec<f64> = keys
        .iter()
        .map(|(_, weight)| {
            upto += weight;
            upto
        })
        .collect();
    // For each worker when each of its slots is free, for each key when its last message is settled.
    let mut slots: Vec<BinaryHeap<Reverse<u64>>> =
        vec![(0..SLOTS).map(|_| Reverse(0)).collect(); size];
    let mut key_free = vec![0_u64; keys.len()];
    let mut random = StdRng::seed_from_u64(7);
    let mut now = 0.0;
    let mut waits = Vec::with_capacity(MESSAGES);
    for _ in 0..MESSAGES {
        now += -(1.0 - random.random::<f64>()).ln() / rate;
        let drawn = random.random::<f64>() * upto;
        let key = bounds
            .partition_point(|bound| *bound < drawn)
            .min(keys.len() - 1);
        let Some(slots) = owner_of.get(key).and_then(|owner| slots.get_mut(*owner)) else {
            continue;
        };
        let arrived = nanos(now);
        let Some(Reverse(free)) = slots.pop() else {
            continue;
        };
        let begun = arrived.max(free).max(key_free[key]);
        let length = HANDLER_SECONDS * (0.5 + random.random::<f64>());
        let ended = begun + nanos(length);
        // A message that waits for its key does not hold the slot meanwhile.
        slots.push(Reverse(
            ended.min(arrived.max(free) + nanos(length)).max(free),
        ));
        key_free[key] = ended;
        waits.push((begun - arrived) as f64 / 1e9);
    }
    waits
}

fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
