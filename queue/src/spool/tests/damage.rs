//! Files that were cut, flipped or emptied between two runs.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::spool::Incident;

/// A disk with one segment of three records, its name and its bytes.
fn three_records() -> (MemoryDisk, String, Vec<u8>) {
    let disk = MemoryDisk::new();
    append(&mut open(&disk), 0..3).unwrap();
    let name = files(&disk, "segment").remove(0);
    let bytes = disk.bytes(&name).unwrap();
    (disk, name, bytes)
}

#[test]
fn a_segment_cut_at_any_byte_keeps_every_whole_record() {
    let (disk, name, bytes) = three_records();
    let record = super::super::frame::size_of(&payload(0));
    let header = bytes.len() - 3 * record;

    for cut in 0..bytes.len() {
        disk.overwrite(&name, bytes[..cut].to_vec());
        let mut spool = open(&disk);
        let whole = cut.saturating_sub(header) / record;

        assert_eq!(
            drain(&mut spool),
            (0..u32::try_from(whole).unwrap()).collect::<Vec<_>>(),
            "cut at {cut}"
        );
        append(&mut spool, [7]).unwrap();
        assert_eq!(drain(&mut open(&disk)), [7], "cut at {cut}");
        reset(&disk, &name, &bytes);
    }
}

#[test]
fn a_flipped_bit_costs_at_most_its_record_and_is_never_silent() {
    let (disk, name, bytes) = three_records();
    let mut dice = StdRng::seed_from_u64(4);

    for _ in 0..1_000 {
        let bit = dice.random_range(0..bytes.len() * 8);
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        disk.overwrite(&name, flipped);

        let mut spool = open(&disk);
        let drained = drain(&mut spool);
        let incidents = spool.take_incidents();

        assert!(
            drained.len() >= 2 && drained.is_sorted(),
            "bit {bit}: {drained:?}"
        );
        assert!(
            incidents.contains(&Incident::Damaged { segment: 1 }),
            "bit {bit}: {incidents:?}"
        );
        assert_eq!(files(&disk, "damaged").len(), 1, "bit {bit}");
        reset(&disk, &name, &bytes);
    }
}

#[test]
fn damage_in_one_segment_costs_nothing_in_the_others() {
    let disk = MemoryDisk::new();
    let mut spool = open(&disk);
    for number in 0..12 {
        append(&mut spool, [number]).unwrap();
    }
    drop(spool);
    let names = files(&disk, "segment");
    let mut spoiled = disk.bytes(&names[1]).unwrap();
    let last = spoiled.len() - 1;
    spoiled[last] ^= 0x40;
    disk.overwrite(&names[1], spoiled);
    disk.overwrite(&names[2], vec![0xee; 700]);

    let mut spool = open(&disk);
    let drained = drain(&mut spool);

    assert!(drained.len() >= 12 - 1 - 3, "{drained:?}");
    assert!(drained.is_sorted() && drained.contains(&0) && drained.contains(&11));
    assert_eq!(files(&disk, "damaged").len(), 2);
}

#[test]
fn a_segment_that_lost_its_end_is_noticed_by_the_one_behind_it() {
    let disk = MemoryDisk::new();
    let mut spool = open(&disk);
    append(&mut spool, 0..8).unwrap();
    append(&mut spool, [8]).unwrap();
    drop(spool);
    let first = files(&disk, "segment").remove(0);
    let bytes = disk.bytes(&first).unwrap();
    let record = super::super::frame::size_of(&payload(0));
    disk.overwrite(&first, bytes[..bytes.len() - record].to_vec());

    let mut spool = open(&disk);

    assert_eq!(drain(&mut spool), [0, 1, 2, 3, 4, 5, 6, 8]);
    assert_eq!(files(&disk, "damaged").len(), 1);
}

#[test]
fn a_damaged_number_of_what_was_replayed_costs_repeats_and_no_record() {
    let disk = MemoryDisk::new();
    let mut spool = open(&disk);
    append(&mut spool, 0..4).unwrap();
    let second = spool.peek(2, 1 << 20).unwrap()[1].sequence;
    spool.advance(second + 1).unwrap();
    drop(spool);
    disk.overwrite(
        "replayed",
        b"sallyoff\xff\xff\xff\xff\xff\xff\xff\x7f????".to_vec(),
    );

    assert_eq!(drain(&mut open(&disk)), [0, 1, 2, 3]);
}

#[test]
fn a_record_that_nobody_takes_keeps_its_file_for_people() {
    let disk = MemoryDisk::new();
    let mut spool = open(&disk);
    append(&mut spool, 0..3).unwrap();

    let refused = spool.peek(3, 1 << 20).unwrap()[1].sequence;
    spool.keep(refused);
    drain(&mut spool);

    assert_eq!(files(&disk, "damaged").len(), 1);
    assert_eq!(drain(&mut open(&disk)), Vec::<u32>::new());
}

fn reset(disk: &MemoryDisk, name: &str, bytes: &[u8]) {
    let mut handle = disk.clone();
    for left in disk.names() {
        super::super::Disk::remove(&mut handle, &left).unwrap();
    }
    super::super::Disk::create(&mut handle, name).unwrap();
    disk.overwrite(name, bytes.to_vec());
}
