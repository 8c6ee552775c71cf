//! The thread of a spool: shared flushes, and a disk that has just failed.

use bytes::Bytes;
use futures::future::join_all;

use super::*;
use crate::spool::{Folder, Limits, MemoryDisk, Operation, Trouble, Writer};

const LIMITS: Limits = Limits {
    bytes_max: 1 << 30,
    segment_bytes: 8 << 20,
};

const WAITING_MAX: usize = 64;

fn start<D: Disk + 'static>(disk: D, tasks: &TaskTracker) -> Keeper {
    let writer = Writer {
        run: 1,
        salts: Box::new(|| 7),
    };
    Keeper::start(
        Spool::open(disk, LIMITS, writer).unwrap(),
        Owner::Another,
        WAITING_MAX,
        tasks,
    )
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn one(bytes: usize) -> Vec<NewRecord> {
    vec![NewRecord {
        at_us: 1,
        payload: Bytes::from(vec![b'x'; bytes]),
    }]
}

#[tokio::test]
async fn what_arrives_during_a_flush_shares_the_next() {
    let disk = MemoryDisk::new();
    let keeper = start(disk.clone(), &TaskTracker::new());
    keeper.append(one(10), soon()).await.unwrap();
    let before = disk.operations();

    disk.hold_syncs();
    let release = async {
        // The other futures have been polled once by now: one append is being flushed, the others wait.
        tokio::task::yield_now().await;
        disk.release_syncs();
    };
    let appends = join_all((0..40).map(|_| keeper.append(one(10), soon())));
    let (kept, ()) = tokio::join!(appends, release);

    assert!(kept.iter().all(Result::is_ok));
    let operations = disk.operations() - before;
    assert!(
        operations <= 40,
        "{operations} writes and flushes for 40 appends"
    );
}

#[tokio::test]
async fn a_disk_that_has_just_failed_is_left_alone_and_then_tried_again() {
    let disk = MemoryDisk::new();
    let keeper = start(disk.clone(), &TaskTracker::new());
    disk.fail_always(Operation::Sync, Trouble::Device);

    let refused = keeper.append(one(10), soon()).await;
    let before = disk.operations();
    let at_once = keeper.append(one(10), soon()).await;

    assert!(matches!(refused, Err(Refusal::Disk(_))), "{refused:?}");
    assert!(at_once.is_err());
    assert_eq!(disk.operations(), before, "nothing was tried");
    assert!(keeper.state().trouble_within(LEFT_ALONE).is_some());
    disk.heal();
    let began = Instant::now();
    while keeper.append(one(10), soon()).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stop_finishes_what_was_given_and_lets_the_disk_go() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::take(home.path()).unwrap().unwrap();
    let tasks = TaskTracker::new();
    let keeper = start(folder, &tasks);
    keeper.append(one(10), soon()).await.unwrap();

    keeper.stop().await;
    tasks.close();
    tasks.wait().await;

    assert!(matches!(
        keeper.append(one(10), soon()).await,
        Err(Refusal::Closed)
    ));
    let again = start(
        Folder::take(home.path()).unwrap().unwrap(),
        &TaskTracker::new(),
    );
    assert_eq!(again.peek(10, 1_000).await.unwrap().records.len(), 1);
}

#[tokio::test]
async fn a_disk_that_is_behind_refuses_at_once_and_takes_again_when_it_is_not() {
    let disk = MemoryDisk::new();
    let keeper = start(disk.clone(), &TaskTracker::new());
    disk.hold_syncs();
    let mut waiting: Vec<_> = (0..WAITING_MAX)
        .map(|_| Box::pin(keeper.append(one(10), soon())))
        .collect();
    for append in &mut waiting {
        assert!(futures::poll!(append).is_pending());
    }

    let refused = keeper.append(one(10), soon()).await;

    assert!(matches!(refused, Err(Refusal::Behind)), "{refused:?}");
    disk.release_syncs();
    assert!(join_all(waiting).await.iter().all(Result::is_ok));
    keeper.append(one(10), soon()).await.unwrap();
}
