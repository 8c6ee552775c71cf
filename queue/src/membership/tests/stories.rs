//! Stories of members against a real Postgres.

use std::time::{Duration, Instant};

use sallyport_postgres::testing::TestDatabase;
use tokio_postgres::Client;

use crate::Partition;
use crate::membership::{Membership, Settings};
use crate::ownership::WorkerId;

const LEASE_MS: u64 = 1_000;
/// Takeover is promised within a lease and a half; a busy machine gets some more.
const PATIENCE: Duration = Duration::from_secs(10);

async fn join(database: &TestDatabase, name: &str) -> Membership {
    join_for(database, name, LEASE_MS).await
}

async fn join_for(database: &TestDatabase, name: &str, lease_ms: u64) -> Membership {
    let settings = Settings { lease_ms };
    Membership::join(&database.pools(), &settings, WorkerId::new(name))
        .await
        .unwrap()
}

async fn wait_until_held(member: &Membership, partitions: usize) {
    let mut changes = member.changes();
    let enough = changes.wait_for(|holdings| holdings.len() == partitions);
    tokio::time::timeout(PATIENCE, enough)
        .await
        .expect("the partitions never came")
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_is_gone_is_succeeded_although_its_process_lives() {
    let database = TestDatabase::create().await;
    let oak = join(&database, "oak").await;
    let (told, mut is_told) = tokio::sync::watch::channel(0);
    oak.expect_pulse(Duration::from_millis(2 * LEASE_MS), move || {
        told.send_modify(|times| *times += 1);
    });
    wait_until_held(&oak, 256).await;
    let pine = join(&database, "pine").await;

    // As long as it gives signs of life it keeps its share.
    let signs = Instant::now();
    hand_over_until(&oak, 128).await;
    while signs.elapsed() < Duration::from_millis(4 * LEASE_MS) {
        oak.pulse();
        tokio::time::sleep(Duration::from_millis(LEASE_MS / 10)).await;
    }
    assert_eq!(*is_told.borrow(), 0);
    wait_until_held(&pine, 128).await;

    // Then it gives none, and pine gets everything.
    wait_until_held(&pine, 256).await;
    is_told.wait_for(|times| *times == 1).await.unwrap();
    assert!(!oak.may_work(Instant::now()));
}

/// Gives back whatever the plan wants somebody else to have, as a pool without work would.
async fn hand_over_until(member: &Membership, left: usize) {
    let mut changes = member.changes();
    let start = Instant::now();
    while member.holdings().len() > left {
        assert!(
            start.elapsed() < PATIENCE,
            "{} never gave enough away",
            member.me()
        );
        let given: Vec<_> = member
            .holdings()
            .iter()
            .filter(|(_, holding)| !holding.keep)
            .map(|(partition, holding)| (*partition, holding.token))
            .collect();
        if given.is_empty() {
            tokio::time::timeout(PATIENCE, changes.changed())
                .await
                .unwrap()
                .unwrap();
        } else {
            member.release(given).await;
        }
    }
}

async fn count(owner: &Client, statement: &str) -> i64 {
    owner.query_one(statement, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_lone_worker_takes_every_partition_and_leaves_in_order() {
    let database = TestDatabase::create().await;
    let owner = database.owner().await;
    let pine = join(&database, "pine").await;

    wait_until_held(&pine, usize::from(Partition::COUNT)).await;
    assert!(pine.may_work(Instant::now()));
    pine.stop().await;

    assert_eq!(
        count(
            &owner,
            "SELECT count(*) FROM leases WHERE owner IS NOT NULL"
        )
        .await,
        0
    );
    assert_eq!(count(&owner, "SELECT count(*) FROM workers").await, 0);
    assert!(pine.holdings().is_empty());
}

#[tokio::test]
async fn a_newcomer_gets_half_and_no_partition_has_two_owners() {
    let database = TestDatabase::create().await;
    let pine = join(&database, "pine").await;
    wait_until_held(&pine, 256).await;

    let oak = join(&database, "oak").await;
    hand_over_until(&pine, 128).await;
    wait_until_held(&oak, 128).await;

    assert!(
        oak.holdings()
            .keys()
            .all(|partition| !pine.holdings().contains_key(partition))
    );
    pine.stop().await;
    oak.stop().await;
}

#[tokio::test]
async fn a_workers_partitions_are_taken_over_when_it_falls_silent() {
    let database = TestDatabase::create().await;
    let pine = join(&database, "pine").await;
    wait_until_held(&pine, 256).await;
    let oak = join(&database, "oak").await;

    drop(pine);
    wait_until_held(&oak, 256).await;

    assert!(
        oak.holdings().values().all(|holding| holding.token.0 == 2),
        "every transfer makes a new token"
    );
    oak.stop().await;
}

#[tokio::test]
async fn a_holder_whose_beats_fail_stops_by_itself_at_two_thirds() {
    let database = TestDatabase::create().await;
    let owner = database.owner().await;
    let pine = join(&database, "pine").await;
    wait_until_held(&pine, 256).await;

    owner
        .batch_execute("REVOKE UPDATE ON workers FROM sallyport_workers")
        .await
        .unwrap();
    let last_good = Instant::now() + Duration::from_millis(LEASE_MS / 5);

    assert!(!pine.may_work(last_good + Duration::from_millis(LEASE_MS)));
    owner
        .batch_execute("GRANT UPDATE ON workers TO sallyport_workers")
        .await
        .unwrap();
    let start = Instant::now();
    while !pine.may_work(Instant::now() + Duration::from_millis(LEASE_MS / 3)) {
        assert!(start.elapsed() < PATIENCE, "it never recovered");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    pine.stop().await;
}

#[tokio::test]
async fn a_worker_that_leaves_keeps_its_leases_until_it_releases_them() {
    let database = TestDatabase::create().await;
    let pine = join(&database, "pine").await;
    wait_until_held(&pine, 256).await;
    let oak = join(&database, "oak").await;

    pine.leave().await;
    hand_over_until(&pine, 0).await;
    wait_until_held(&oak, 256).await;

    pine.stop().await;
    oak.stop().await;
}

#[tokio::test]
async fn a_handover_does_not_wait_for_beats() {
    // A beat every 12 s, longer than anybody waits here.
    const LONG_LEASE_MS: u64 = 60_000;
    let database = TestDatabase::create().await;
    let pine = join_for(&database, "pine", LONG_LEASE_MS).await;
    wait_until_held(&pine, 256).await;

    let oak = join_for(&database, "oak", LONG_LEASE_MS).await;
    hand_over_until(&pine, 128).await;
    wait_until_held(&oak, 128).await;
    pine.stop().await;
    wait_until_held(&oak, 256).await;

    oak.stop().await;
}
