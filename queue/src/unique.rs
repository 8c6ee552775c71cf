//! Unique messages: of all that share a name, one waits (ADR 0010).
//!
//! It exists so that a hundred triggers of one job are one job. A claim changes no row of the queue, so nobody can tell
//! from a *ready* row whether a worker has begun with it. A unique message therefore always starts *delayed*: its row is
//! turned ready by its owner's promotion, under a lock of that row, and what repeats it locks the same row first. While
//! it is delayed and was never begun it waits, and can be left, replaced or pushed back; from then on a repeat is a new
//! message, which is promoted only when the one before it is gone. So at most two of a name are on the queue: one that
//! may run and one that waits.
//!
//! A message that is replaced ends as cancelled and its log row stays: nothing that was accepted vanishes.

use std::time::Duration;

use sallyport_postgres::GenericClient;
use sallyport_postgres::{Pool, Pools};
use sallyport_telemetry::trace::SpanContext;

use crate::batch::{Batch, put_statement};
use crate::error::{AcceptError, StoreError};
use crate::events::IntakeEvents;
use crate::message::{MessageId, NewMessage, Receipt};
use crate::partition::PartitionSet;
use crate::settlement::Settlement;
use crate::wake::Bell;

/// A unique message is never ready at once: its own row has to say "delayed" first.
const SHORTEST: Duration = Duration::from_millis(1);
/// How often a statement that got in another's way is tried.
const TRIES_MAX: u32 = 4;

/// That only one of these may wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    /// What they have in common; it belongs to the bot. At most 512 bytes.
    pub name: String,
    /// What becomes of a repeat.
    pub mode: UniqueMode,
}

/// What becomes of a message whose name has one that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UniqueMode {
    /// It is not stored; the answer names the one that waits.
    Ignore,
    /// It takes the place of the one that waits, and its start. The one before ends as cancelled.
    Replace,
    /// It takes the place of the one that waits, and starts its own delay later, but no later than this long after the
    /// first one of the name came. At most a day.
    Debounce {
        /// The longest that repeats can push the start back.
        longest: Duration,
    },
}

/// What became of a unique message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its receipt; of the one that waits when this one was left out, which is a duplicate then.
    pub receipt: Receipt,
    /// The message whose place it took.
    pub replaced: Option<MessageId>,
}

/// The way in for unique messages. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Uniques {
    pools: Pools,
    bell: Bell,
    retry_after: Duration,
}

impl Uniques {
    pub(crate) fn new(pools: Pools, bell: Bell, retry_after: Duration) -> Self {
        Self {
            pools,
            bell,
            retry_after,
        }
    }

    /// Stores the message in a transaction of its own, unless one of its name waits and is to stay. A repeat after a lost
    /// answer finds the first one waiting.
    ///
    /// # Errors
    /// As [`Intake::accept`](crate::Intake::accept). A process that only takes in refuses: it may not look at the queue.
    pub(crate) async fn accept(
        &self,
        events: &IntakeEvents,
        message: &NewMessage,
    ) -> Result<Receipt, AcceptError> {
        let unavailable = AcceptError::Unavailable {
            retry_after: self.retry_after,
        };
        let pool = self
            .pools
            .handlers()
            .map_err(|error| AcceptError::Refused {
                reason: format!("unique messages are for workers: {error}"),
            })?;
        let mut tries = 0;
        loop {
            let error = match store_alone(pool, message).await {
                Ok(stored) => {
                    let mut touched = PartitionSet::EMPTY;
                    touched.insert(message.key.partition());
                    self.bell.ring(touched);
                    let receipt = stored.receipt;
                    events.accepted(&message.source, &message.kind, receipt.duplicate);
                    return Ok(receipt);
                }
                Err(error) => error,
            };
            tries += 1;
            if !error.got_in_the_way() || tries >= TRIES_MAX {
                events.batch_failed(1, &error);
                return Err(unavailable);
            }
        }
    }
}

async fn store_alone(pool: &Pool, message: &NewMessage) -> Result<Stored, StoreError> {
    let failed = || StoreError::postgres("accept a unique message");
    let mut connection = pool
        .get()
        .await
        .map_err(StoreError::pool("accept a unique message"))?;
    let transaction = connection.transaction().await.map_err(failed())?;
    let stored = put(&transaction, message).await?;
    transaction.commit().await.map_err(failed())?;
    Ok(stored)
}

/// Whether any of these settlements causes a unique message.
pub(crate) fn any_in(settlements: &[Settlement]) -> bool {
    settlements.iter().any(|settlement| {
        settlement
            .outgoing
            .iter()
            .any(|message| message.unique.is_some())
    })
}

/// Puts in the unique messages of those settlements that got through, in the order of their names, so that two
/// transactions never wait for each other's.
pub(crate) async fn put_caused(
    transaction: &impl GenericClient,
    settlements: &[Settlement],
    got_through: impl Fn(usize) -> bool,
) -> Result<(), StoreError> {
    let mut caused: Vec<&NewMessage> = settlements
        .iter()
        .enumerate()
        .filter(|(place, _)| got_through(*place))
        .flat_map(|(_, settlement)| settlement.outgoing.iter())
        .filter(|message| message.unique.is_some())
        .collect();
    caused.sort_by(|one, other| name_of(one).cmp(&name_of(other)));
    for message in caused {
        put(transaction, message).await?;
    }
    Ok(())
}

fn name_of(message: &NewMessage) -> (&str, Option<&str>) {
    let name = message.unique.as_ref().map(|unique| unique.name.as_str());
    (&message.bot, name)
}

/// What is known of the name when its row is locked.
struct Before {
    id: i64,
    partition: i16,
    priority: i16,
}

