//! Messages behind: putting them there, giving others back, and finding the keys that have any.

use std::collections::HashMap;

use super::{Behind, BehindPage, Store};
use crate::error::StoreError;
use crate::message::{ClaimRef, MessageId};
use crate::partition::{Key, Partition};
use crate::rows;

/// How many keys of one partition a page has at most.
const PAGE_KEYS_MAX: i64 = 256;

impl Store {
    /// Gives messages back without counting an attempt. The next claim finds them again; those of keys that have others
    /// behind are found there.
    ///
    /// # Errors
    /// The database is away or slow: the messages count as begun until the call is repeated.
    pub async fn release(&self, messages: &[ClaimRef]) -> Result<(), StoreError> {
        self.give_back(messages, &[]).await
    }

    /// Gives messages back without counting an attempt: the first as they are, the others behind, to be claimed by their
    /// key when it goes on. Twice is fine.
    ///
    /// # Errors
    /// The database is away or slow: the messages count as begun until the call is repeated.
    pub async fn give_back(
        &self,
        as_they_are: &[ClaimRef],
        behind: &[ClaimRef],
    ) -> Result<(), StoreError> {
        if as_they_are.is_empty() && behind.is_empty() {
            return Ok(());
        }
        let pool = self.pools.settle().map_err(StoreError::pool("release"))?;
        let connection = pool.get().await.map_err(StoreError::pool("release"))?;
        let statement = connection
            .prepare_cached(include_str!("release.sql"))
            .await
            .map_err(StoreError::postgres("release"))?;
        let all = || as_they_are.iter().chain(behind);
        let claims: Vec<i64> = all().map(|message| message.claim.0).collect();
        let ids: Vec<i64> = all().map(|message| message.id.0).collect();
        let partitions: Vec<i16> = all().map(|message| message.partition.to_sql()).collect();
        let priorities: Vec<i16> = all().map(|message| message.priority.to_sql()).collect();
        let tokens: Vec<i64> = all().map(|message| message.token.0).collect();
        let goes_behind: Vec<bool> = (0..claims.len())
            .map(|place| place >= as_they_are.len())
            .collect();
        connection
            .execute(
                &statement,
                &[
                    &claims,
                    &ids,
                    &partitions,
                    &priorities,
                    &tokens,
                    &goes_behind,
                    &self.worker.as_str(),
                ],
            )
            .await
            .map_err(StoreError::postgres("release"))?;
        self.out_of_hand(all());
        let mut low_water = self.shared.low_water.lock();
        for message in as_they_are {
            low_water.lower(message.partition, message.id);
        }
        Ok(())
    }

    /// The keys of these partitions that have messages behind, a page at a time: `None` begins with the first key, else it
    /// goes on after the given one.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn behind_keys(
        &self,
        partitions: &[(Partition, Option<Key>)],
    ) -> Result<BehindPage, StoreError> {
        let mut page = BehindPage::default();
        if partitions.is_empty() {
            return Ok(page);
        }
        let failed = || StoreError::postgres("look behind");
        let pool = self
            .pools
            .settle()
            .map_err(StoreError::pool("look behind"))?;
        let connection = pool.get().await.map_err(StoreError::pool("look behind"))?;
        let statement = connection
            .prepare_cached(include_str!("behind_keys.sql"))
            .await
            .map_err(failed())?;
        let numbers: Vec<i16> = partitions
            .iter()
            .map(|(partition, _)| partition.to_sql())
            .collect();
        let after: Vec<&str> = partitions
            .iter()
            .map(|(_, after)| after.as_ref().map_or("", Key::as_str))
            .collect();
        let found = connection
            .query(&statement, &[&numbers, &after, &PAGE_KEYS_MAX])
            .await
            .map_err(failed())?;
        let mut counts: HashMap<Partition, i64> = HashMap::new();
        for row in &found {
            let key = Key::new(row.get("key"));
            let partition = rows::partition(row, "queue")?;
            let count = counts.entry(partition).or_default();
            *count += 1;
            if *count == PAGE_KEYS_MAX {
                page.more.push((partition, Some(key.clone())));
            }
            page.keys.push(Behind {
                key,
                partition,
                from: MessageId(row.get("id")),
            });
        }
        Ok(page)
    }
}
