//! Carrying out cancellations: the owner of a partition ends what waits there, whatever it waits for (law L6).

use super::Store;
use crate::control::CancelOrder;
use crate::error::StoreError;
use crate::events;
use crate::fence::storable;
use crate::message::MessageId;
use crate::partition::{Key, Token};

/// How much of a reason is kept with an ended message.
const REASON_BYTES_MAX: usize = 2_048;

impl Store {
    /// Ends these messages as `cancelled`, unless they run here: those must not be among them. An order whose message is
    /// gone is removed too. Answers which messages ended, with their keys.
    ///
    /// # Errors
    /// The database is away or slow: the orders stand.
    pub async fn end_cancelled(
        &self,
        orders: &[(&CancelOrder, Token)],
    ) -> Result<Vec<(MessageId, Key)>, StoreError> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<i64> = orders.iter().map(|(order, _)| order.id.0).collect();
        let partitions: Vec<i16> = orders
            .iter()
            .map(|(order, _)| order.partition.to_sql())
            .collect();
        let tokens: Vec<i64> = orders.iter().map(|(_, token)| token.0).collect();
        let reasons: Vec<String> = orders
            .iter()
            .map(|(order, _)| storable(&order.sentence(), REASON_BYTES_MAX))
            .collect();
        let pool = self.pools.settle().map_err(StoreError::pool("cancel"))?;
        let connection = pool.get().await.map_err(StoreError::pool("cancel"))?;
        let found = connection
            .query(
                include_str!("obey.sql"),
                &[&ids, &partitions, &tokens, &reasons, &self.worker.as_str()],
            )
            .await
            .map_err(StoreError::postgres("cancel"))?;
        let ended: Vec<(MessageId, Key)> = found
            .iter()
            .map(|row| (MessageId(row.get("id")), Key::new(row.get("key"))))
            .collect();
        for row in &found {
            self.shared.events.cancelled_while_waiting(row.get("kind"));
        }
        if !ended.is_empty() {
            events::cancelled(ended.len());
        }
        Ok(ended)
    }
}
