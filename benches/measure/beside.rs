//! The same work beside backlogs of different shapes: what waits must slow nobody else down, nor fill the worker's memory.
//!
//! Each case is a database of its own. The messages that count have keys of their own and come after the backlog; twenty
//! of a person come while the worker is at it. Until the last that counts, the worker also handles what waits, as far as it is
//! that one's turn: what it handles in all is compared with what it handles where nothing waits.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sallyport_postgres::testing::TestDatabase;
use sallyport_queue::{Key, NewMessage, PayloadFormat, Priority};
use sallyport_telemetry::trace::SpanContext;
use tokio_postgres::Client;

use crate::backlog::{self, KIND, Options};
use crate::worker::{COUNTED, PERSON, Ready, Worker, resident_most_mb};

/// A person's messages in each case, and the time between two.
const PERSONS: usize = 20;
const PERSON_EVERY: Duration = Duration::from_millis(50);
/// The tenant whose backlog it is.
const LOUD: &str = "loud";
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

    /// Whose the person is. Within a tenant, whoever comes later with the same urgency waits.
    fn tenant_of_person(self) -> &'static str {
        match self {
            Self::BackgroundWork => LOUD,
            Self::Nothing | Self::KeysOfItsOwn | Self::OneKey | Self::HeldKeys => "quiet",
        }
    }

    async fn fill(self, owner: &Client, messages: usize) -> Result<()> {
        let loud = Options {
            tenant: LOUD,
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
        "  {:<30} {:>10} {:>10} {:>8} {:>12} {:>12} {:>10}",
        "backlog", "counted/s", "in all/s", "of none", "person p50", "person max", "MB at most"
    );
    let mut alone = None;
    for shape in Shape::ALL {
        let Measured {
            counted_per_second,
            handled_per_second,
            mut waits,
        } = measure(shape, waiting, counted).await?;
        let alone = *alone.get_or_insert(handled_per_second);
        waits.sort_unstable();
        let milliseconds = |wait: Option<&Duration>| wait.map_or(0.0, |w| w.as_secs_f64() * 1e3);
        println!(
            "  {:<30} {:>10.0} {:>10.0} {:>7.0}% {:>9.1} ms {:>9.1} ms {:>10.0}",
            shape.name(),
            counted_per_second,
            handled_per_second,
            100.0 * handled_per_second / alone,
            milliseconds(waits.get(waits.len() / 2)),
            milliseconds(waits.last()),
            resident_most_mb(),
        );
    }
    Ok(())
}

/// What a case came to.
struct Measured {
    counted_per_second: f64,
    handled_per_second: f64,
    /// Between a person's message and its handler.
    waits: Vec<Duration>,
}

async fn measure(shape: Shape, waiting: usize, counted: usize) -> Result<Measured> {
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
    let worker = Ready::open(&database, KIND).await?.start();
    let work = async {
        let handled = worker.wait_for(counted).await;
        (handled, start.elapsed().as_secs_f64())
    };
    let ((handled, took), waits) = tokio::join!(work, person(shape, &worker));
    let waits = waits?;
    worker.stop().await;
    Ok(Measured {
        counted_per_second: counted as f64 / took,
        handled_per_second: handled as f64 / took,
        waits,
    })
}

/// A person writes, and writes again when that was begun.
async fn person(shape: Shape, worker: &Worker) -> Result<Vec<Duration>> {
    let mut waits = Vec::with_capacity(PERSONS);
    for number in 0..PERSONS {
        tokio::time::sleep(PERSON_EVERY).await;
        let sent = Instant::now();
        let message = of_a_person(shape.tenant_of_person(), number);
        worker.queue.intake().accept(message).await?;
        let began = worker.next_person().await.context("the worker is gone")?;
        waits.push(began.saturating_duration_since(sent));
    }
    Ok(waits)
}

fn of_a_person(tenant: &str, number: usize) -> NewMessage {
    NewMessage {
        bot: "bench".to_owned(),
        tenant: tenant.to_owned(),
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
