//! A worker whose handlers do nothing but note when somebody's message began.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use async_trait::async_trait;
use sallyport_postgres::testing::TestDatabase;
use sallyport_queue::membership::{self, Membership};
use sallyport_queue::ownership::WorkerId;
use sallyport_queue::{Claimed, Queue, Settings};
use sallyport_telemetry::trace::{KeepPolicy, Sinks};
use sallyport_workers::pool::{
    Handled, Handler, Handlers, KindPolicy, Pool, PoolHandle, PoolSettings, Run,
};
use tokio::sync::{Mutex, mpsc};

/// So many starts of people's messages may be unread.
const PERSONS_MAX: usize = 1_024;

/// Keys that begin with this are counted.
pub(crate) const COUNTED: &str = "in:counted";
/// Keys that begin with this are a person's, who waits.
pub(crate) const PERSON: &str = "in:person";

/// Does nothing, and counts.
struct Nothing {
    policy: KindPolicy,
    counted: AtomicUsize,
    handled: AtomicUsize,
    began: mpsc::Sender<Instant>,
}

#[async_trait]
impl Handler for Nothing {
    fn policy(&self) -> &KindPolicy {
        &self.policy
    }

    async fn handle(&self, message: Arc<Claimed>, _run: Run) -> Handled {
        self.handled.fetch_add(1, Ordering::Relaxed);
        if message.key.as_str().starts_with(COUNTED) {
            self.counted.fetch_add(1, Ordering::Relaxed);
        } else if message.key.as_str().starts_with(PERSON) {
            // Nobody listens to a worker that is being stopped.
            self.began.send(Instant::now()).await.ok();
        }
        Handled::done()
    }
}

/// A running worker on a queue of its own process.
pub(crate) struct Worker {
    nothing: Arc<Nothing>,
    began: Mutex<mpsc::Receiver<Instant>>,
    pool: PoolHandle,
    pub(crate) queue: Queue,
}

/// A worker that is connected and has joined, and takes nothing yet.
pub(crate) struct Ready {
    nothing: Arc<Nothing>,
    began: mpsc::Receiver<Instant>,
    queue: Queue,
    membership: Membership,
    handlers: Handlers,
}

impl Ready {
    pub(crate) async fn open(database: &TestDatabase, kind: &str) -> Result<Self> {
        let pools = database.pools();
        let queue = Queue::open(pools.clone(), Settings::default()).await?;
        let (tell, began) = mpsc::channel(PERSONS_MAX);
        let nothing = Arc::new(Nothing {
            policy: KindPolicy::default(),
            counted: AtomicUsize::new(0),
            handled: AtomicUsize::new(0),
            began: tell,
        });
        let mut handlers = Handlers::default();
        handlers.add(kind, Arc::clone(&nothing) as Arc<dyn Handler>)?;
        let lease = membership::Settings::default();
        let membership = Membership::join(&pools, &lease, WorkerId::new("bench")).await?;
        Ok(Self {
            nothing,
            began,
            queue,
            membership,
            handlers,
        })
    }

    pub(crate) fn start(self) -> Worker {
        let keep = KeepPolicy {
            ratio: 0.0,
            ..KeepPolicy::default()
        };
        let pool = Pool::start(
            &self.queue,
            Arc::new(self.membership),
            &self.handlers,
            &PoolSettings::default(),
            Arc::new(Sinks::default()),
            keep,
        );
        Worker {
            nothing: self.nothing,
            began: Mutex::new(self.began),
            pool,
            queue: self.queue,
        }
    }
}

impl Worker {
    /// Waits until so many of those that count were handled. Returns how many were handled in all by then.
    pub(crate) async fn wait_for(&self, counted: usize) -> usize {
        while self.nothing.counted.load(Ordering::Relaxed) < counted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.nothing.handled.load(Ordering::Relaxed)
    }

    /// When the next message of a person began; `None` when the worker is gone. For one caller at a time.
    pub(crate) async fn next_person(&self) -> Option<Instant> {
        self.began.lock().await.recv().await
    }

    pub(crate) async fn stop(self) {
        self.pool.drain(Duration::from_secs(5)).await;
    }
}

/// The most memory that this process had resident so far, in MB.
pub(crate) fn resident_most_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}
