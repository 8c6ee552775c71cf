//! Waking workers when something becomes ready (law L13).
//!
//! In the same process a wake-up is a broadcast; to other processes it is a NOTIFY, sent outside transactions by one
//! notifier per process and at most so often, because NOTIFY takes a lock of the whole server at its commit. A wake-up
//! names partitions, never messages, and may get lost: the sweep behind it finds everything.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sallyport_postgres::{PoolError, Pools, Role};
use tokio::sync::{Notify, broadcast, watch};
use tokio_postgres::AsyncMessage;
use tokio_util::sync::CancellationToken;

use crate::events;
use crate::partition::PartitionSet;

/// The name of the channel in the database.
const CHANNEL: &str = "sallyport_queue";
/// The channel on which new orders are announced: seldom, and to everybody.
const ORDERS_CHANNEL: &str = "sallyport_orders";
/// How many wake-ups a slow listener may be behind before it is told to look everywhere.
const BEHIND_MAX: usize = 64;
/// How long the listener waits before it connects again.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

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
        };
        Self {
            inner: Arc::new(inner),
        }
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
    pools: Pools,
    notifications_per_second_max: u64,
    stop: CancellationToken,
) {
    let pause = Duration::from_secs(1)
        / u32::try_from(notifications_per_second_max.max(1)).unwrap_or(u32::MAX);
    loop {
        let rung = tokio::select! {
            () = stop.cancelled() => return,
            rung = bell.wait() => rung,
        };
        if let Err(error) = send(&bell, &pools, &rung).await {
            events::notification_failed(error.as_ref());
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn send(
    bell: &Bell,
    pools: &Pools,
    rung: &Rung,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let connection = pools.read().get().await?;
    let payload = format!("{} {}", bell.inner.process, rung.partitions.to_hex());
    let statement = connection
        .prepare_cached("SELECT pg_notify($1, $2)")
        .await?;
    if rung.orders {
        connection
            .execute(&statement, &[&ORDERS_CHANNEL, &bell.inner.process])
            .await?;
    }
    if !rung.partitions.is_empty() {
        connection
            .execute(&statement, &[&CHANNEL, &payload])
            .await?;
    }
    Ok(())
}

/// Hears the other processes, until `stop`. A lost connection is made again; what rang meanwhile is made good by telling
/// everybody to look everywhere.
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
