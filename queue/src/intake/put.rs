//! One batch into Postgres: one statement, one commit, and a deadline of its own.
//!
//! Whoever accepts and whoever replays come this way, so a message is stored alike whichever way it took. After a deadline
//! the connection is closed and not given back: the statement may still be running on it.

use std::collections::HashMap;
use std::time::Duration;

use sallyport_postgres::{Connection, Pools};
use tokio::time::Instant;

use crate::batch::{self, Batch};
use crate::error::StoreError;
use crate::events::IntakeEvents;
use crate::message::{MessageId, NewMessage, Receipt};

/// Puts batches.
pub(super) struct Putter {
    pools: Pools,
    statement: String,
}

/// A message and how long ago it was accepted.
#[derive(Clone, Copy)]
pub(super) struct Given<'m> {
    pub(super) message: &'m NewMessage,
    pub(super) age: Duration,
}

impl<'m> From<&'m NewMessage> for Given<'m> {
    fn from(message: &'m NewMessage) -> Self {
        Self {
            message,
            age: Duration::ZERO,
        }
    }
}

impl Putter {
    pub(super) fn new(pools: Pools) -> Self {
        Self {
            pools,
            statement: batch::put_statement(),
        }
    }

    /// Stores the batch, in this order, within `limit`; whoever had been stored before gets the receipt of the first.
    pub(super) async fn put(
        &self,
        given: &[Given<'_>],
        limit: Duration,
        events: &IntakeEvents,
    ) -> Result<Vec<Receipt>, StoreError> {
        let too_slow = StoreError::TooSlow {
            operation: "accept",
            limit,
        };
        let until = Instant::now() + limit;
        let pool = self.pools.accept().map_err(StoreError::pool("accept"))?;
        let Ok(connection) = tokio::time::timeout_at(until, pool.get()).await else {
            return Err(too_slow);
        };
        let connection = connection.map_err(StoreError::pool("accept"))?;
        let storing = self.store(&connection, given, events);
        match tokio::time::timeout_at(until, storing).await {
            Ok(stored) => stored,
            Err(_) => {
                connection.discard();
                Err(too_slow)
            }
        }
    }

    async fn store(
        &self,
        connection: &Connection,
        given: &[Given<'_>],
        events: &IntakeEvents,
    ) -> Result<Vec<Receipt>, StoreError> {
        let failed = || StoreError::postgres("accept");
        let batch = Batch::of(given.iter().map(|given| given.message))?
            .aged(given.iter().map(|given| given.age));
        let statement = connection
            .prepare_cached(&self.statement)
            .await
            .map_err(failed())?;
        let began = Instant::now();
        let parameters = batch.parameters();
        let storing = connection.query(&statement, &parameters);
        #[cfg(feature = "fail-points")]
        let storing = sallyport_telemetry::points::reach_during(
            sallyport_telemetry::points::Point::K2,
            storing,
        );
        let rows = storing.await.map_err(failed())?;
        events.committed(began.elapsed());

        let stored: HashMap<i64, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let mut receipts: Vec<Option<Receipt>> = (1..)
            .zip(given)
            .map(|(place, given)| {
                let id = MessageId(*stored.get(&place)?);
                Some(Receipt {
                    id,
                    trace: given.message.trace,
                    duplicate: false,
                })
            })
            .collect();
        if stored.len() < given.len() {
            first_ones(connection, given, &mut receipts).await?;
        }
        // A pair that was pruned between the two statements leaves a gap; asking again stores it.
        let complete: Option<Vec<Receipt>> = receipts.into_iter().collect();
        complete.ok_or_else(|| StoreError::Row {
            table: "deliveries",
            what: "a pair came and went".to_owned(),
        })
    }
}

/// Fills the gaps with the receipts of those who came first. A trace of our own there means that we were first, and only
/// the answer to our commit had got lost.
async fn first_ones(
    connection: &Connection,
    given: &[Given<'_>],
    receipts: &mut [Option<Receipt>],
) -> Result<(), StoreError> {
    let gaps: Vec<(&NewMessage, &mut Option<Receipt>)> = given
        .iter()
        .map(|given| given.message)
        .zip(receipts)
        .filter(|(_, receipt)| receipt.is_none())
        .collect();
    let sources: Vec<&str> = gaps
        .iter()
        .map(|(message, _)| message.source.as_str())
        .collect();
    let delivery_ids: Vec<Option<&str>> = gaps
        .iter()
        .map(|(message, _)| message.delivery_id.as_deref())
        .collect();
    let statement = connection
        .prepare_cached(include_str!("first_ones.sql"))
        .await
        .map_err(StoreError::postgres("look up a duplicate"))?;
    let rows = connection
        .query(&statement, &[&sources, &delivery_ids])
        .await
        .map_err(StoreError::postgres("look up a duplicate"))?;
    let mut found = HashMap::new();
    for row in &rows {
        let place: i64 = row.get("place");
        found.insert(
            place,
            (
                MessageId(row.get("message_id")),
                crate::rows::trace(row, "deliveries")?,
            ),
        );
    }
    for (place, (message, receipt)) in (1..).zip(gaps) {
        *receipt = found.get(&place).map(|(id, trace)| Receipt {
            id: *id,
            trace: *trace,
            duplicate: *trace != message.trace,
        });
    }
    Ok(())
}
