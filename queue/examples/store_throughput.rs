//! How many messages that need no work go through the store in a second: claim, settle, nothing between (law L7 holds,
//! since every message has a key of its own). Prints what a claim and a settlement cost.
//!
//! `SALLYPORT_TEST_DATABASE_URL=… cargo run --release -p sallyport-queue --example store_throughput [messages] [batch]`

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_postgres::testing::TestDatabase;
use sallyport_queue::ownership::WorkerId;
use sallyport_queue::{
    ClaimRequest, Claimed, HoldChange, InHand, Lanes, Partition, PartitionClaim, Priority, Queue,
    Settings, Settlement, Store, Token, Verdict,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Settlements under way at once.
const SETTLING_MAX: usize = 2;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let messages: i64 = arguments.next().map_or(Ok(200_000), |text| text.parse())?;
    let batch: usize = arguments.next().map_or(Ok(1_000), |text| text.parse())?;

    let database = TestDatabase::create().await;
    let queue = Queue::open(database.pools(), Settings::default()).await?;
    queue.janitor().sweep().await?;
    fill(&database, messages).await?;
    let store = queue.store(&WorkerId::new("bench"));

    let began = Instant::now();
    let costs = drain(store, messages, batch).await?;
    let took = began.elapsed();

    let rate = messages as f64 / took.as_secs_f64();
    print(&format!(
        "{messages} messages in {took:.2?}: {rate:.0}/s, batches of {batch}"
    ));
    print(&format!(
        "claims: {} in {:.2?}; settlements: {:.2?} in sum",
        costs.claims, costs.claiming, costs.settling
    ));
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "a measurement speaks to the person who started it"
)]
fn print(line: &str) {
    println!("{line}");
}

async fn fill(database: &TestDatabase, messages: i64) -> Result<(), tokio_postgres::Error> {
    let owner = database.owner().await;
    owner
        .batch_execute(&format!(
            "INSERT INTO messages (id, day, bot, tenant, source, kind, kind_version, key, partition, priority, payload,
                                   payload_format, trace, trace_id)
             SELECT number, current_date, 'bench', 'bench', 'bench', 'noop', 1, 'key:' || number, number % 256, 0, '{{}}',
                    0, decode(md5(number::text) || '000000000000000001', 'hex'), decode(md5(number::text), 'hex')
             FROM generate_series(1, {messages}) AS number;
             INSERT INTO queue (id, day, partition, priority, kind, key)
             SELECT number, current_date, number % 256, 0, 'noop', 'key:' || number
             FROM generate_series(1, {messages}) AS number;
             UPDATE leases SET owner = 'bench', token = 1, counted = 1;
             ANALYZE; CHECKPOINT"
        ))
        .await
}

struct Costs {
    claims: u32,
    claiming: Duration,
    settling: Duration,
}

/// What was settled, and how long it took.
type Settling = Result<(Vec<InHand>, Duration), sallyport_queue::StoreError>;

fn hand(message: &Claimed) -> InHand {
    InHand {
        partition: message.partition,
        id: message.id,
    }
}

async fn drain(
    store: Store,
    messages: i64,
    batch: usize,
) -> Result<Costs, Box<dyn std::error::Error>> {
    let slots = Arc::new(Semaphore::new(SETTLING_MAX));
    let per_partition = u16::try_from(batch / 128 + 1)?;
    let partitions: Vec<PartitionClaim> = Partition::all()
        .map(|partition| PartitionClaim {
            partition,
            token: Token(1),
            priority: Priority::Interactive,
            messages_max: per_partition,
            lanes: Lanes::InTurn,
            sweep: false,
        })
        .collect();
    let mut costs = Costs {
        claims: 0,
        claiming: Duration::ZERO,
        settling: Duration::ZERO,
    };
    let mut in_hand: HashSet<InHand> = HashSet::new();
    let mut settling: JoinSet<Settling> = JoinSet::new();
    let mut left = messages;
    while left > 0 {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        while let Some(done) = settling.try_join_next() {
            let (ids, took) = done??;
            costs.settling += took;
            for id in ids {
                in_hand.remove(&id);
            }
        }
        let held: Vec<InHand> = in_hand.iter().copied().collect();
        let request = ClaimRequest {
            partitions: &partitions,
            in_hand: &held,
            ..ClaimRequest::default()
        };
        let began = Instant::now();
        let claimed = store.claim(&request).await?.messages;
        costs.claiming += began.elapsed();
        costs.claims += 1;
        left -= i64::try_from(claimed.len())?;
        in_hand.extend(claimed.iter().map(hand));
        let store = store.clone();
        settling.spawn(async move {
            let settlements: Vec<Settlement> = claimed.iter().map(done).collect();
            let began = Instant::now();
            store.settle(&settlements).await?;
            drop(slot);
            Ok((claimed.iter().map(hand).collect(), began.elapsed()))
        });
    }
    while let Some(done) = settling.join_next().await {
        costs.settling += done??.1;
    }
    Ok(costs)
}

fn done(claimed: &Claimed) -> Settlement {
    Settlement {
        message: claimed.reference(),
        attempt: 1,
        started_at: claimed.accepted_at,
        verdict: Verdict::Done,
        hold: HoldChange::Keep,
        outgoing: Vec::new(),
    }
}
