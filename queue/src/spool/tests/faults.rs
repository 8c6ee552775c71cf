//! Flushes that fail, a disk without space, a disk that cannot be read.

use super::*;
use crate::spool::{Incident, Operation, Trouble};

#[test]
fn a_failed_flush_is_never_believed_later() {
    for fails_on_a_new_segment in [false, true] {
        let disk = MemoryDisk::new();
        let mut spool = open(&disk);
        if !fails_on_a_new_segment {
            append(&mut spool, [0]).unwrap();
        }
        disk.fail_next(Operation::Sync, Trouble::Device);

        append(&mut spool, [1, 2]).unwrap();
        append(&mut spool, [3]).unwrap();
        disk.power_cut();

        let expected: Vec<u32> = (u32::from(fails_on_a_new_segment)..4).collect();
        let mut spool_again = open(&disk);
        assert_eq!(drain(&mut spool_again), expected);
        let incidents = spool.take_incidents();
        assert!(
            matches!(incidents[..], [Incident::Abandoned { .. }]),
            "{incidents:?}"
        );
    }
}

#[test]
fn every_operation_of_an_append_may_fail_once() {
    use Operation::{Append, Create, Sync, SyncDirectory};
    for operation in [Create, Append, Sync, SyncDirectory] {
        for before in 0..4 {
            let disk = MemoryDisk::new();
            let mut spool = open(&disk);
            for number in 0..before {
                append(&mut spool, [number]).unwrap();
            }
            disk.fail_next(operation, Trouble::Device);

            append(&mut spool, [before]).unwrap();
            append(&mut spool, [before + 1]).unwrap();
            disk.heal();
            disk.power_cut();

            assert_eq!(
                drain(&mut open(&disk)),
                (0..before + 2).collect::<Vec<_>>(),
                "{operation:?} after {before}"
            );
        }
    }
}

#[test]
fn what_was_refused_never_turns_up_not_even_when_the_disk_could_not_forget_it() {
    use Operation::{Remove, Sync, SyncDirectory, Truncate};
    for operation in [Sync, SyncDirectory] {
        for before in 0..4 {
            let disk = MemoryDisk::new();
            let mut spool = open(&disk);
            for number in 0..before {
                append(&mut spool, [number]).unwrap();
            }
            for failing in [operation, Truncate, Remove] {
                disk.fail_always(failing, Trouble::Device);
            }
            let refused = append(&mut spool, [100]);
            disk.heal();
            append(&mut spool, [before]).unwrap();
            drop(spool);

            let acknowledged: Vec<u32> = match refused {
                // With a segment under way its name is durable already, and nothing failed.
                Ok(_) => (0..before).chain([100, before]).collect(),
                Err(_) => (0..=before).collect(),
            };
            assert_eq!(
                drain(&mut open(&disk)),
                acknowledged,
                "{operation:?} after {before}"
            );
        }
    }
}

#[test]
fn a_full_disk_refuses_and_recovers_when_space_returns() {
    let disk = MemoryDisk::new();
    let mut spool = open(&disk);
    append(&mut spool, 0..2).unwrap();
    let used: usize = disk
        .names()
        .iter()
        .map(|name| disk.bytes(name).unwrap().len())
        .sum();
    disk.set_capacity(Some(used as u64 + 40));

    for _ in 0..3 {
        assert!(matches!(append(&mut spool, [50]), Err(AppendError::Full)));
    }
    disk.set_capacity(None);
    append(&mut spool, [2]).unwrap();

    assert_eq!(drain(&mut spool), [0, 1, 2]);
    append(&mut spool, [3]).unwrap();
    assert_eq!(drain(&mut open(&disk)), [3]);
}

#[test]
fn a_segment_that_cannot_be_read_is_left_to_people_and_the_rest_comes() {
    let disk = MemoryDisk::new();
    let mut spool = open(&disk);
    append(&mut spool, 0..8).unwrap();
    append(&mut spool, [8]).unwrap();
    disk.fail_next(Operation::Read, Trouble::Device);
    disk.fail_next(Operation::Read, Trouble::Device);
    disk.fail_next(Operation::Read, Trouble::Device);

    assert!(spool.peek(1, 1).is_err());
    assert!(spool.peek(1, 1).is_err());

    assert_eq!(drain(&mut spool), [8]);
    assert_eq!(files(&disk, "damaged").len(), 1);
}

#[test]
fn what_was_replayed_is_gone_even_when_that_cannot_be_remembered() {
    let disk = MemoryDisk::new();
    let mut spool = open(&disk);
    append(&mut spool, 0..8).unwrap();
    append(&mut spool, [8]).unwrap();
    disk.fail_always(Operation::Create, Trouble::NoSpace);

    let batch = spool.peek(100, 1 << 20).unwrap();
    assert!(spool.advance(batch[8].sequence + 1).is_err());
    disk.heal();

    assert_eq!(spool.emptied_up_to(), Some(spool.up_to()));
    assert_eq!(files(&disk, "segment"), Vec::<String>::new());
}
