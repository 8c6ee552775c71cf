//! How many messages a second go through the pool under the law of one at a time per key (L7), and where the time goes.
//!
//! It exists because the queue's speed is a promise (`docs/benchmarks.md`). Messages with distinct keys that do nothing
//! are put on the queue beforehand, in bulk; the clock runs from the moment the worker joins until the last end is
//! durable. Run it by `make bench`; an argument is the number of messages.

#![expect(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]

#[path = "measure/usage.rs"]
mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_trait::async_trait;
use sallyport_postgres::testing::TestDatabase;
use sallyport_queue::membership::{self, Membership};
use sallyport_queue::ownership::WorkerId;
use sallyport_queue::{Claimed, Key, Queue, Settings};
use sallyport_telemetry::trace::{KeepPolicy, Sinks, SpanContext};
use sallyport_workers::pool::{Handled, Handler, Handlers, KindPolicy, Pool, PoolSettings, Run};
use tokio_postgres::Client;

const MESSAGES: usize = 500_000;
const CHUNK: usize = 10_000;
const KIND: &str = "bench.nothing";

const FILL: &str = "WITH fresh AS ( \
        SELECT nextval('message_order') AS id, key, partition, trace \
        FROM unnest($1::text[], $2::smallint[], $3::bytea[]) AS given (key, partition, trace) \
    ), logged AS ( \
        INSERT INTO messages (id, day, bot, tenant, source, kind, kind_version, key, partition, priority, payload, \
                              payload_format, trace, trace_id) \
        SELECT id, current_date, 'bench', 'bench', 'bench', 'bench.nothing', 1, key, partition, 0, '{}', 0, trace, \
               substring(trace FOR 16) \
        FROM fresh \
    ) \
    INSERT INTO queue (id, day, partition, priority, kind, key) \
    SELECT id, current_date, partition, 0, 'bench.nothing', key FROM fresh";

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
    fill(&owner, messages).await?;

    let pools = database.pools();
    let queue = Queue::open(pools.clone(), Settings::default()).await?;
    let nothing = Arc::new(Nothing {
        policy: KindPolicy::default(),
        handled: AtomicUsize::new(0),
    });
    let mut handlers = Handlers::default();
    handlers.add(KIND, Arc::clone(&nothing) as Arc<dyn Handler>)?;

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

async fn fill(owner: &Client, messages: usize) -> Result<()> {
    let mut left = messages;
    let mut number = 0_u64;
    while left > 0 {
        let count = left.min(CHUNK);
        let keys: Vec<Key> = (0..count)
            .map(|_| {
                number += 1;
                Key::from(format!("in:bench:{number}"))
            })
            .collect();
        let names: Vec<&str> = keys.iter().map(Key::as_str).collect();
        let partitions: Vec<i16> = keys
            .iter()
            .map(|key| i16::from(key.partition().index()))
            .collect();
        let traces: Vec<Vec<u8>> = keys
            .iter()
            .map(|_| SpanContext::new_root(false).to_bytes().to_vec())
            .collect();
        owner
            .execute(FILL, &[&names, &partitions, &traces])
            .await
            .context("the queue could not be filled")?;
        left -= count;
    }
    for settle_down in [
        "VACUUM ANALYZE queue",
        "VACUUM ANALYZE messages",
        "CHECKPOINT",
    ] {
        owner
            .batch_execute(settle_down)
            .await
            .context("the filled queue could not be tidied")?;
    }
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
}
