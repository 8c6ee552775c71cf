//! Dropping days: first what is unfinished is carried into today, then the unique pairs go, then the day itself.

use jiff::ToSpan;
use jiff::civil::Date;
use tokio_postgres::Client;

use super::{DAILY, LOCK_TRIES_MAX, Swept, days_of, partition_name, with_patience};
use crate::error::StoreError;
use crate::events;

/// How many rows are carried or forgotten in one transaction.
const ROWS_AT_ONCE: i64 = 1_000;

/// Drops every day that is older than the days to keep.
pub(super) async fn drop_old(
    client: &mut Client,
    today: Date,
    keep_days: u16,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let oldest_kept = today.saturating_sub(i64::from(keep_days).days());
    let mut old: Vec<Date> = Vec::new();
    for table in DAILY {
        old.extend(
            days_of(client, table)
                .await?
                .into_iter()
                .filter(|day| *day < oldest_kept),
        );
    }
    old.sort_unstable();
    old.dedup();
    for day in old {
        let carried = carry_forward(client, day, today).await?;
        let deliveries = forget_deliveries(client, day).await?;
        if with_patience!(detach_and_drop(client, day).await)? {
            swept.dropped.push(day);
            events::day_dropped(day, carried, deliveries);
        }
        swept.carried += carried;
        swept.deliveries += deliveries;
    }
    clear_defaults(client, oldest_kept).await
}

/// Moves what is unfinished, with its attempts so far, into today's partitions.
async fn carry_forward(client: &mut Client, day: Date, today: Date) -> Result<u64, StoreError> {
    let failed = || StoreError::postgres("carry messages into today");
    let mut carried = 0;
    loop {
        let moved = client
            .execute(include_str!("carry.sql"), &[&day, &today, &ROWS_AT_ONCE])
            .await
            .map_err(failed())?;
        carried += moved;
        if moved == 0 {
            return Ok(carried);
        }
    }
}

/// Forgets the unique pairs of the day's messages, walking the day in its order.
async fn forget_deliveries(client: &mut Client, day: Date) -> Result<u64, StoreError> {
    let mut after = 0_i64;
    let mut forgotten = 0;
    loop {
        let row = client
            .query_one(include_str!("forget.sql"), &[&day, &after, &ROWS_AT_ONCE])
            .await
            .map_err(StoreError::postgres("forget deliveries"))?;
        forgotten += crate::rows::count(row.get("forgotten"));
        match row.get::<_, Option<i64>>("last") {
            Some(last) => after = last,
            None => return Ok(forgotten),
        }
    }
}

/// Drops the partitions of the day, unless something unfinished has come back to it meanwhile.
async fn detach_and_drop(client: &mut Client, day: Date) -> Result<bool, StoreError> {
    let failed = || StoreError::postgres("drop a day");
    let transaction = client.transaction().await.map_err(failed())?;
    for table in DAILY {
        let name = partition_name(table, day);
        let there = transaction
            .query_one("SELECT to_regclass($1) IS NOT NULL", &[&name])
            .await
            .map_err(failed())?;
        if there.get(0) {
            transaction
                .batch_execute(&format!(
                    "ALTER TABLE {table} DETACH PARTITION {name}; DROP TABLE {name}"
                ))
                .await
                .map_err(failed())?;
        }
    }
    // With the partitions locked nothing new can refer to the day, so this answer stays true.
    let unfinished = transaction
        .query_one("SELECT EXISTS (SELECT FROM queue WHERE day = $1)", &[&day])
        .await
        .map_err(failed())?;
    if unfinished.get(0) {
        transaction.rollback().await.map_err(failed())?;
        return Ok(false);
    }
    transaction.commit().await.map_err(failed())?;
    Ok(true)
}

/// Rows that waited in a default partition for a day that never came, and marks of sends long ago.
async fn clear_defaults(client: &mut Client, oldest_kept: Date) -> Result<(), StoreError> {
    let failed = || StoreError::postgres("clear the default partitions");
    let sql = [
        "DELETE FROM messages_default m WHERE day < $1 AND NOT EXISTS (SELECT FROM queue q WHERE q.day = m.day)",
        "DELETE FROM attempts_default WHERE day < $1",
        "DELETE FROM endings_default WHERE day < $1",
        "DELETE FROM ambiguous WHERE at < $1::date",
        "DELETE FROM live_news WHERE at < $1::date",
    ];
    for statement in sql {
        client
            .execute(statement, &[&oldest_kept])
            .await
            .map_err(failed())?;
    }
    Ok(())
}
