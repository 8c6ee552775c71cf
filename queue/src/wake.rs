//! Waking workers when something becomes ready (law L13).
//!
//! In the same process a wake-up is a broadcast. To other processes it goes through Redis, or as a NOTIFY when there is
//! none, when it is away, or when nobody but us hears it there: sent outside transactions by one notifier per process and
//! at most so often, because NOTIFY takes a lock of the whole server at its commit. Everybody listens to both, so which
//! way is taken is decided anew for every wake-up and by the sender alone. A wake-up names partitions, never messages,
//! and may get lost: the sweep behind it finds everything.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sallyport_postgres::{PoolError, Pools, Role};
use sallyport_redis::{Redis, RedisError};
use tokio::sync::{Notify, broadcast, watch};
use tokio_postgres::AsyncMessage;
use tokio_util::sync::CancellationToken;

use crate::events;
use crate::partition::PartitionSet;
use crate::stores::Stores;

/// The name of the channel, in the database and in Redis.
const CHANNEL: &str = "sallyport_queue";
/// The channel on which new orders are announced: seldom, and to everybody.
const ORDERS_CHANNEL: &str = "sallyport_orders";
/// How many wake-ups a slow listener may be behind before it is told to look everywhere.
const BEHIND_MAX: usize = 64;
/// The average pause between two words at Redis, where they cost no lock: what rings meanwhile is one word.
const PER_WORD_AT_REDIS: Duration = Duration::from_millis(1);
/// So many words may be said at once after a rest.
const AT_ONCE: u32 = 8;
/// How long the listener waits before it connects again.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);
/// The same for the listener at Redis: wake-ups are to go through it again within a second.
const REDIS_RECONNECT_AFTER: Duration = Duration::from_millis(250);

/// The bell of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Bell {
    inner: Arc<BellInner>,
}

#[derive(Debug)]
struct BellInner {
    here: broadcast::Sender<PartitionSet>,
    elsewhere: Mutex<PartitionSet>,
    rung: Notify,
    orders: watch::Sender<()>,
    orders_elsewhere: AtomicBool,
    process: String,
    /// Whether this process hears its own words at Redis.
    hears_redis: AtomicBool,
}

