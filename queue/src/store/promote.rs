//! Delayed messages whose time has come, by the clock of the database alone.

use std::time::Duration;

use super::{Promoted, Store};
use crate::error::StoreError;
use crate::message::MessageId;
use crate::partition::{Partition, PartitionSet};
use crate::rows;

impl Store {
    /// Makes the due messages of these partitions ready, at most a thousand at a time, and says when to look again.
    ///
    /// # Errors
    /// The database is away or slow; whatever was due still is.
    pub async fn promote(&self, partitions: &[Partition]) -> Result<Promoted, StoreError> {
        if partitions.is_empty() {
            return Ok(Promoted::default());
        }
        let failed = || StoreError::postgres("promote");
        let numbers: Vec<i16> = partitions
            .iter()
            .map(|partition| partition.to_sql())
            .collect();
        let pool = self.pools.settle().map_err(StoreError::pool("promote"))?;
        let connection = pool.get().await.map_err(StoreError::pool("promote"))?;
        let statement = connection
            .prepare_cached(include_str!("promote.sql"))
            .await
            .map_err(failed())?;
        let promoted = connection
            .query(&statement, &[&numbers])
            .await
            .map_err(failed())?;

        let mut touched = PartitionSet::EMPTY;
        let mut ready = 0;
        for row in promoted
            .iter()
            .filter(|row| row.get::<_, i16>("state") == 0)
        {
            ready += 1;
            let partition = rows::partition(row, "queue")?;
            self.shared
                .low_water
                .lock()
                .lower(partition, MessageId(row.get("id")));
            touched.insert(partition);
        }
        self.shared.bell.ring_here(touched);

        let statement = connection
            .prepare_cached(include_str!("next_due.sql"))
            .await
            .map_err(failed())?;
        let next = connection
            .query_opt(&statement, &[&numbers])
            .await
            .map_err(failed())?;
        let next_due = next.map(|row| Duration::try_from_secs_f64(row.get(0)).unwrap_or_default());
        Ok(Promoted {
            promoted: ready,
            next_due,
        })
    }
}
