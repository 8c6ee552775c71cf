//! Making ends durable, many at once: one statement, fenced row by row (law L6).

use std::collections::HashSet;
use std::time::Instant;

use sallyport_postgres::{Connection, GenericClient};
use tokio_postgres::types::ToSql;

use super::Store;
use crate::batch::Batch;
use crate::error::StoreError;
use crate::fence::{self, Ends};
use crate::message::NewMessage;
use crate::settlement::{HoldChange, Outcome, Settled, Settlement};
use crate::unique;

/// How often a statement that got in another's way is tried.
const TRIES_MAX: u32 = 4;

impl Store {
    /// Makes these ends durable, with everything they cause; the answers are in the order of the settlements.
    ///
    /// # Errors
    /// The database is away or slow, or an outgoing message has an impossible shape. Call again with the same
    /// settlements: one that had got through without our learning of it is then answered [`Settled::Durable`].
    ///
    /// # Cancel safety
    /// As after an error: whether the settlements are durable is not known until the call is repeated.
    pub async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
        if settlements.is_empty() {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        let settled = self.settle_batch(settlements).await;
        match &settled {
            Ok(answers) => self.after_settling(settlements, answers, began),
            Err(error) => self.shared.events.failed("settle", began.elapsed(), error),
        }
        settled
    }

    async fn settle_batch(&self, settlements: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
        let pool = self.pools.settle().map_err(StoreError::pool("settle"))?;
        let mut connection = pool.get().await.map_err(StoreError::pool("settle"))?;
        let mut through = self.try_settling(&mut connection, settlements).await?;
        if through.len() < settlements.len() {
            self.add_those_settled_before(&connection, settlements, &mut through)
                .await?;
        }
        let answer = |place| {
            if through.contains(&place) {
                Settled::Durable
            } else {
                Settled::Stale
            }
        };
        Ok((0..settlements.len()).map(answer).collect())
    }

    /// Transactions that got in each other's way are tried again at once: their locks are gone by then.
    async fn try_settling(
        &self,
        connection: &mut Connection,
        settlements: &[Settlement],
    ) -> Result<HashSet<usize>, StoreError> {
        let causes_unique = unique::any_in(settlements);
        let mut tries = 1;
        loop {
            let settled = if causes_unique {
                self.settle_with_unique(connection, settlements).await
            } else {
                settle_on(&**connection, settlements, self.worker.as_str()).await
            };
            match settled {
                Err(error) if tries < TRIES_MAX && error.got_in_the_way() => {
                    tries += 1;
                }
                settled => return settled,
            }
        }
    }

    /// Unique messages need more than one look at the rows, so their settlements share a transaction.
    async fn settle_with_unique(
        &self,
        connection: &mut Connection,
        settlements: &[Settlement],
    ) -> Result<HashSet<usize>, StoreError> {
        let failed = || StoreError::postgres("settle");
        let transaction = connection.transaction().await.map_err(failed())?;
        let through = settle_on(&transaction, settlements, self.worker.as_str()).await?;
        unique::put_caused(&transaction, settlements, |place| through.contains(&place)).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(through)
    }

    /// A settlement that was refused may be one whose commit got through while its answer got lost: its own row says so.
    async fn add_those_settled_before(
        &self,
        connection: &Connection,
        settlements: &[Settlement],
        through: &mut HashSet<usize>,
    ) -> Result<(), StoreError> {
        let missing: Vec<usize> = (0..settlements.len())
            .filter(|place| !through.contains(place))
            .collect();
        let asked: Vec<&Settlement> = missing
            .iter()
            .filter_map(|place| settlements.get(*place))
            .collect();
        let found = settled_before(&**connection, &asked, self.worker.as_str()).await?;
        through.extend(
            found
                .into_iter()
                .filter_map(|place| missing.get(place).copied()),
        );
        Ok(())
    }