impl Bell {
    /// A bell for the process that calls itself `process` in notifications.
    pub(crate) fn new(process: String) -> Self {
        let (here, _) = broadcast::channel(BEHIND_MAX);
        let inner = BellInner {
            here,
            elsewhere: Mutex::new(PartitionSet::EMPTY),
            rung: Notify::new(),
            orders: watch::Sender::new(()),
            orders_elsewhere: AtomicBool::new(false),
            process,
            hears_redis: AtomicBool::new(false),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// What the process calls itself: a name that no other has.
    pub(crate) fn process(&self) -> &str {
        &self.inner.process
    }

    /// Something became ready in these partitions, whoever owns them. Never blocks.
    pub(crate) fn ring(&self, partitions: PartitionSet) {
        if partitions.is_empty() {
            return;
        }
        self.ring_here(partitions);
        self.inner.elsewhere.lock().union(partitions);
        self.inner.rung.notify_one();
    }

    /// The same, when only this process can be concerned.
    pub(crate) fn ring_here(&self, partitions: PartitionSet) {
        if partitions.is_empty() {
            return;
        }
        // Nobody listens in a process that only takes in; that is no loss.
        let _listeners = self.inner.here.send(partitions);
    }

    /// A new listener: it hears what rings from now on.
    pub(crate) fn listen(&self) -> Wakeups {
        Wakeups {
            rung: self.inner.here.subscribe(),
        }
    }

    /// There are new orders, for every worker. Never blocks.
    pub(crate) fn ring_orders(&self) {
        self.ring_orders_here();
        self.inner.orders_elsewhere.store(true, Ordering::Release);
        self.inner.rung.notify_one();
    }

    pub(crate) fn ring_orders_here(&self) {
        self.inner.orders.send_replace(());
    }

    /// A listener for new orders.
    pub(crate) fn listen_for_orders(&self) -> watch::Receiver<()> {
        self.inner.orders.subscribe()
    }

    async fn wait(&self) -> Rung {
        loop {
            let rung = Rung {
                partitions: std::mem::take(&mut *self.inner.elsewhere.lock()),
                orders: self.inner.orders_elsewhere.swap(false, Ordering::AcqRel),
            };
            if rung.orders || !rung.partitions.is_empty() {
                return rung;
            }
            self.inner.rung.notified().await;
        }
    }
}

/// What the other processes are to be told.
struct Rung {
    partitions: PartitionSet,
    orders: bool,
}

/// The wake-ups that a pool of workers waits for.
#[derive(Debug)]
pub struct Wakeups {
    rung: broadcast::Receiver<PartitionSet>,
}

impl Wakeups {
    /// Waits until something may be ready, and says where to look. Everything that rang meanwhile is one answer; whoever
    /// fell behind is told to look everywhere. Never ends while the queue is open.
    ///
    /// # Cancel safety
    /// Cancel safe: a dropped call loses no wake-up.
    pub async fn next(&mut self) -> PartitionSet {
        let mut partitions = match self.rung.recv().await {
            Ok(partitions) => partitions,
            Err(broadcast::error::RecvError::Lagged(_)) => return PartitionSet::ALL,
            Err(broadcast::error::RecvError::Closed) => return std::future::pending().await,
        };
        while let Ok(more) = self.rung.try_recv() {
            partitions.union(more);
        }
        partitions
    }
}

/// Tells the other processes, until `stop`.
pub(crate) async fn notify(
    bell: Bell,
    stores: Stores,
    notifications_per_second_max: u64,
    stop: CancellationToken,
) {
    let per_notification = Duration::from_secs(1)
        / u32::try_from(notifications_per_second_max.max(1)).unwrap_or(u32::MAX);
    let mut tempo = Tempo::new(Instant::now());
    loop {
        let rung = tokio::select! {
            () = stop.cancelled() => return,
            rung = bell.wait() => rung,
        };
        let pause = match send(&bell, &stores, &rung).await {
            Ok(Way::Redis) => PER_WORD_AT_REDIS,
            Ok(Way::Database) => per_notification,
            Err(error) => {
                events::notification_failed(error.as_ref());
                per_notification
            }
        };
        let next = tempo.said(Instant::now(), pause);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(next.into()) => {}
        }
    }
}

/// How the other processes were told.
enum Way {
    Redis,
    Database,
}

/// When the next word may be said: so often on average, and a few at once after a rest, since one message on its way through the
/// house rings several times. (The generic cell rate algorithm, ITU-T I.371.)
struct Tempo {
    /// When everything said so far would have been said at an even pace.
    even: Instant,
}

impl Tempo {
    fn new(now: Instant) -> Self {
        Self { even: now }
    }

    /// Something was said, and takes `pause` of the average: when the next may be.
    fn said(&mut self, now: Instant, pause: Duration) -> Instant {
        self.even = self.even.max(now) + pause;
        self.even - pause * AT_ONCE
    }
}

async fn send(
    bell: &Bell,
    stores: &Stores,
    rung: &Rung,
) -> Result<Way, Box<dyn std::error::Error + Send + Sync>> {
    let payload = format!("{} {}", bell.inner.process, rung.partitions.to_hex());
    let heard_there = match &stores.redis {
        Some(redis) if !rung.partitions.is_empty() => others_heard(bell, redis, &payload).await,
        Some(_) | None => false,
    };
    if heard_there && !rung.orders {
        return Ok(Way::Redis);
    }
    let connection = stores.pools.read().get().await?;
    let statement = connection
        .prepare_cached("SELECT pg_notify($1, $2)")
        .await?;
    if rung.orders {
        connection
            .execute(&statement, &[&ORDERS_CHANNEL, &bell.inner.process])
            .await?;
    }
    if !rung.partitions.is_empty() && !heard_there {
        connection
            .execute(&statement, &[&CHANNEL, &payload])
            .await?;
    }
    Ok(Way::Database)
}

/// Says it through Redis. Whether another process heard it: one that has just lost its way to Redis listens elsewhere.
async fn others_heard(bell: &Bell, redis: &Redis, payload: &str) -> bool {
    let ourselves = u64::from(bell.inner.hears_redis.load(Ordering::Relaxed));
    match redis.say(CHANNEL, payload).await {
        Ok(heard_by) => heard_by > ourselves,
        Err(_) => false,
    }
}

/// Hears the other processes through Redis, until `stop`.
pub(crate) async fn hear_redis(bell: Bell, redis: Redis, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let heard = stop
            .run_until_cancelled(hear_redis_once(&bell, &redis))
            .await;
        bell.inner.hears_redis.store(false, Ordering::Relaxed);
        let Some(Err(error)) = heard else { return };
        events::redis_listener_lost(&error);
        let pause = tokio::time::sleep(REDIS_RECONNECT_AFTER);
        if stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

/// Ends when the connection does.
async fn hear_redis_once(bell: &Bell, redis: &Redis) -> Result<(), RedisError> {
    let mut listener = redis.listen(CHANNEL).await?;
    bell.inner.hears_redis.store(true, Ordering::Relaxed);
    bell.ring_here(PartitionSet::ALL);
    loop {
        pass_on(bell, &listener.next().await?);
    }
}

/// Hears the other processes through the database, until `stop`. A lost connection is made again; what rang
/// meanwhile is made good by telling everybody to look everywhere.
pub(crate) async fn hear(bell: Bell, pools: Pools, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let heard = tokio::select! {
            () = stop.cancelled() => return,
            heard = hear_once(&bell, &pools) => heard,
        };
        events::listener_lost(heard.err().as_deref());
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RECONNECT_AFTER) => {}
        }
    }
}

