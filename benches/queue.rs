//! How many messages a second go through the pool under the law of one at a time per key (L7), and where the time goes.
//!
//! It exists because the queue's speed is a promise (`docs/benchmarks.md`). Messages with distinct keys that do nothing
//! are put on the queue beforehand, in bulk; the clock runs from the moment the worker joins until the last end is
//! durable. Run it by `make bench`; an argument is the number of messages.

#![expect(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]

#[path = "measure/backlog.rs"]
mod backlog;
#[path = "measure/usage.rs"]
mod usage;

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
use sallyport_workers::pool::{Handled, Handler, Handlers, KindPolicy, Pool, PoolSettings, Run};
use tokio_postgres::Client;

const MESSAGES: usize = 500_000;
/// Does nothing, and counts.
struct Nothing {
    policy: KindPolicy,
    handled: AtomicUsize,
}

#[async_trait]
impl Handler for Nothing {
    fn policy(&self) -> &KindPolicy {
        &self.policy
    }

    async fn handle(&self, _message: Arc<Claimed>, _run: Run) -> Handled {
        self.handled.fetch_add(1, Ordering::Relaxed);
        Handled::done()
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let messages = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(MESSAGES);
    let database = TestDatabase::create().await;
    let owner = database.owner().await;
    backlog::fill(&owner, messages, &backlog::Options::default()).await?;
    backlog::settle_down(&owner).await?;

    let pools = database.pools();
    let queue = Queue::open(pools.clone(), Settings::default()).await?;
    let nothing = Arc::new(Nothing {
        policy: KindPolicy::default(),
        handled: AtomicUsize::new(0),
    });
    let mut handlers = Handlers::default();
    handlers.add(backlog::KIND, Arc::clone(&nothing) as Arc<dyn Handler>)?;

    let before = Usage::now(&owner).await?;
    let start = Instant::now();
    let membership = Membership::join(
        &pools,
        &membership::Settings::default(),
        WorkerId::new("bench"),
    )
    .await?;
    let settings = PoolSettings::default();
    let keep = KeepPolicy {
        ratio: 0.0,
        ..KeepPolicy::default()
    };
    let pool = Pool::start(
        &queue,
        Arc::new(membership),
        &handlers,
        &settings,
        Arc::new(Sinks::default()),
        keep,
    );
    wait_until_empty(&owner, &nothing, messages).await?;
    let took = start.elapsed();
    let after = Usage::now(&owner).await?;

    report(messages, took, &before, &after);
    pool.drain(Duration::from_secs(5)).await;
    Ok(())
}

async fn wait_until_empty(owner: &Client, nothing: &Nothing, messages: usize) -> Result<()> {
    while nothing.handled.load(Ordering::Relaxed) < messages {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    loop {
        let left: bool = owner
            .query_one("SELECT EXISTS (SELECT FROM queue)", &[])
            .await?
            .get(0);
        if !left {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Processor time so far: ours, and that of the database's processes.
struct Usage {
    ours: Duration,
    database: Duration,
}

impl Usage {
    async fn now(owner: &Client) -> Result<Self> {
        Ok(Self {
            ours: usage::of_process("self"),
            database: usage::of_database(owner).await?,
        })
    }
}

fn report(messages: usize, took: Duration, before: &Usage, after: &Usage) {
    let each = |time| usage::each_us(time, messages);
    let (ours, database) = (
        after.ours.saturating_sub(before.ours),
        after.database.saturating_sub(before.database),
    );
    println!("{messages} messages that do nothing, distinct keys, one at a time per key (L7)");
    println!(
        "  {:>10.0} messages/s ({:.2} s)",
        messages as f64 / took.as_secs_f64(),
        took.as_secs_f64()
    );
    println!(
        "  {:>10.1} µs processor time per message in the worker",
        each(ours)
    );
    println!(
        "  {:>10.1} µs processor time per message in Postgres",
        each(database)
    );
    println!(
        "  {:>10.0} MB resident at most in the worker",
        resident_most_mb()
    );
}

/// The most memory that this process had resident so far, in MB.
fn resident_most_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}
