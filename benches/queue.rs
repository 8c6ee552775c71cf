//! How many messages a second go through the pool under the law of one at a time per key (L7), and where the time goes.
//!
//! It exists because the queue's speed is a promise (`docs/benchmarks.md`). Messages with distinct keys that do nothing
//! are put on the queue beforehand, in bulk; the clock runs from the moment a connected worker begins to take until the
//! last end is durable. Run it by `make bench`; an argument is the number of messages. `--backlog` measures the same beside 1,000,000
//! messages that wait, in several shapes; two numbers after it are how many wait and how many are measured.

#![expect(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]

#[path = "measure/backlog.rs"]
mod backlog;
#[path = "measure/beside.rs"]
mod beside;
#[path = "measure/usage.rs"]
mod usage;
#[path = "measure/worker.rs"]
mod worker;

use std::time::{Duration, Instant};

use anyhow::Result;
use sallyport_postgres::testing::TestDatabase;
use tikv_jemallocator::Jemalloc;
use tokio_postgres::Client;

use worker::{COUNTED, Ready, resident_most_mb};

/// As in the binary, whose worker is measured here.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

const MESSAGES: usize = 500_000;
/// What waits with `--backlog`, and what is measured beside it.
const WAITING: usize = 1_000_000;
const BESIDE: usize = 200_000;

#[tokio::main]
async fn main() -> Result<()> {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    if std::env::args().any(|argument| argument == "--backlog") {
        let waiting = numbers.next().unwrap_or(WAITING);
        return beside::run(waiting, numbers.next().unwrap_or(BESIDE)).await;
    }
    throughput(numbers.next().unwrap_or(MESSAGES)).await
}

async fn throughput(messages: usize) -> Result<()> {
    let database = TestDatabase::create().await;
    let owner = database.owner().await;
    let options = backlog::Options {
        prefix: COUNTED,
        ..backlog::Options::default()
    };
    backlog::fill(&owner, messages, &options).await?;
    backlog::settle_down(&owner).await?;

    let ready = Ready::open(&database, backlog::KIND).await?;
    let before = Usage::now(&owner).await?;
    let start = Instant::now();
    let worker = ready.start();
    worker.wait_for(messages).await;
    wait_until_empty(&owner).await?;
    let took = start.elapsed();
    let after = Usage::now(&owner).await?;

    report(messages, took, &before, &after);
    worker.stop().await;
    Ok(())
}

async fn wait_until_empty(owner: &Client) -> Result<()> {
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
