//! The rules of the spool, on a disk that loses power, fails, fills up and is edited behind its back.

mod damage;
mod faults;
mod power;

use bytes::Bytes;

use super::{AppendError, Appended, Limits, MemoryDisk, NewRecord, Spool, Writer};

/// Three records of [`payload`] fill one.
const SMALL: Limits = Limits {
    bytes_max: 1 << 20,
    segment_bytes: 300,
};

fn open_with(disk: &MemoryDisk, limits: Limits) -> Spool<MemoryDisk> {
    let mut salt = 0x5a17;
    let writer = Writer {
        run: 1,
        salts: Box::new(move || {
            salt += 1;
            salt
        }),
    };
    Spool::open(disk.clone(), limits, writer).unwrap()
}

fn open(disk: &MemoryDisk) -> Spool<MemoryDisk> {
    open_with(disk, SMALL)
}

fn payload(number: u32) -> Bytes {
    Bytes::from(format!("the record with the number {number}"))
}

fn records(numbers: impl IntoIterator<Item = u32>) -> Vec<NewRecord> {
    let record = |number| NewRecord {
        at_us: i64::from(number),
        payload: payload(number),
    };
    numbers.into_iter().map(record).collect()
}

fn append(
    spool: &mut Spool<MemoryDisk>,
    numbers: impl IntoIterator<Item = u32>,
) -> Result<Appended, AppendError> {
    spool.append(&records(numbers))
}

/// Replays everything, in batches, and returns the numbers in the order in which they came.
fn drain(spool: &mut Spool<MemoryDisk>) -> Vec<u32> {
    let mut drained = Vec::new();
    loop {
        let batch = spool.peek(2, 1 << 20).unwrap();
        let Some(last) = batch.last().map(|record| record.sequence) else {
            assert_eq!(spool.emptied_up_to(), Some(spool.up_to()));
            return drained;
        };
        for record in batch {
            let number = u32::try_from(record.at_us).unwrap();
            assert_eq!(record.payload, payload(number), "a payload was changed");
            drained.push(number);
        }
        spool.advance(last + 1).unwrap();
    }
}

fn files(disk: &MemoryDisk, kind: &str) -> Vec<String> {
    let mut names = disk.names();
    names.retain(|name| name.ends_with(kind));
    names
}

#[test]
fn what_went_in_comes_out_in_order_and_leaves_nothing_behind() {
    let disk = MemoryDisk::new();
    let mut spool = open(&disk);

    for number in 0..20 {
        append(&mut spool, [number]).unwrap();
    }
    assert_eq!(spool.fill_level().records, 20);
    assert!(files(&disk, "segment").len() > 3, "{:?}", disk.names());
    let drained = drain(&mut spool);

    assert_eq!(drained, (0..20).collect::<Vec<_>>());
    assert_eq!(files(&disk, "segment"), Vec::<String>::new());
    assert_eq!(spool.fill_level(), super::Fill::default());
}

#[test]
fn a_new_run_goes_on_where_the_old_one_stopped() {
    let disk = MemoryDisk::new();
    let mut spool = open(&disk);
    append(&mut spool, 0..5).unwrap();
    append(&mut spool, 5..9).unwrap();
    let taken = spool.peek(6, 1 << 20).unwrap();
    spool.advance(taken[5].sequence + 1).unwrap();
    drop(spool);

    let mut spool = open(&disk);
    assert_eq!(spool.fill_level().records, 3);
    assert_eq!(spool.fill_level().oldest_at_us, Some(6));
    append(&mut spool, 9..12).unwrap();

    assert_eq!(drain(&mut spool), (6..12).collect::<Vec<_>>());
    drop(spool);
    let mut spool = open(&disk);
    append(&mut spool, [12]).unwrap();
    assert_eq!(drain(&mut spool), [12]);
}

#[test]
fn what_was_looked_at_and_not_replayed_comes_again() {
    let mut spool = open(&MemoryDisk::new());
    append(&mut spool, 0..3).unwrap();

    let first = spool.peek(10, 1 << 20).unwrap();
    let again = spool.peek(10, 1 << 20).unwrap();

    assert_eq!(first, again);
    assert_eq!(drain(&mut spool), [0, 1, 2]);
}

#[test]
fn a_batch_is_bounded_in_bytes_and_never_empty_while_there_is_something() {
    let mut spool = open(&MemoryDisk::new());
    append(&mut spool, 0..3).unwrap();

    assert_eq!(spool.peek(10, 1).unwrap().len(), 1);
    assert_eq!(spool.peek(10, 60).unwrap().len(), 2);
}

#[test]
fn a_full_spool_takes_nothing_until_something_was_replayed() {
    let limits = Limits {
        bytes_max: 1_000,
        segment_bytes: 300,
    };
    let mut spool = open_with(&MemoryDisk::new(), limits);
    let taken = (0..100)
        .take_while(|number| append(&mut spool, [*number]).is_ok())
        .count();

    assert!((5..20).contains(&taken), "{taken}");
    assert!(spool.fill_level().bytes <= 1_000);
    assert!(matches!(append(&mut spool, [99]), Err(AppendError::Full)));
    assert_eq!(drain(&mut spool).len(), taken);
    assert!(append(&mut spool, [100]).is_ok());
}
