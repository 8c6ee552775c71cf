use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{WorkerId, assign};

const PARTITIONS: u16 = 256;

fn workers(names: &BTreeSet<u32>) -> BTreeSet<WorkerId> {
    names
        .iter()
        .map(|name| WorkerId::new(&format!("worker-{name:x}")))
        .collect()
}

fn counts(owners: &BTreeMap<u16, WorkerId>) -> BTreeMap<&WorkerId, usize> {
    owners.values().fold(BTreeMap::new(), |mut counts, owner| {
        *counts.entry(owner).or_default() += 1;
        counts
    })
}

fn moved(before: &BTreeMap<u16, WorkerId>, after: &BTreeMap<u16, WorkerId>) -> usize {
    before
        .iter()
        .filter(|(partition, owner)| after.get(partition) != Some(owner))
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_partition_has_one_owner_and_shares_differ_by_one_at_most(names in prop::collection::btree_set(any::<u32>(), 1..40)) {
        let workers = workers(&names);

        let owners = assign(&workers, PARTITIONS);

        prop_assert_eq!(owners.len(), usize::from(PARTITIONS));
        let base = usize::from(PARTITIONS) / workers.len();
        for worker in &workers {
            let share = counts(&owners).get(worker).copied().unwrap_or(0);
            prop_assert!(share == base || share == base + 1, "{} owns {}", worker, share);
        }
    }

    #[test]
    fn a_worker_that_leaves_moves_little_more_than_its_own_share(names in prop::collection::btree_set(any::<u32>(), 2..30), gone: prop::sample::Index) {
        let before = workers(&names);
        let mut after = before.clone();
        let leaver = before.iter().nth(gone.index(before.len())).cloned().unwrap();
        after.remove(&leaver);

        let moved = moved(&assign(&before, PARTITIONS), &assign(&after, PARTITIONS));

        let share = usize::from(PARTITIONS).div_ceil(after.len());
        prop_assert!(moved <= 3 * share, "{} moved, a share is {}", moved, share);
    }
}

#[test]
fn without_workers_nobody_owns_anything() {
    assert!(assign(&BTreeSet::new(), PARTITIONS).is_empty());
}

#[test]
fn a_lone_worker_owns_everything() {
    let owners = assign(&workers(&BTreeSet::from([1])), PARTITIONS);

    assert_eq!(counts(&owners).values().copied().collect::<Vec<_>>(), [256]);
}

#[test]
fn more_workers_than_partitions_leave_some_idle() {
    let owners = assign(&workers(&(0..300).collect()), PARTITIONS);

    assert_eq!(owners.len(), 256);
    assert!(counts(&owners).values().all(|&count| count == 1));
}

#[test]
fn unique_names_tell_the_host_and_are_never_the_same() {
    let (one, other) = (WorkerId::unique("pine", 7), WorkerId::unique("pine", 7));

    assert!(one.as_str().starts_with("pine-7-"));
    assert_ne!(one, other);
}
