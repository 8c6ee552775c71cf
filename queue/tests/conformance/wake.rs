//! Being woken (law L13), in this process and from another.

use std::time::Duration;

use sallyport_queue::{Key, Queue, Settings, Wakeups};

use crate::house::{House, message};

async fn wake_for(wakeups: &mut Wakeups, key: &str) {
    let partition = Key::new(key).partition();
    let woken = async { while !wakeups.next().await.contains(partition) {} };
    tokio::time::timeout(Duration::from_secs(15), woken)
        .await
        .expect("nobody was woken");
}

#[tokio::test]
async fn an_accept_wakes_the_workers_of_its_own_process() {
    let house = House::new().await;
    let mut wakeups = house.queue.wakeups();

    house.accept(message("in:1")).await;

    wake_for(&mut wakeups, "in:1").await;
}

#[tokio::test]
async fn an_accept_wakes_the_workers_of_another_process() {
    let house = House::new().await;
    let elsewhere = Queue::open(house.database.pools(), Settings::default())
        .await
        .unwrap();
    let mut wakeups = elsewhere.wakeups();
    // The listener says so itself when it is ready.
    wake_for(&mut wakeups, "anything").await;

    house.accept(message("in:1")).await;

    wake_for(&mut wakeups, "in:1").await;
}

#[tokio::test]
async fn closing_waits_for_every_task_and_twice_is_fine() {
    let House {
        queue,
        intake,
        owner: _owner,
        database: _database,
    } = House::new().await;
    queue.start_chores();
    intake.accept(message("in:1")).await.unwrap();

    let closed = async {
        queue.close().await;
        queue.close().await;
    };

    tokio::time::timeout(Duration::from_secs(15), closed)
        .await
        .expect("a task did not end");
    let late = intake.accept(message("in:1")).await;
    assert!(late.unwrap_err().retry_after().is_some());
}
