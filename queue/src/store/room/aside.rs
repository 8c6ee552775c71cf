//! Setting messages aside: out of the hands and of the way of claims, with their keys parked for them.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use sallyport_postgres::{Cached, GenericClient};

use super::{Store, pause_of};
use crate::error::StoreError;
use crate::message::{ClaimRef, MessageId};

/// A paused message comes back with its resume; this only has to be far away.
const UNTIL_RESUMED: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);

/// A message to be set aside, and what for.
pub(super) struct Aside<'a> {
    pub(super) message: &'a ClaimRef,
    pub(super) room: String,
    pub(super) at_once: Option<NonZeroU32>,
    pub(super) wait: Duration,
}

impl Store {
    /// Sets aside messages whose kinds are paused: they wait for [`Store::resume_waiting`], uncounted. Says which of them
    /// were; another worker owns the others, or they are gone.
    ///
    /// # Errors
    /// The database is away or slow: nothing is known about the answer until the call is repeated, which does no harm.
    pub async fn set_aside(&self, messages: &[ClaimRef]) -> Result<HashSet<MessageId>, StoreError> {
        let asides: Vec<Aside<'_>> = messages
            .iter()
            .map(|message| Aside {
                message,
                room: pause_of(&message.kind),
                at_once: None,
                wait: UNTIL_RESUMED,
            })
            .collect();
        let pool = self.pools.settle().map_err(StoreError::pool("set aside"))?;
        let connection = pool.get().await.map_err(StoreError::pool("set aside"))?;
        self.write_asides(&*connection, asides.iter()).await
    }

    pub(super) async fn write_asides<'a>(
        &self,
        client: &impl GenericClient,
        asides: impl Iterator<Item = &'a Aside<'a>>,
    ) -> Result<HashSet<MessageId>, StoreError> {
        let mut columns = Columns::default();
        for aside in asides {
            columns.push(aside);
        }
        if columns.ids.is_empty() {
            return Ok(HashSet::new());
        }
        let found = client
            .query_cached(
                include_str!("aside.sql"),
                &[
                    &columns.ids,
                    &columns.partitions,
                    &columns.priorities,
                    &columns.tokens,
                    &columns.claims,
                    &columns.keys,
                    &columns.rooms,
                    &columns.at_once,
                    &columns.waits,
                    &self.worker.as_str(),
                ],
            )
            .await
            .map_err(StoreError::postgres("set aside"))?;
        let set_aside: HashSet<MessageId> = found.iter().map(|row| MessageId(row.get(0))).collect();
        self.out_of_hand(
            columns
                .references
                .iter()
                .copied()
                .filter(|message| set_aside.contains(&message.id)),
        );
        Ok(set_aside)
    }
}

/// What is set aside as arrays, one per column.
#[derive(Default)]
struct Columns<'a> {
    references: Vec<&'a ClaimRef>,
    ids: Vec<i64>,
    partitions: Vec<i16>,
    priorities: Vec<i16>,
    tokens: Vec<i64>,
    claims: Vec<i64>,
    keys: Vec<&'a str>,
    rooms: Vec<&'a str>,
    at_once: Vec<Option<i32>>,
    waits: Vec<f64>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, aside: &'a Aside<'a>) {
        let message = aside.message;
        self.references.push(message);
        self.ids.push(message.id.0);
        self.partitions.push(message.partition.to_sql());
        self.priorities.push(message.priority.to_sql());
        self.tokens.push(message.token.0);
        self.claims.push(message.claim.0);
        self.keys.push(message.key.as_str());
        self.rooms.push(&aside.room);
        let at_once = aside.at_once.map(NonZeroU32::get);
        self.at_once
            .push(at_once.map(|max| i32::try_from(max).unwrap_or(i32::MAX)));
        self.waits.push(aside.wait.as_secs_f64());
    }
}
