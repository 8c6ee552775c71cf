//! Who should own which partitions: a pure function of the workers that are alive (law L14).
//!
//! It exists so that every worker comes to the same answer alone, without a leader to elect or to lose. The shares
//! differ by one partition at most, and a worker that comes or goes moves little more than its own share. Moving the
//! leases towards the answer is `membership`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The name of one running worker process. Names are never used twice: a restarted worker is a new one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// Takes a name as it stands.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// A name that tells a person where the worker runs, and that nobody had before.
    #[must_use]
    pub fn unique(host: &str, process: u32) -> Self {
        Self(Arc::from(format!(
            "{host}-{process}-{:08x}",
            rand::random::<u32>()
        )))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Shares `0..partitions` among `workers`. Every partition has an owner, unless there is no worker at all.
///
/// Each pair of partition and worker has a fixed score; the pairs are granted from the highest score downwards while
/// the worker's share is not full. So whoever is not concerned by a change mostly keeps what it has.
#[must_use]
pub fn assign(workers: &BTreeSet<WorkerId>, partitions: u16) -> BTreeMap<u16, WorkerId> {
    let mut owners = BTreeMap::new();
    let Some(shares) = Shares::of(partitions, workers.len()) else {
        return owners;
    };
    let mut room = Room::new(shares, workers.len());
    for (_, partition, position, worker) in ranked_pairs(workers, partitions) {
        if !owners.contains_key(&partition) && room.take(position) {
            owners.insert(partition, worker.clone());
        }
    }
    owners
}

type Pair<'w> = (u64, u16, usize, &'w WorkerId);

/// All pairs, highest score first; ties are broken by partition and name so that every worker sorts alike.
fn ranked_pairs(workers: &BTreeSet<WorkerId>, partitions: u16) -> Vec<Pair<'_>> {
    let mut pairs: Vec<Pair<'_>> = workers
        .iter()
        .enumerate()
        .flat_map(|(position, worker)| {
            (0..partitions).map(move |partition| {
                let score = xxh3_64_with_seed(worker.0.as_bytes(), u64::from(partition));
                (score, partition, position, worker)
            })
        })
        .collect();
    pairs.sort_unstable_by(|left, right| right.cmp(left));
    pairs
}

/// How many partitions a worker gets: everybody `base`, and `extra` of them one more.
#[derive(Clone, Copy)]
struct Shares {
    base: usize,
    extra: usize,
}

impl Shares {
    fn of(partitions: u16, workers: usize) -> Option<Self> {
        let partitions = usize::from(partitions);
        Some(Self {
            base: partitions.checked_div(workers)?,
            extra: partitions.checked_rem(workers)?,
        })
    }
}

/// What is left to grant.
struct Room {
    base: usize,
    extra: usize,
    taken: Vec<usize>,
}

impl Room {
    fn new(shares: Shares, workers: usize) -> Self {
        Self {
            base: shares.base,
            extra: shares.extra,
            taken: vec![0; workers],
        }
    }

    /// Grants one more partition to the worker at `position`, if its share allows.
    fn take(&mut self, position: usize) -> bool {
        let Some(taken) = self.taken.get_mut(position) else {
            return false;
        };
        if *taken > self.base || (*taken == self.base && self.extra == 0) {
            return false;
        }
        if *taken == self.base {
            self.extra -= 1;
        }
        *taken += 1;
        true
    }
}

#[cfg(test)]
mod tests;
