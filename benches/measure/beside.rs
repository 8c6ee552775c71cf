//! The same work beside backlogs of different shapes: what waits must slow nobody else down, nor fill the worker's memory.
//!
//! Each case is a database of its own. The messages that count have keys of their own and come after the backlog; twenty
//! of a person come while the worker is at it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sallyport_postgres::testing::TestDatabase;
use sallyport_queue::{Key, NewMessage, PayloadFormat, Priority};
use sallyport_telemetry::trace::SpanContext;
use tokio_postgres::Client;

use crate::backlog::{self, KIND, Options};
use crate::worker::{COUNTED, PERSON, Ready, resident_most_mb};

/// A person's messages in each case, and the time between two.
const PERSONS: usize = 20;
const PERSON_EVERY: Duration = Duration::from_millis(50);
/// Keys that are held, each with its part of the backlog behind it.
const HELD_KEYS: usize = 10_000;

/// Delays the head of every key of the backlog for a day and parks its key.
const HOLD: &str = "WITH heads AS (SELECT min(id) AS id FROM queue WHERE key LIKE 'in:held%' GROUP BY key), \
     delayed AS (UPDATE queue SET state = 1, ready_at = now() + interval '1 day' \
                 WHERE id IN (SELECT id FROM heads) RETURNING partition, key, id) \
     INSERT INTO held_keys (partition, key, head) SELECT partition, key, id FROM delayed";

#[derive(Debug, Clone, Copy)]
enum Shape {
    Nothing,
    KeysOfItsOwn,
    BackgroundWork,
    OneKey,
    HeldKeys,
}

impl Shape {
    const ALL: [Self; 5] = [
        Self::Nothing,
        Self::KeysOfItsOwn,
        Self::BackgroundWork,
        Self::OneKey,
        Self::HeldKeys,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "no backlog",
            Self::KeysOfItsOwn => "another tenant's, a key each",
            Self::BackgroundWork => "background work, a key each",
            Self::OneKey => "all of one key",
            Self::HeldKeys => "10,000 held keys",
        }
    }

    async fn fill(self, owner: &Client, messages: usize) -> Result<()> {
        let loud = Options {
            tenant: "loud",
            ..Options::default()
        };
        let options = match self {
            Self::Nothing => return Ok(()),
            Self::KeysOfItsOwn => loud,
            Self::BackgroundWork => Options {
                priority: 2,
                prefix: "ask:bench",
                ..loud
            },
            Self::OneKey => Options { keys: 1, ..loud },
            Self::HeldKeys => Options {
                keys: HELD_KEYS,
                prefix: "in:held",
                ..loud
            },
        };
        backlog::fill(owner, messages, &options).await?;
        if matches!(self, Self::HeldKeys) {
            let held = owner.batch_execute(HOLD).await;
            held.context("the keys could not be held")?;
        }
        Ok(())
    }
}

/// Measures every shape and prints a line for each.
pub(crate) async fn run(waiting: usize, counted: usize) -> Result<()> {
    println!("{counted} messages that do nothing, beside {waiting} that wait:");
    println!(
        "  {:<30} {:>10} {:>8} {:>12} {:>12} {:>10}",
        "backlog", "counted/s", "of none", "person p50", "person max", "MB at most"
    );
    let mut alone = None;
    for shape in Shape::ALL {
        let (rate, mut waits) = measure(shape, waiting, counted).await?;
        let alone = *alone.get_or_insert(rate);
        waits.sort_unstable();
        let milliseconds = |wait: Option<&Duration>| wait.map_or(0.0, |w| w.as_secs_f64() * 1e3);
        println!(
            "  {:<30} {:>10.0} {:>7.0}% {:>9.1} ms {:>9.1} ms {:>10.0}",
            shape.name(),
            rate,
            100.0 * rate / alone,
            milliseconds(waits.get(waits.len() / 2)),
            milliseconds(waits.last()),
            resident_most_mb(),
        );
    }
    Ok(())
}

async fn measure(shape: Shape, waiting: usize, counted: usize) -> Result<(f64, Vec<Duration>)> {
    let database = TestDatabase::create().await;
    let owner = database.owner().await;
    shape.fill(&owner, waiting).await?;
    let options = Options {
        prefix: COUNTED,
        ..Options::default()
    };
    backlog::fill(&owner, counted, &options).await?;
    backlog::settle_down(&owner).await?;

    let start = Instant::now();
    let mut worker = Ready::open(&database, KIND).await?.start();
    let mut waits = Vec::with_capacity(PERSONS);
    for number in 0..PERSONS {
        tokio::time::sleep(PERSON_EVERY).await;
        let sent = Instant::now();
        worker.queue.intake().accept(of_a_person(number)).await?;
        let began = worker.next_person().await.context("the worker is gone")?;
        waits.push(began.saturating_duration_since(sent));
    }
    worker.wait_for(counted).await;
    let rate = counted as f64 / start.elapsed().as_secs_f64();
    worker.stop().await;
    Ok((rate, waits))
}

fn of_a_person(number: usize) -> NewMessage {
    NewMessage {
        bot: "bench".to_owned(),
        tenant: "loud".to_owned(),
        source: "bench".to_owned(),
        delivery_id: None,
        kind: KIND.to_owned(),
        kind_version: 1,
        key: Key::from(format!("{PERSON}:{number}")),
        priority: Priority::Interactive,
        payload: b"1".to_vec().into(),
        payload_format: PayloadFormat::Bytes,
        subject: None,
        cause: None,
        trace: SpanContext::new_root(false),
        edge_spans: None,
        delay: None,
        expires_in: None,
        unique: None,
    }
}
