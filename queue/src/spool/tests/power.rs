//! Power cuts: after every single operation, and at random between random operations.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::spool::{Operation, Trouble};

/// Some appends with a replay in between; returns what was acknowledged and what was replayed for good.
fn life(disk: &MemoryDisk) -> (Vec<u32>, BTreeSet<u32>) {
    let (mut acknowledged, mut replayed) = (Vec::new(), BTreeSet::new());
    let writer = Writer {
        run: 9,
        salts: Box::new(|| 99),
    };
    let Ok(mut spool) = Spool::open(disk.clone(), SMALL, writer) else {
        return (acknowledged, replayed);
    };
    for round in 0..4_u32 {
        for number in round * 5..round * 5 + 5 {
            if append(&mut spool, [number]).is_ok() {
                acknowledged.push(number);
            }
        }
        let Ok(batch) = spool.peek(3, 1 << 20) else {
            continue;
        };
        if let Some(last) = batch.last() {
            replayed.extend(batch.iter().map(|one| u32::try_from(one.at_us).unwrap()));
            // Replayed into Postgres; whether the spool could remember that is its own affair.
            drop(spool.advance(last.sequence + 1));
        }
    }
    (acknowledged, replayed)
}

#[test]
fn a_power_cut_after_any_operation_loses_nothing_acknowledged() {
    let whole = MemoryDisk::new();
    life(&whole);

    for operations in 0..whole.operations() {
        for luck in [0, 1, 3, 1_000] {
            let disk = MemoryDisk::new();
            disk.lose_power_after(operations);
            let (acknowledged, replayed) = life(&disk);
            disk.power_cut_with(|most| most.min(luck));

            let drained = drain(&mut open(&disk));

            check(
                &acknowledged,
                &replayed,
                &drained,
                &format!("{operations}/{luck}"),
            );
        }
    }
}

/// Everything acknowledged is either replayed or comes now, and what comes is in order.
fn check(acknowledged: &[u32], replayed: &BTreeSet<u32>, drained: &[u32], context: &str) {
    assert!(drained.is_sorted(), "{context}: {drained:?}");
    let lost: Vec<&u32> = acknowledged
        .iter()
        .filter(|number| !replayed.contains(number) && !drained.contains(number))
        .collect();
    assert!(lost.is_empty(), "{context}: lost {lost:?}");
}

#[derive(Debug, Clone)]
enum Act {
    Append(u8),
    Replay(u8),
    Fail(Operation),
    PowerCut(u16),
    Restart,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    use Operation::{Append, Create, Remove, Rename, Sync, SyncDirectory, Truncate};
    let operations = prop::sample::select(vec![
        Append,
        Create,
        Remove,
        Rename,
        Sync,
        SyncDirectory,
        Truncate,
    ]);
    let act = prop_oneof![
        6 => (1..6_u8).prop_map(Act::Append),
        3 => (1..9_u8).prop_map(Act::Replay),
        2 => operations.prop_map(Act::Fail),
        1 => (0..400_u16).prop_map(Act::PowerCut),
        1 => Just(Act::Restart),
    ];
    prop::collection::vec(act, 1..60)
}

proptest! {
    #[test]
    fn whatever_happens_what_was_acknowledged_comes_out_in_order(acts in acts()) {
        let disk = MemoryDisk::new();
        let mut spool = open(&disk);
        let mut next = 0;
        let (mut acknowledged, mut refused, mut replayed) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        let mut disk_forgets = true;

        for act in acts {
            match act {
                Act::Append(count) => {
                    let numbers = next..next + u32::from(count);
                    next = numbers.end;
                    match append(&mut spool, numbers.clone()) {
                        Ok(_) => acknowledged.extend(numbers),
                        Err(_) => refused.extend(numbers),
                    }
                }
                Act::Replay(count) => {
                    if let Ok(batch) = spool.peek(usize::from(count), 1 << 20)
                        && let Some(last) = batch.last()
                    {
                        replayed.extend(batch.iter().map(|one| u32::try_from(one.at_us).unwrap()));
                        drop(spool.advance(last.sequence + 1));
                    }
                }
                Act::Fail(operation) => {
                    disk_forgets &= !matches!(operation, Operation::Truncate | Operation::Remove);
                    disk.fail_next(operation, Trouble::Device);
                }
                Act::PowerCut(luck) => {
                    disk.heal();
                    disk.power_cut_with(|most| most.min(usize::from(luck)));
                    spool = open(&disk);
                }
                Act::Restart => {
                    disk.heal();
                    spool = open(&disk);
                }
            }
        }
        disk.heal();

        let drained = drain(&mut spool);
        let lost: Vec<&u32> = acknowledged.iter().filter(|one| !replayed.contains(one) && !drained.contains(one)).collect();
        prop_assert!(lost.is_empty(), "lost {:?}", lost);
        prop_assert!(drained.is_sorted(), "{:?}", drained);
        prop_assert!(!disk_forgets || drained.iter().all(|one| !refused.contains(one)), "{:?} were refused: {:?}", refused, drained);
    }
}
