//! A worker's place among the workers: its heartbeat, the leases it holds, and whether it may still act on them (L4).
//!
//! It exists so that exactly one worker acts on a partition, and so that a dead one's partitions are taken over within
//! 15 s without any shared clock. Heartbeats run on an operating system thread and a connection of their own: a busy
//! runtime or an exhausted pool must not look like death. What a partition's messages do is the pool's; who should own
//! what is `ownership`'s. The decisions (`roster`, `plan`) are pure and get their instants handed in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sallyport_postgres::Pools;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot, watch};
use validator::Validate;

use crate::ownership::WorkerId;
use crate::{Partition, Token};

mod heart;
mod plan;
mod pulse;
mod roster;
mod statements;

use pulse::Pulse;

/// How long a lease lasts without a heartbeat.
#[derive(Debug, Clone, Copy, Deserialize, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A silent worker loses its partitions after this long. Shorter means a faster takeover, and less patience with a
    /// slow database.
    #[validate(range(
        min = 500,
        max = 60_000,
        message = "must lie between 500 and 60000 milliseconds"
    ))]
    pub lease_ms: u64,
}

impl Default for Settings {
    /// Ten seconds: with five beats to a lease, a takeover is done within fifteen.
    fn default() -> Self {
        Self { lease_ms: 10_000 }
    }
}

impl Settings {
    /// The lease as a duration.
    #[must_use]
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }
}

/// A partition that this worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Proves the ownership in every settlement; each transfer makes a new one.
    pub token: Token,
    /// `false` asks for a handover: finish what runs, then [`Membership::release`].
    pub keep: bool,
}

/// Everything this worker holds at one moment.
pub type Holdings = BTreeMap<Partition, Holding>;

/// Why a worker could not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The first heartbeat did not reach the database.
    #[error("the first heartbeat of worker {worker} failed")]
    FirstBeat {
        /// Whose.
        worker: WorkerId,
        /// Why.
        #[source]
        source: BeatError,
    },
    /// The operating system gave no thread.
    #[error("no thread could be started for the heartbeat")]
    Thread(#[source] std::io::Error),
    /// The thread ended before its first heartbeat.
    #[error("the heartbeat ended before it began")]
    Gone,
}

pub use heart::BeatError;

/// What a worker decides from what it saw, without a clock or a database: public, because a simulation drives it, too.
pub mod decisions {
    pub use super::plan::{Judgement, Lease, Ours, Plan, Take};
    pub use super::roster::{Beat, Crowd, Look, Roster, may_work};
}

/// What the owner of a [`Membership`] asks of its heart.
#[derive(Debug)]
enum Ask {
    Release(Vec<(Partition, Token)>, oneshot::Sender<()>),
    Leave,
    FallSilent,
    Stop(oneshot::Sender<()>),
}

/// How many requests may wait for the heart. Handovers come in batches, so a few are plenty.
const ASKS_MAX: usize = 64;

/// What the heart and its owner share.
#[derive(Debug)]
struct Shared {
    born: Instant,
    lease: Duration,
    /// When the last successful beat was sent, in nanoseconds after `born`; zero while there was none.
    last_beat_nanos: AtomicU64,
    pulse: Pulse,
}

impl Shared {
    fn beat_succeeded(&self, sent: Instant) {
        let nanos = sent.saturating_duration_since(self.born).as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX).max(1);
        self.last_beat_nanos.store(nanos, Ordering::Release);
    }

    fn may_work(&self, now: Instant) -> bool {
        match self.last_beat_nanos.load(Ordering::Acquire) {
            0 => false,
            nanos => roster::may_work(self.born + Duration::from_nanos(nanos), now, self.lease),
        }
    }
}

