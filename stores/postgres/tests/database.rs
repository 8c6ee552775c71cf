//! Migrations, roles, the ground and the bounds of the pools, against a real Postgres.

use std::time::{Duration, Instant};

use sallyport_postgres::testing::TestDatabase;
use sallyport_postgres::{
    DatabaseUrl, Fault, MigrateError, PoolError, Pools, ProcessRole, Role, Settings, check_ground,
    classify, migrate, migrate_app,
};
use tokio_util::task::TaskTracker;

#[tokio::test]
async fn migrating_twice_changes_nothing_the_second_time() {
    let database = TestDatabase::create_empty().await;

    assert!(migrate(database.url()).await.unwrap() >= 1);
    assert_eq!(migrate(database.url()).await.unwrap(), 0);
}

#[tokio::test]
async fn several_processes_may_migrate_at_once() {
    let database = TestDatabase::create_empty().await;

    let (first, second, third) = tokio::join!(
        migrate(database.url()),
        migrate(database.url()),
        migrate(database.url())
    );

    let applied = [first.unwrap(), second.unwrap(), third.unwrap()];
    assert_eq!(
        applied.iter().filter(|count| **count > 0).count(),
        1,
        "{applied:?}"
    );
}

#[tokio::test]
async fn an_app_has_a_history_of_its_own_and_its_tables_are_the_workers_to_use() {
    let database = TestDatabase::create().await;
    let first = [(1, "notes", "CREATE TABLE notes (word text)")];
    let then = [
        first[0],
        (2, "more", "ALTER TABLE notes ADD at timestamptz"),
    ];

    assert_eq!(migrate_app(database.url(), "hub", &first).await.unwrap(), 1);
    assert_eq!(migrate_app(database.url(), "hub", &then).await.unwrap(), 1);

    let workers = database.pools().handlers().unwrap().get().await.unwrap();
    workers
        .batch_execute("INSERT INTO notes VALUES ('yes', now()); DELETE FROM notes")
        .await
        .unwrap();
    let refused = migrate_app(database.url(), "hub; drop", &first).await;
    assert!(matches!(refused, Err(MigrateError::AppName { .. })));
}

#[tokio::test]
async fn the_ground_of_a_migrated_primary_is_honest() {
    let database = TestDatabase::create().await;

    let ground = check_ground(&database.owner().await).await.unwrap();

    assert!(ground.server_version >= 150_000);
    assert!(ground.history.contains(':'));
}

#[tokio::test]
async fn waiting_for_a_connection_is_bounded() {
    let database = TestDatabase::create().await;
    let settings = Settings {
        read_connections_max: 1,
        wait_ms: 50,
        ..database.settings()
    };
    let pools = Pools::open(&settings, ProcessRole::Both).unwrap();
    let _only_one = pools.read().get().await.unwrap();

    let began = Instant::now();
    let refused = pools.read().get().await;

    assert!(matches!(refused, Err(PoolError::Busy { .. })));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_answer_and_no_hang() {
    let settings = Settings::at(DatabaseUrl::new("postgresql://nobody@127.0.0.1:1/nothing"));
    let pools = Pools::open(&settings, ProcessRole::Both).unwrap();

    assert!(matches!(
        pools.read().get().await,
        Err(PoolError::Connect { .. })
    ));
}

#[tokio::test]
async fn an_edge_has_no_pool_for_settling() {
    let database = TestDatabase::create_empty().await;
    let pools = Pools::open(&database.settings(), ProcessRole::Edge).unwrap();

    assert!(pools.accept().is_ok());
    assert!(matches!(pools.settle(), Err(PoolError::Absent { .. })));
}

#[tokio::test]
async fn a_lone_connection_has_its_role_its_deadlines_and_its_name() {
    let database = TestDatabase::create().await;
    let tasks = TaskTracker::new();
    let client = database
        .pools()
        .connect_driven("janitor", Role::Janitor, &tasks)
        .await
        .unwrap();

    let row = client
        .query_one("SELECT current_user::text, current_setting('lock_timeout'), current_setting('application_name')", &[])
        .await
        .unwrap();

    let found: (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(found, ("sallyport_janitor", "2s", "sallyport janitor"));
}

#[tokio::test]
async fn errors_are_told_apart_by_what_can_be_done_about_them() {
    let database = TestDatabase::create().await;
    let owner = database.owner().await;
    let cases = [
        (
            "INSERT INTO house (name, value) VALUES ('partitions', '1')",
            Fault::Unique,
        ),
        (
            "SET statement_timeout = 1; SELECT pg_sleep(5)",
            Fault::Timeout,
        ),
        ("SELECT 1 / 0", Fault::Data),
        ("SELECT * FROM no_such_table", Fault::Other),
        ("BEGIN READ ONLY; DELETE FROM house", Fault::Refused),
    ];

    for (statement, fault) in cases {
        let error = owner.batch_execute(statement).await.unwrap_err();
        assert_eq!(classify(&error), fault, "{statement}");
        owner
            .batch_execute("ROLLBACK; RESET statement_timeout")
            .await
            .unwrap();
    }
    let error = owner
        .batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")
        .await
        .unwrap_err();
    assert_eq!(classify(&error), Fault::ConnectionLost);
}

/// A new database makes its days while messages come in. A row that was routed to the default partition in that moment is refused,
/// and goes where it belongs on the next try; taken for bad data, it once ended a good message as a dead letter.
#[tokio::test]
async fn a_row_that_met_its_partition_being_attached_may_pass_later() {
    let database = TestDatabase::create_empty().await;
    let client = database.owner().await;
    client
        .batch_execute(
            "CREATE TABLE days (day int CONSTRAINT is_positive CHECK (day > 0)) PARTITION BY LIST (day);
             CREATE TABLE days_rest PARTITION OF days DEFAULT;
             CREATE TABLE days_1 PARTITION OF days FOR VALUES IN (1)",
        )
        .await
        .unwrap();

    let misrouted = client
        .batch_execute("INSERT INTO days_rest VALUES (1)")
        .await
        .unwrap_err();
    let wrong = client
        .batch_execute("INSERT INTO days VALUES (0)")
        .await
        .unwrap_err();

    assert_eq!(classify(&misrouted), Fault::Serialization);
    assert_eq!(classify(&wrong), Fault::Data);
}
