//! Messages that failed for good (law L11): they own everything needed to try them again, long after their day is gone.

use jiff::Timestamp;
use sallyport_postgres::Pools;
use sallyport_telemetry::trace::SpanContext;

use crate::error::StoreError;
use crate::message::MessageId;
use crate::partition::{Partition, PartitionSet};
use crate::rows;
use crate::wake::Bell;

/// How many rows a list has at most.
const LIST_MAX: i64 = 500;

/// The dead letters. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    pools: Pools,
    bell: Bell,
}

/// Dead letters of one kind that died of one kind of error.
#[derive(Debug, Clone)]
pub struct DeadGroup {
    /// The kind of message.
    pub kind: String,
    /// The kind of error.
    pub error_kind: String,
    /// How many there are.
    pub count: u64,
    /// How many different people they concern.
    pub people: u64,
    /// When the first of them died.
    pub first_at: Timestamp,
    /// When the newest of them died.
    pub last_at: Timestamp,
    /// The newest one.
    pub newest: MessageId,
    /// The newest one's trace.
    pub newest_trace: SpanContext,
    /// The newest one's error.
    pub newest_text: String,
}

/// One dead letter, without its text.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Its number.
    pub id: MessageId,
    /// The bot it belongs to.
    pub bot: String,
    /// What it is.
    pub kind: String,
    /// Its key.
    pub key: String,
    /// Whom it concerns.
    pub subject: Option<String>,
    /// Its trace.
    pub trace: SpanContext,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it died.
    pub died_at: Timestamp,
    /// How often it was tried.
    pub attempts: u16,
    /// The kind of error.
    pub error_kind: String,
    /// The error.
    pub error_text: String,
    /// The message that it became when it was tried again.
    pub replayed_as: Option<MessageId>,
}

impl DeadLetters {
    pub(crate) fn new(pools: Pools, bell: Bell) -> Self {
        Self { pools, bell }
    }