/// One worker's membership. Dropping it stops the heartbeat at once, as a crash would; [`Membership::stop`] leaves in order.
#[derive(Debug)]
pub struct Membership {
    me: WorkerId,
    shared: Arc<Shared>,
    holdings: watch::Receiver<Arc<Holdings>>,
    asks: mpsc::Sender<Ask>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Membership {
    /// Starts the heartbeat of `me` and waits for its first success. Partitions come later, through [`Membership::changes`].
    ///
    /// # Errors
    /// When the database cannot be reached within a third of a lease, or no thread can be started.
    pub async fn join(pools: &Pools, settings: &Settings, me: WorkerId) -> Result<Self, JoinError> {
        let shared = Arc::new(Shared {
            born: Instant::now(),
            lease: settings.lease(),
            last_beat_nanos: AtomicU64::new(0),
            pulse: Pulse::default(),
        });
        let (publish, holdings) = watch::channel(Arc::new(Holdings::new()));
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let (born, first_beat) = oneshot::channel();
        let heart = heart::Heart::new(
            me.clone(),
            pools.clone(),
            Arc::clone(&shared),
            publish,
            asked,
        );
        let thread = std::thread::Builder::new()
            .name(String::from("heartbeat"))
            .spawn(move || heart.live(born))
            .map_err(JoinError::Thread)?;
        match first_beat.await {
            Ok(Ok(())) => Ok(Self {
                me,
                shared,
                holdings,
                asks,
                thread: Mutex::new(Some(thread)),
            }),
            Ok(Err(source)) => Err(JoinError::FirstBeat { worker: me, source }),
            Err(oneshot::error::RecvError { .. }) => Err(JoinError::Gone),
        }
    }

    /// The worker's own name.
    #[must_use]
    pub fn me(&self) -> &WorkerId {
        &self.me
    }

    /// What is held now.
    #[must_use]
    pub fn holdings(&self) -> Arc<Holdings> {
        Arc::clone(&self.holdings.borrow())
    }

    /// A receiver that wakes whenever the holdings change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Holdings>> {
        self.holdings.clone()
    }

    /// Whether the holder may start and settle at `now`: its last successful beat was sent less than two thirds of a
    /// lease ago. Cheap enough to be asked for every message.
    #[must_use]
    pub fn may_work(&self, now: Instant) -> bool {
        self.shared.may_work(now)
    }

    /// A sign of life of whoever acts on the holdings. One atomic addition.
    pub fn pulse(&self) {
        self.shared.pulse.give();
    }

    /// From its first sign of life on, the holder counts as dead when it gives none for `silence_max`, although its process
    /// lives. Then the heartbeat ends as in a crash, so that others take over, and `dead` is called once, on the
    /// heartbeat's thread: the one that surely still runs.
    pub fn expect_pulse(&self, silence_max: Duration, dead: impl Fn() + Send + Sync + 'static) {
        self.shared.pulse.expect(silence_max, Box::new(dead));
    }

    /// Gives leases back. Returns when they are free, or when that was tried in vain: then they expire by themselves.
    pub async fn release(&self, leases: Vec<(Partition, Token)>) {
        let (done, released) = oneshot::channel();
        if self.asks.send(Ask::Release(leases, done)).await.is_ok() {
            // An error here means that the heart stopped, and then the leases expire.
            released.await.ok();
        }
    }

    /// Announces that this worker goes: nothing new comes, and everything held is to be handed over.
    pub async fn leave(&self) {
        // An error means that the heart stopped: then everybody will notice.
        self.asks.send(Ask::Leave).await.ok();
    }

    /// Strikes the worker off the list, releases what is left and stops the heartbeat. A second call does nothing.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.asks.send(Ask::Stop(done)).await.is_ok() {
            stopped.await.ok();
        }
        self.join_thread().await;
    }

    /// Stops the heartbeat without releasing anything, as a crash would.
    pub async fn fall_silent(&self) {
        // An error means that it is silent already.
        self.asks.send(Ask::FallSilent).await.ok();
        self.join_thread().await;
    }

    async fn join_thread(&self) {
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // The heart has said its last word, so this does not block for longer than its runtime's end.
            tokio::task::spawn_blocking(move || thread.join())
                .await
                .ok();
        }
    }
}

#[cfg(test)]
mod tests;