    /// What is true once the ends are durable: they are out of hand, counted, and their consequences are announced.
    pub(super) fn after_settling(
        &self,
        settlements: &[Settlement],
        answers: &[Settled],
        began: Instant,
    ) {
        let (ours, lost): (Vec<_>, Vec<_>) = settlements
            .iter()
            .zip(answers)
            .partition(|(_, answer)| **answer == Settled::Durable);
        self.out_of_hand(ours.iter().map(|(settlement, _)| &settlement.message));
        self.leave_to_the_heir(lost.iter().map(|(settlement, _)| &settlement.message));
        let mut partitions = crate::partition::PartitionSet::EMPTY;
        for (settlement, answer) in settlements.iter().zip(answers) {
            if *answer == Settled::Durable {
                let now_ready = |message: &&crate::message::NewMessage| {
                    message.delay.is_none_or(|delay| delay.is_zero())
                };
                for message in settlement.outgoing.iter().filter(now_ready) {
                    partitions.insert(message.key.partition());
                }
            }
        }
        self.shared.bell.ring(partitions);
        self.shared
            .events
            .settled(settlements, answers, began.elapsed());
    }
}

/// Runs the statement for these settlements: the places of those that got through.
pub(super) async fn settle_on(
    client: &impl GenericClient,
    settlements: &[Settlement],
    worker: &str,
) -> Result<HashSet<usize>, StoreError> {
    let order = in_lock_order(settlements);
    let ordered: Vec<&Settlement> = order
        .iter()
        .filter_map(|place| settlements.get(*place))
        .collect();
    let ends = Ends::of(&ordered, worker);
    let rows = if ordered.iter().all(|settlement| is_plain(settlement)) {
        run(client, &fence::END, &ends.plain()).await?
    } else {
        let outgoing = outgoing(&ordered)?;
        let parameters = [&outgoing.parameters()[..], &ends.whole()].concat();
        run(client, &fence::SETTLE, &parameters).await?
    };
    Ok(rows
        .into_iter()
        .filter_map(|place| order.get(place).copied())
        .collect())
}

/// Always the same order of partitions, so that two workers never wait for each other's leases.
fn in_lock_order(settlements: &[Settlement]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..settlements.len()).collect();
    order.sort_by_key(|place| {
        settlements
            .get(*place)
            .map(|settlement| (settlement.message.partition, settlement.message.id))
    });
    order
}

/// Whether a settlement ends its message and does nothing else.
fn is_plain(settlement: &Settlement) -> bool {
    let ends = settlement
        .verdict
        .outcome()
        .is_some_and(|outcome| outcome != Outcome::Dead);
    ends && settlement.outgoing.is_empty() && settlement.hold == HoldChange::Keep
}

fn outgoing<'s>(settlements: &[&'s Settlement]) -> Result<Batch<'s>, StoreError> {
    let mut batch = Batch::default();
    for (place, settlement) in (1..).zip(settlements) {
        let plain = |message: &&NewMessage| message.unique.is_none();
        for message in settlement.outgoing.iter().filter(plain) {
            batch.push(message, place)?;
        }
    }
    Ok(batch)
}

/// Runs a statement whose rows are places, counted from 1; gives them counted from 0.
async fn run(
    client: &impl GenericClient,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<usize>, StoreError> {
    let statement = client
        .prepare_cached(statement)
        .await
        .map_err(StoreError::postgres("settle"))?;
    let rows = client
        .query(&statement, parameters)
        .await
        .map_err(StoreError::postgres("settle"))?;
    Ok(rows
        .iter()
        .filter_map(|row| usize::try_from(row.get::<_, i64>(0) - 1).ok())
        .collect())
}

/// Which of these have left their own trace in the log: the places of those.
pub(super) async fn settled_before(
    client: &impl GenericClient,
    settlements: &[&Settlement],
    worker: &str,
) -> Result<Vec<usize>, StoreError> {
    let ids: Vec<i64> = settlements
        .iter()
        .map(|settlement| settlement.message.id.0)
        .collect();
    let claims: Vec<i64> = settlements
        .iter()
        .map(|settlement| settlement.message.claim.0)
        .collect();
    run(
        client,
        include_str!("settled_before.sql"),
        &[&ids, &claims, &worker],
    )
    .await
}
