//! Small notes beside the messages: holds that ran out, sends of which nobody knows.

use super::Store;
use crate::error::StoreError;
use crate::fence::storable;
use crate::message::MessageId;
use crate::partition::{Key, Partition};

/// How much of a reason is kept.
const REASON_BYTES_MAX: usize = 512;

impl Store {
    /// Lets keys go on although their head has not ended: their hold ran out, and they are not held for it again.
    ///
    /// # Errors
    /// The database is away or slow; the holds stand.
    pub async fn lift(&self, keys: &[(Partition, Key, MessageId)]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let pool = self
            .pools
            .settle()
            .map_err(StoreError::pool("lift a hold"))?;
        let connection = pool.get().await.map_err(StoreError::pool("lift a hold"))?;
        let partitions: Vec<i16> = keys
            .iter()
            .map(|(partition, _, _)| partition.to_sql())
            .collect();
        let names: Vec<&str> = keys.iter().map(|(_, key, _)| key.as_str()).collect();
        let heads: Vec<i64> = keys.iter().map(|(_, _, head)| head.0).collect();
        connection
            .execute(include_str!("lift.sql"), &[&partitions, &names, &heads])
            .await
            .map_err(StoreError::postgres("lift a hold"))?;
        Ok(())
    }

    /// Notes that an attempt at this message may have left the house without our knowing, before it is tried again.
    ///
    /// # Errors
    /// The database is away or slow; nothing was noted.
    pub async fn note_ambiguous(
        &self,
        id: MessageId,
        attempt: u16,
        reason: &str,
    ) -> Result<(), StoreError> {
        let pool = self
            .pools
            .handlers()
            .map_err(StoreError::pool("note an ambiguous send"))?;
        let connection = pool
            .get()
            .await
            .map_err(StoreError::pool("note an ambiguous send"))?;
        let attempt = i16::try_from(attempt).unwrap_or(i16::MAX);
        connection
            .execute(
                "INSERT INTO ambiguous (message_id, attempt, reason) VALUES ($1, $2, $3)",
                &[&id.0, &attempt, &storable(reason, REASON_BYTES_MAX)],
            )
            .await
            .map_err(StoreError::postgres("note an ambiguous send"))?;
        Ok(())
    }
}
