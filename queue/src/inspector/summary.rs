//! The queue at a glance: a few sums over the narrow tables.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{HeldStory, Inspector, KindSummary, Summary, WorkerSummary};
use crate::error::StoreError;
use crate::message::MessageId;
use crate::partition::Key;
use crate::{ground, rows};

/// So many waiting messages are counted one by one; beyond, they are estimated.
const COUNTED_MAX: i64 = 10_000;
/// From so many pages of the table.
const SAMPLE_PAGES: i64 = 1_000;

impl Inspector {
    /// What waits, runs and is dead, per kind; who works; how many partitions have an owner.
    ///
    /// The cost does not grow with what waits: up to 10,000 messages are counted, more are estimated from a sample, and the
    /// summary says so.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn summary(&self) -> Result<Summary, StoreError> {
        let failed = || StoreError::postgres("sum up the queue");
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("sum up the queue"))?;
        let ((waiting, estimated), running, dead, workers, house) = tokio::try_join!(
            waiting(&connection),
            connection.query(include_str!("running.sql"), &[]),
            connection.query(
                "SELECT kind, count(*) AS count FROM dead_letters WHERE replayed_at IS NULL GROUP BY kind",
                &[]
            ),
            connection.query(include_str!("workers.sql"), &[]),
            connection.query_one(include_str!("house.sql"), &[]),
        )
        .map_err(failed())?;

        let mut kinds: BTreeMap<String, KindSummary> = BTreeMap::new();
        for row in &waiting {
            let kind = of_kind(&mut kinds, row.get("kind"));
            let oldest: Option<f64> = row.get("oldest");
            kind.ready = rows::count(row.get("ready"));
            kind.delayed = rows::count(row.get("delayed"));
            kind.oldest_ready =
                oldest.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
        }
        for row in &running {
            let kind = of_kind(&mut kinds, row.get("kind"));
            kind.running = rows::count(row.get("count"));
            kind.ready = kind.ready.saturating_sub(kind.running);
        }
        for row in &dead {
            of_kind(&mut kinds, row.get("kind")).dead = rows::count(row.get("count"));
        }
        Ok(Summary {
            kinds: kinds.into_values().collect(),
            held_keys: rows::count(house.get("held_keys")),
            workers: workers.iter().map(worker).collect(),
            partitions_total: rows::small(house.get("partitions_total")),
            partitions_owned: rows::small(house.get("partitions_owned")),
            estimated,
            paused: ground::is_paused(&*connection).await?,
        })
    }
}

/// What waits, per kind, and whether that is an estimate.
async fn waiting(
    connection: &sallyport_postgres::Connection,
) -> Result<(Vec<tokio_postgres::Row>, bool), tokio_postgres::Error> {
    let counted = connection
        .query(include_str!("waiting.sql"), &[&(COUNTED_MAX + 1)])
        .await?;
    let total =
        |row: &tokio_postgres::Row| row.get::<_, i64>("ready") + row.get::<_, i64>("delayed");
    if counted.iter().map(total).sum::<i64>() <= COUNTED_MAX {
        return Ok((counted, false));
    }
    let estimated = connection
        .query(include_str!("waiting_many.sql"), &[&SAMPLE_PAGES])
        .await?;
    Ok((estimated, true))
}

impl Inspector {
    /// The keys that wait for a failing head, the longest waits first, at most 100.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn held(&self) -> Result<Vec<HeldStory>, StoreError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("list held keys"))?;
        let found = connection
            .query(include_str!("held_keys.sql"), &[])
            .await
            .map_err(StoreError::postgres("list held keys"))?;
        let held = found.iter().map(|row| HeldStory {
            key: Key::new(row.get("key")),
            head: MessageId(row.get("head")),
            until: row.get("until"),
            waiting: rows::count(row.get("waiting")),
            error_kind: row.get("error_kind"),
            error_text: row.get("error_text"),
        });
        Ok(held.collect())
    }
}

fn of_kind<'k>(kinds: &'k mut BTreeMap<String, KindSummary>, name: &str) -> &'k mut KindSummary {
    kinds.entry(name.to_owned()).or_insert_with(|| KindSummary {
        kind: name.to_owned(),
        ..KindSummary::default()
    })
}

fn worker(row: &tokio_postgres::Row) -> WorkerSummary {
    WorkerSummary {
        id: row.get("id"),
        started_at: row.get("started_at"),
        partitions: rows::small(row.get("partitions")),
        leaving: row.get("leaving"),
    }
}
