//! What must be true before anybody works (laws L4 and L15), and who may do what.

use sallyport_postgres::testing::TestDatabase;
use sallyport_queue::{OpenError, Queue, Settings};

use crate::house::House;

#[tokio::test]
async fn l4_another_number_of_partitions_stops_the_start() {
    let house = House::new().await;
    house
        .change("UPDATE house SET value = '128' WHERE name = 'partitions'")
        .await;

    let refused = Queue::open(house.database.pools(), Settings::default()).await;

    assert!(matches!(
        refused,
        Err(OpenError::PartitionCount { ours: 256, .. })
    ));
}

#[tokio::test]
async fn tables_that_are_not_there_stop_the_start_with_the_next_step() {
    let database = TestDatabase::create_empty().await;

    let refused = Queue::open(database.pools(), Settings::default())
        .await
        .unwrap_err();

    assert!(
        refused.to_string().contains("sallyport migrate"),
        "{refused}"
    );
}

#[tokio::test]
async fn l15_after_a_restore_leases_are_cleared_and_workers_wait_for_a_person() {
    let house = House::new().await;
    let before = house.worker("a").await;
    house
        .change("UPDATE house SET value = 'another history' WHERE name = 'history'")
        .await;

    let restored = Queue::open(house.database.pools(), Settings::default())
        .await
        .unwrap();

    assert!(restored.paused().await.unwrap());
    assert_eq!(
        house
            .count("SELECT count(*) FROM leases WHERE owner IS NOT NULL")
            .await,
        0
    );
    assert!(before.claim().await.is_empty());
    restored
        .control()
        .resume(&sallyport_queue::Scope::Everything, "a test", "fine")
        .await
        .unwrap();
    let again = Queue::open(house.database.pools(), Settings::default())
        .await
        .unwrap();
    assert!(!again.paused().await.unwrap());
}

#[tokio::test]
async fn l15_every_session_confirms_only_what_is_on_disk() {
    let house = House::new().await;
    let connection = house
        .database
        .pools()
        .accept()
        .unwrap()
        .get()
        .await
        .unwrap();

    let row = connection
        .query_one("SELECT current_setting('synchronous_commit'), current_user::text, current_setting('statement_timeout')", &[])
        .await
        .unwrap();

    assert_eq!(row.get::<_, &str>(0), "on");
    assert_eq!(
        (row.get::<_, &str>(1), row.get::<_, &str>(2)),
        ("sallyport_edge", "5s")
    );
}

#[tokio::test]
async fn the_edge_may_put_in_and_read_nothing_back() {
    let house = House::new().await;
    let edge = house
        .database
        .pools()
        .accept()
        .unwrap()
        .get()
        .await
        .unwrap();

    for forbidden in [
        "SELECT payload FROM messages",
        "SELECT * FROM queue",
        "DELETE FROM queue",
        "UPDATE leases SET owner = 'me'",
        "SELECT * FROM dead_letters",
    ] {
        assert!(edge.batch_execute(forbidden).await.is_err(), "{forbidden}");
    }
}

#[tokio::test]
async fn workers_may_not_touch_tables() {
    let house = House::new().await;
    let workers = house
        .database
        .pools()
        .settle()
        .unwrap()
        .get()
        .await
        .unwrap();

    for forbidden in [
        "CREATE TABLE mine (a int)",
        "DROP TABLE queue",
        "TRUNCATE messages",
        "DELETE FROM messages",
    ] {
        assert!(
            workers.batch_execute(forbidden).await.is_err(),
            "{forbidden}"
        );
    }
}
