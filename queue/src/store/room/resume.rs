//! Letting messages of a resumed kind go on.

use sallyport_postgres::Cached;

use super::{Store, pause_of};
use crate::error::StoreError;
use crate::message::MessageId;
use crate::partition::Partition;
use crate::rows;

/// How many messages go on with one statement.
pub(super) const AT_ONCE_MAX: i64 = 1_000;

impl Store {
    /// Makes messages of this kind ready again that were set aside in these partitions, the oldest first, at most a
    /// thousand at a time: call until nothing comes back.
    ///
    /// # Errors
    /// The database is away or slow; call again.
    pub async fn resume_waiting(
        &self,
        kind: &str,
        partitions: &[Partition],
    ) -> Result<Vec<MessageId>, StoreError> {
        let numbers: Vec<i16> = partitions.iter().map(|one| one.to_sql()).collect();
        let pool = self.pools.settle().map_err(StoreError::pool("resume"))?;
        let connection = pool.get().await.map_err(StoreError::pool("resume"))?;
        let found = connection
            .query_cached(
                include_str!("resume.sql"),
                &[&pause_of(kind), &numbers, &AT_ONCE_MAX],
            )
            .await
            .map_err(StoreError::postgres("resume"))?;
        let mut resumed = Vec::with_capacity(found.len());
        let mut low_water = self.shared.low_water.lock();
        for row in &found {
            let id = MessageId(row.get("message_id"));
            low_water.lower(rows::partition(row, "waiting")?, id);
            resumed.push(id);
        }
        Ok(resumed)
    }
}
