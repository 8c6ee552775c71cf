//! What a new owner does first: it counts what its predecessors had begun, and loads what is held (laws L5 and L9).

use super::{HeldKey, Store, TakenOver};
use crate::blame::{KindRules, Rules};
use crate::error::StoreError;
use crate::message::MessageId;
use crate::partition::{Key, Partition, Token};
use crate::rows;

impl Store {
    /// Counts every attempt that an earlier owner of these partitions had begun and not settled, once: those that ran among
    /// others up to their kind's bound ([`blame::crowd_max`](crate::blame::crowd_max)), those that ran alone without one.
    /// Marks those of kinds that send as ambiguous. To be called after the leases were acquired and before the first claim.
    ///
    /// # Errors
    /// The database is away or slow. Nothing was counted; call again before claiming.
    pub async fn take_over(
        &self,
        partitions: &[(Partition, Token)],
        kinds: &[KindRules<'_>],
    ) -> Result<TakenOver, StoreError> {
        let pool = self.pools.settle().map_err(StoreError::pool("take over"))?;
        let mut connection = pool.get().await.map_err(StoreError::pool("take over"))?;
        let failed = || StoreError::postgres("take over");
        let numbers: Vec<i16> = partitions
            .iter()
            .map(|(partition, _)| partition.to_sql())
            .collect();
        let tokens: Vec<i64> = partitions.iter().map(|(_, token)| token.0).collect();
        let rules = Rules::of(kinds);

        let transaction = connection.transaction().await.map_err(failed())?;
        let begun = transaction
            .query(
                include_str!("take_over.sql"),
                &[
                    &numbers,
                    &tokens,
                    &self.worker.as_str(),
                    &rules.kinds,
                    &rules.send,
                    &rules.crowd_max,
                    &rules.crowd_max_of_strangers,
                ],
            )
            .await
            .map_err(failed())?;
        transaction
            .execute(include_str!("forget_claims.sql"), &[])
            .await
            .map_err(failed())?;
        let held = transaction
            .query(include_str!("held.sql"), &[&numbers])
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;

        {
            let mut low_water = self.shared.low_water.lock();
            partitions
                .iter()
                .for_each(|(partition, _)| low_water.forget(*partition));
        }
        let mut taken = TakenOver::default();
        for row in &begun {
            let id = MessageId(row.get("id"));
            taken.interrupted.push(id);
            if row.get("is_send") {
                taken.ambiguous.push(id);
            }
            if row.get("alone") {
                taken.alone.push(id);
            }
        }
        taken.held = held.iter().map(held_key).collect::<Result<_, _>>()?;
        self.shared.events.taken_over(partitions.len(), &taken);
        Ok(taken)
    }
}

fn held_key(row: &tokio_postgres::Row) -> Result<HeldKey, StoreError> {
    let remaining: Option<f64> = row.get("remaining");
    Ok(HeldKey {
        partition: rows::partition(row, "held_keys")?,
        key: Key::new(row.get("key")),
        head: MessageId(row.get("head")),
        remaining: remaining
            .map(|seconds| std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default()),
    })
}