    /// Those that nobody has replayed, by kind and error, the largest group first.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn groups(&self) -> Result<Vec<DeadGroup>, StoreError> {
        let failed = || StoreError::postgres("group the dead letters");
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("group the dead letters"))?;
        let found = connection
            .query(include_str!("dead_letters/groups.sql"), &[&LIST_MAX])
            .await
            .map_err(failed())?;
        found
            .iter()
            .map(|row| {
                Ok(DeadGroup {
                    kind: row.get("kind"),
                    error_kind: row.get("error_kind"),
                    count: rows::count(row.get("count")),
                    people: rows::count(row.get("people")),
                    first_at: row.get("first_at"),
                    last_at: row.get("last_at"),
                    newest: MessageId(row.get("newest")),
                    newest_trace: rows::trace(row, "dead_letters")?,
                    newest_text: row.get("newest_text"),
                })
            })
            .collect()
    }

    /// Those of one group, newest first, at most 500.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn of_group(
        &self,
        kind: &str,
        error_kind: &str,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("list the dead letters"))?;
        let found = connection
            .query(
                "SELECT * FROM dead_letters
                 WHERE replayed_at IS NULL AND kind = $1 AND error_kind = $2 ORDER BY id DESC LIMIT $3",
                &[&kind, &error_kind, &LIST_MAX],
            )
            .await
            .map_err(StoreError::postgres("list the dead letters"))?;
        found.iter().map(dead_letter).collect()
    }

    /// How many died since then and were not replayed: kind, kind of error and number, the most frequent first.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn since(&self, since: Timestamp) -> Result<Vec<(String, String, u64)>, StoreError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("count the dead letters"))?;
        let found = connection
            .query(
                "SELECT kind, error_kind, count(*) AS count FROM dead_letters
                 WHERE replayed_at IS NULL AND died_at >= $1
                 GROUP BY kind, error_kind ORDER BY count(*) DESC, kind, error_kind LIMIT $2",
                &[&since, &LIST_MAX],
            )
            .await
            .map_err(StoreError::postgres("count the dead letters"))?;
        Ok(found
            .iter()
            .map(|row| {
                (
                    row.get("kind"),
                    row.get("error_kind"),
                    rows::count(row.get("count")),
                )
            })
            .collect())
    }

    /// These, also when they were replayed; those that do not exist are left out.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn get(&self, ids: &[MessageId]) -> Result<Vec<DeadLetter>, StoreError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("list the dead letters"))?;
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let found = connection
            .query(
                "SELECT * FROM dead_letters WHERE id = ANY ($1) ORDER BY id DESC LIMIT $2",
                &[&ids, &LIST_MAX],
            )
            .await
            .map_err(StoreError::postgres("list the dead letters"))?;
        found.iter().map(dead_letter).collect()
    }

    /// Puts these on the queue again, as new messages in the order of their old numbers, under their old traces. Each is
    /// replayed once, however often this is asked. Returns pairs of old and new numbers.
    ///
    /// # Errors
    /// The database is away or slow: nothing was replayed.
    pub async fn replay(
        &self,
        ids: &[MessageId],
    ) -> Result<Vec<(MessageId, MessageId)>, StoreError> {
        self.put_back(ids, None, None).await
    }

    /// The same, with a note of who asked for it and why.
    ///
    /// # Errors
    /// The database is away or slow: nothing was replayed.
    pub async fn retry(
        &self,
        ids: &[MessageId],
        by: &str,
        why: &str,
    ) -> Result<Vec<(MessageId, MessageId)>, StoreError> {
        self.put_back(ids, Some(by), Some(why)).await
    }

    async fn put_back(
        &self,
        ids: &[MessageId],
        by: Option<&str>,
        why: Option<&str>,
    ) -> Result<Vec<(MessageId, MessageId)>, StoreError> {
        let failed = || StoreError::postgres("replay dead letters");
        let pool = self
            .pools
            .handlers()
            .map_err(StoreError::pool("replay dead letters"))?;
        let connection = pool
            .get()
            .await
            .map_err(StoreError::pool("replay dead letters"))?;
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let partitions = self.partitions_of(&connection, &ids).await?;
        let (old, numbers): (Vec<i64>, Vec<i16>) = partitions.into_iter().unzip();
        let replayed = connection
            .query(
                include_str!("dead_letters/replay.sql"),
                &[&old, &numbers, &by, &why],
            )
            .await
            .map_err(failed())?;
        let touched: PartitionSet = numbers
            .iter()
            .filter_map(|number| Partition::from_sql(*number))
            .collect();
        self.bell.ring(touched);
        Ok(replayed
            .iter()
            .map(|row| (MessageId(row.get("old_id")), MessageId(row.get("new_id"))))
            .collect())
    }

    /// The partition is a function of the key, and only this program knows it.
    async fn partitions_of(
        &self,
        connection: &sallyport_postgres::Connection,
        ids: &[i64],
    ) -> Result<Vec<(i64, i16)>, StoreError> {
        let found = connection
            .query("SELECT id, key FROM dead_letters WHERE id = ANY ($1) AND replayed_at IS NULL ORDER BY id", &[&ids])
            .await
            .map_err(StoreError::postgres("replay dead letters"))?;
        Ok(found
            .iter()
            .map(|row| {
                (
                    row.get("id"),
                    crate::partition::Key::new(row.get("key"))
                        .partition()
                        .to_sql(),
                )
            })
            .collect())
    }
}

fn dead_letter(row: &tokio_postgres::Row) -> Result<DeadLetter, StoreError> {
    Ok(DeadLetter {
        id: MessageId(row.get("id")),
        bot: row.get("bot"),
        kind: row.get("kind"),
        key: row.get("key"),
        subject: row.get("subject"),
        trace: rows::trace(row, "dead_letters")?,
        accepted_at: row.get("accepted_at"),
        died_at: row.get("died_at"),
        attempts: rows::small(row.get("attempts")),
        error_kind: row.get("error_kind"),
        error_text: row.get("error_text"),
        replayed_as: row.get::<_, Option<i64>>("replayed_as").map(MessageId),
    })
}
