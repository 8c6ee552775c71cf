use std::time::{Duration, Instant};

use sallyport_queue::membership::{Holding, Holdings};
use sallyport_queue::{Partition, Token};
use tokio_util::sync::CancellationToken;

use super::Partitions;

const HANDOVER: Duration = Duration::from_secs(5);
const ONE: Partition = Partition(1);
const FIRST: Token = Token(10);
const SECOND: Token = Token(11);

fn partitions() -> Partitions {
    Partitions::new(CancellationToken::new(), HANDOVER)
}

fn holding(token: Token, keep: bool) -> Holdings {
    Holdings::from([(ONE, Holding { token, keep })])
}

fn working() -> Partitions {
    let mut partitions = partitions();
    partitions.update(&holding(FIRST, true), Instant::now());
    assert!(partitions.arrived(ONE, FIRST));
    partitions
}

#[test]
fn a_gained_partition_is_claimable_only_after_its_takeover() {
    let mut partitions = partitions();

    let changes = partitions.update(&holding(FIRST, true), Instant::now());
    assert_eq!(changes.gained, [(ONE, FIRST)]);
    assert_eq!(partitions.claimable().count(), 0);
    partitions.arrived(ONE, FIRST);

    assert_eq!(partitions.claimable().collect::<Vec<_>>(), [(ONE, FIRST)]);
}

#[test]
fn a_leaving_partition_is_released_when_its_last_attempt_is_settled() {
    let mut partitions = working();
    partitions.begin(ONE);

    let changes = partitions.update(&holding(FIRST, false), Instant::now());
    assert_eq!(changes.leaving, [ONE]);
    assert!(!partitions.works(ONE, FIRST), "nothing new may begin");
    assert!(partitions.owns(ONE, FIRST), "but what runs may be settled");
    assert_eq!(partitions.take_finished(), []);
    partitions.end(ONE, FIRST);

    assert_eq!(partitions.take_finished(), [(ONE, FIRST)]);
    assert!(partitions.all_released());
}

#[test]
fn what_runs_beyond_the_handover_is_cancelled() {
    let mut partitions = working();
    let start = Instant::now();
    partitions.begin(ONE);
    let cancel = partitions.cancellation(ONE).clone();
    partitions.update(&holding(FIRST, false), start);

    partitions.cancel_overdue(start + HANDOVER - Duration::from_millis(1));
    assert!(!cancel.is_cancelled());
    partitions.cancel_overdue(start + HANDOVER);

    assert!(cancel.is_cancelled());
    assert_eq!(partitions.next_cancel(), None);
}

#[test]
fn a_lost_partition_cancels_its_attempts_and_is_reported_once() {
    let mut partitions = working();
    partitions.begin(ONE);
    let cancel = partitions.cancellation(ONE).clone();

    let changes = partitions.update(&Holdings::new(), Instant::now());

    assert_eq!(changes.lost, [ONE]);
    assert!(cancel.is_cancelled());
    assert!(!partitions.owns(ONE, FIRST));
    assert_eq!(partitions.update(&Holdings::new(), Instant::now()).lost, []);
}

#[test]
fn a_partition_that_came_back_under_a_new_token_is_lost_and_gained() {
    let mut partitions = working();
    partitions.begin(ONE);

    let changes = partitions.update(&holding(SECOND, true), Instant::now());
    partitions.end(ONE, FIRST);

    assert_eq!(
        (changes.lost, changes.gained),
        (vec![ONE], vec![(ONE, SECOND)])
    );
    assert!(
        !partitions.arrived(ONE, FIRST),
        "the old takeover does not open the new ownership"
    );
}

#[test]
fn a_released_partition_that_goes_is_not_a_loss() {
    let mut partitions = working();
    partitions.update(&holding(FIRST, false), Instant::now());
    partitions.take_finished();

    let changes = partitions.update(&Holdings::new(), Instant::now());

    assert_eq!(changes.lost, []);
}

#[test]
fn a_release_that_did_not_reach_the_database_is_repeated() {
    let mut partitions = working();
    partitions.update(&holding(FIRST, false), Instant::now());
    partitions.take_finished();
    partitions.update(&Holdings::new(), Instant::now());

    partitions.update(&holding(FIRST, false), Instant::now());

    assert_eq!(partitions.take_finished(), [(ONE, FIRST)]);
}