/// The message of the name that waits, locked.
struct Waits {
    /// In which day of the log it is.
    day: jiff::civil::Date,
    /// How long until it starts, in seconds.
    remaining: f64,
    /// How long ago the first of the name came, in seconds.
    since_first: f64,
}

/// Stores a unique message inside the caller's transaction.
pub(crate) async fn put(
    transaction: &impl GenericClient,
    message: &NewMessage,
) -> Result<Stored, StoreError> {
    message.check()?;
    let Some(unique) = &message.unique else {
        return Ok(Stored {
            receipt: store(transaction, message, SHORTEST).await?,
            replaced: None,
        });
    };
    let before = lock_name(transaction, message, unique).await?;
    let waits = match &before {
        Some(before) => lock_waiting(transaction, message, unique, before).await?,
        None => None,
    };
    let own = message.delay.unwrap_or_default();
    match (before, waits) {
        (Some(before), Some(waits)) => {
            let start = match unique.mode {
                UniqueMode::Ignore => return left_out(transaction, &before, waits.day).await,
                UniqueMode::Replace => seconds(waits.remaining),
                UniqueMode::Debounce { longest } => {
                    own.min(longest.saturating_sub(seconds(waits.since_first)))
                }
            };
            let receipt = store(transaction, message, start).await?;
            end_replaced(transaction, &before, receipt.id).await?;
            point_name(transaction, message, unique, receipt.id, Place::Taken).await?;
            Ok(Stored {
                receipt,
                replaced: Some(MessageId(before.id)),
            })
        }
        (_, None) | (None, Some(_)) => {
            let receipt = store(transaction, message, own).await?;
            point_name(transaction, message, unique, receipt.id, Place::New).await?;
            Ok(Stored {
                receipt,
                replaced: None,
            })
        }
    }
}

fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or_default()
}

/// Takes the lock of the name; returns the message that had it before.
async fn lock_name(
    transaction: &impl GenericClient,
    message: &NewMessage,
    unique: &Unique,
) -> Result<Option<Before>, StoreError> {
    let statement = transaction
        .prepare_cached(include_str!("unique/lock_name.sql"))
        .await
        .map_err(StoreError::postgres("lock a unique name"))?;
    let row = transaction
        .query_one(&statement, &[&message.bot, &unique.name])
        .await
        .map_err(StoreError::postgres("lock a unique name"))?;
    let id: i64 = row.get("message_id");
    Ok((id > 0).then(|| Before {
        id,
        partition: row.get("partition"),
        priority: row.get("priority"),
    }))
}

/// Locks the message of the name if it waits: its promotion has to wait now, or has won already.
async fn lock_waiting(
    transaction: &impl GenericClient,
    message: &NewMessage,
    unique: &Unique,
    before: &Before,
) -> Result<Option<Waits>, StoreError> {
    let statement = transaction
        .prepare_cached(include_str!("unique/lock_waiting.sql"))
        .await
        .map_err(StoreError::postgres("look for a waiting message"))?;
    let row = transaction
        .query_opt(
            &statement,
            &[
                &before.partition,
                &before.priority,
                &before.id,
                &message.bot,
                &unique.name,
            ],
        )
        .await
        .map_err(StoreError::postgres("look for a waiting message"))?;
    Ok(row.map(|row| Waits {
        day: row.get("day"),
        remaining: row.get("remaining"),
        since_first: row.get("since_first"),
    }))
}

async fn left_out(
    transaction: &impl GenericClient,
    before: &Before,
    day: jiff::civil::Date,
) -> Result<Stored, StoreError> {
    let row = transaction
        .query_one(
            "SELECT trace FROM messages WHERE day = $1 AND id = $2",
            &[&day, &before.id],
        )
        .await
        .map_err(StoreError::postgres("look at a waiting message"))?;
    let trace: SpanContext = crate::rows::trace(&row, "messages")?;
    Ok(Stored {
        receipt: Receipt {
            id: MessageId(before.id),
            trace,
            duplicate: true,
        },
        replaced: None,
    })
}

/// Puts the message on the queue, delayed.
async fn store(
    transaction: &impl GenericClient,
    message: &NewMessage,
    delay: Duration,
) -> Result<Receipt, StoreError> {
    let delayed = NewMessage {
        delay: Some(delay.max(SHORTEST)),
        ..message.clone()
    };
    let batch = Batch::of([&delayed])?;
    let row = transaction
        .query_one(&put_statement(), &batch.parameters())
        .await
        .map_err(StoreError::postgres("store a unique message"))?;
    Ok(Receipt {
        id: MessageId(row.get("id")),
        trace: message.trace,
        duplicate: false,
    })
}

async fn end_replaced(
    transaction: &impl GenericClient,
    before: &Before,
    by: MessageId,
) -> Result<(), StoreError> {
    transaction
        .execute(
            include_str!("unique/end_replaced.sql"),
            &[&before.partition, &before.priority, &before.id, &by.0],
        )
        .await
        .map_err(StoreError::postgres("replace a waiting message"))?;
    Ok(())
}

/// Whether a message takes the place of one that waited.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Taken,
    New,
}

async fn point_name(
    transaction: &impl GenericClient,
    message: &NewMessage,
    unique: &Unique,
    id: MessageId,
    place: Place,
) -> Result<(), StoreError> {
    transaction
        .execute(
            include_str!("unique/point_name.sql"),
            &[
                &message.bot,
                &unique.name,
                &id.0,
                &message.key.partition().to_sql(),
                &message.priority.to_sql(),
                &(place == Place::Taken),
            ],
        )
        .await
        .map_err(StoreError::postgres("point a unique name at its message"))?;
    Ok(())
}
