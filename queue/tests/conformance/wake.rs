//! Being woken (law L13), in this process and from another.

use std::time::Duration;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sallyport_queue::{Key, Queue, Settings, Stores, Wakeups};
use sallyport_redis::Redis;
use sallyport_redis::testing::{OwnServer, open, shared};
use tokio_postgres::{AsyncMessage, NoTls};
use tokio_util::task::TaskTracker;

use crate::house::{House, message, wait_until};

/// Counts the wake-ups that Postgres carries.
struct Listening(Arc<AtomicUsize>);

impl Listening {
    async fn to(house: &House) -> Self {
        let url = house.database.url().expose();
        let (client, mut connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let heard = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&heard);
        TaskTracker::new().spawn(async move {
            while let Some(Ok(said)) = poll_fn(|context| connection.poll_message(context)).await {
                if matches!(said, AsyncMessage::Notification(_)) {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        client
            .batch_execute("LISTEN sallyport_queue")
            .await
            .unwrap();
        // The connection lives as long as its client.
        std::mem::forget(client);
        Self(heard)
    }

    fn heard(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

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

/// Two processes of one house with this Redis; the second one listens.
async fn two_processes(redis: &Redis) -> (House, Queue, Queue, Wakeups) {
    let house = House::new().await;
    let process = async || {
        let stores = Stores {
            pools: house.database.pools(),
            redis: Some(redis.clone()),
        };
        Queue::open(stores, Settings::default()).await.unwrap()
    };
    let (here, there) = (process().await, process().await);
    let mut wakeups = there.wakeups();
    // Both listeners say so themselves when they are ready.
    wake_for(&mut wakeups, "anything").await;
    (house, here, there, wakeups)
}

/// Who hears a wake-up that goes through Redis alone: how many say that they did.
async fn hear_through_redis(redis: &Redis) -> u64 {
    redis.say("sallyport_queue", "nobody 00").await.unwrap_or(0)
}

#[tokio::test]
async fn a_wakeup_goes_through_redis_while_there_is_one() {
    let redis = shared();
    let (house, here, _there, mut wakeups) = two_processes(&redis).await;
    wait_until("both listen", async || {
        hear_through_redis(&redis).await == 2
    })
    .await;
    // Postgres carries none: whoever listens there hears nothing of it.
    let notified = Listening::to(&house).await;
    while tokio::time::timeout(Duration::from_millis(200), wakeups.next())
        .await
        .is_ok()
    {}

    here.intake().accept(message("in:1")).await.unwrap();

    wake_for(&mut wakeups, "in:1").await;
    assert_eq!(notified.heard(), 0);
}

#[tokio::test]
async fn a_wakeup_goes_through_postgres_while_redis_is_dead_and_through_redis_again_later() {
    let mut server = OwnServer::start();
    let redis = open(&server.settings());
    let (_house, here, _there, mut wakeups) = two_processes(&redis).await;
    wait_until("both listen", async || {
        hear_through_redis(&redis).await == 2
    })
    .await;
    let intake = here.intake();

    server.kill();
    while tokio::time::timeout(Duration::from_millis(200), wakeups.next())
        .await
        .is_ok()
    {}
    let asked = std::time::Instant::now();
    intake.accept(message("in:1")).await.unwrap();
    wake_for(&mut wakeups, "in:1").await;
    let fell_back = asked.elapsed();
    server.restart();

    assert!(fell_back < Duration::from_secs(1), "{fell_back:?}");
    wait_until("both listen again", async || {
        hear_through_redis(&redis).await == 2
    })
    .await;
    intake.accept(message("in:2")).await.unwrap();
    wake_for(&mut wakeups, "in:2").await;
}
