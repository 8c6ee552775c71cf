//! Postgres goes away under a running edge and comes back: nobody is refused, nothing is lost, doubled or out of order.

use std::time::{Duration, Instant};

use crate::house::House;
use crate::updates;

#[tokio::test(flavor = "multi_thread")]
async fn while_postgres_is_away_everybody_is_answered_and_then_everything_is_there() {
    let mut house = House::build(&[]).await;
    assert!(house.run(&["migrate"]).status.success());
    house.start_gateway().await;
    assert_eq!(post(&house, 0).await, 200);

    allow_connections(&house, false).await;
    let mut slowest = Duration::ZERO;
    for update in 1..60 {
        let began = Instant::now();
        assert_eq!(post(&house, update).await, 200, "update {update}");
        if update > 5 {
            slowest = slowest.max(began.elapsed());
        }
    }
    // A crash in the middle of the outage, and a start without Postgres.
    house.kill_server();
    house.start_gateway().await;
    for update in 60..120 {
        assert_eq!(post(&house, update).await, 200, "update {update}");
    }
    // The last one is told of after its sender was answered.
    house
        .wait_until("the spool tells of all of them", || async {
            house
                .metrics()
                .await
                .contains("sallyport_spool_records 119")
        })
        .await;
    allow_connections(&house, true).await;

    house
        .wait_until("the spool is empty", || async {
            house.metrics().await.contains("sallyport_spool_records 0")
        })
        .await;
    assert_eq!(post(&house, 120).await, 200);
    let database = house.database().await;
    let rows = database
        .query("select delivery_id from messages order by id", &[])
        .await
        .unwrap();
    let ids: Vec<i64> = rows
        .iter()
        .map(|row| row.get::<_, String>(0).parse().unwrap())
        .collect();
    assert_eq!(ids, (0..=120).collect::<Vec<_>>());
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert!(house.stop_server(Duration::from_secs(20)).await.success());
}

async fn post(house: &House, update: i64) -> u16 {
    let answer = house.post_update(&updates::text(update, 7, "hello")).await;
    answer.status().as_u16()
}

/// Takes the database away, or gives it back, from the server's maintenance database.
async fn allow_connections(house: &House, allowed: bool) {
    let (base, name) = house.database_url.rsplit_once('/').unwrap();
    let (client, connection) =
        tokio_postgres::connect(&format!("{base}/template1"), tokio_postgres::NoTls)
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    let statement = format!("alter database {name} allow_connections {allowed}");
    client.batch_execute(&statement).await.unwrap();
    if !allowed {
        let cut = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
        );
        client.batch_execute(&cut).await.unwrap();
        // A backend that was told to end may still finish what it does.
        let left = format!("select 1 from pg_stat_activity where datname = '{name}'");
        house
            .wait_until("nobody is connected any more", || async {
                client.query(&left, &[]).await.unwrap().is_empty()
            })
            .await;
    }
    drop(client);
    connection.await.unwrap().unwrap();
}