async fn hear_once(
    bell: &Bell,
    pools: &Pools,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (client, mut connection) = pools
        .connect_alone("listener", Role::Workers)
        .await
        .map_err(Box::<PoolError>::new)?;
    let listen = format!("LISTEN {CHANNEL}; LISTEN {ORDERS_CHANNEL}");
    let mut listening = Box::pin(client.batch_execute(&listen));
    let mut is_listening = false;
    loop {
        tokio::select! {
            done = &mut listening, if !is_listening => {
                done?;
                is_listening = true;
                bell.ring_here(PartitionSet::ALL);
                bell.ring_orders_here();
            }
            message = poll_fn(|context| connection.poll_message(context)) => match message {
                Some(Ok(AsyncMessage::Notification(notification))) if notification.channel() == ORDERS_CHANNEL => {
                    bell.ring_orders_here();
                }
                Some(Ok(AsyncMessage::Notification(notification))) => pass_on(bell, notification.payload()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
        }
    }
}

/// What this process said itself it has heard already.
fn pass_on(bell: &Bell, payload: &str) {
    match payload.split_once(' ') {
        Some((process, _)) if process == bell.inner.process => {}
        Some((_, partitions)) => {
            bell.ring_here(PartitionSet::from_hex(partitions).unwrap_or(PartitionSet::ALL))
        }
        None => bell.ring_here(PartitionSet::ALL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::Partition;

    #[test]
    fn a_few_words_are_said_at_once_and_many_at_the_average() {
        let (start, pause) = (Instant::now(), Duration::from_millis(10));
        let mut tempo = Tempo::new(start);
        let mut now = start;

        for _ in 0..AT_ONCE {
            assert!(tempo.said(now, pause) <= now);
        }
        for _ in 0..100 {
            now = now.max(tempo.said(now, pause));
        }
        assert_eq!(now - start, pause * 100);
        now += pause * 1_000;

        assert!(tempo.said(now, pause) <= now, "after a rest");
    }

    #[tokio::test]
    async fn what_rang_several_times_is_heard_once_with_every_partition() {
        let bell = Bell::new("a".to_owned());
        let mut wakeups = bell.listen();

        bell.ring([Partition(3)].into_iter().collect());
        bell.ring([Partition(200)].into_iter().collect());

        assert_eq!(
            wakeups.next().await,
            [Partition(3), Partition(200)].into_iter().collect()
        );
    }

    #[tokio::test]
    async fn whoever_fell_behind_is_told_to_look_everywhere() {
        let bell = Bell::new("a".to_owned());
        let mut wakeups = bell.listen();

        for _ in 0..=BEHIND_MAX {
            bell.ring_here([Partition(3)].into_iter().collect());
        }

        assert_eq!(wakeups.next().await, PartitionSet::ALL);
    }

    #[tokio::test]
    async fn a_process_ignores_the_echo_of_its_own_notification() {
        let bell = Bell::new("me".to_owned());
        let mut wakeups = bell.listen();
        let elsewhere: PartitionSet = [Partition(9)].into_iter().collect();

        pass_on(&bell, &format!("me {}", PartitionSet::ALL.to_hex()));
        pass_on(&bell, &format!("you {}", elsewhere.to_hex()));

        assert_eq!(wakeups.next().await, elsewhere);
    }
}
