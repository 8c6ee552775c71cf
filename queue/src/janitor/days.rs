//! Making days ahead, also when rows of that day are waiting in the default partition already.

use jiff::ToSpan;
use jiff::civil::Date;
use tokio_postgres::Client;

use super::{DAILY, LOCK_TRIES_MAX, Swept, days_of, partition_name, with_patience};
use crate::error::StoreError;
use crate::events;

/// So many rows of a day are moved into its partition at most: everything that reads or writes the table waits meanwhile, some
/// tens of milliseconds. A day that has more waiting, because nobody made it for long, stays in the default partition.
const MOVED_MAX: i64 = 10_000;

/// Makes what is missing from today to so many days ahead.
pub(super) async fn make_ahead(
    client: &mut Client,
    today: Date,
    days_ahead: u16,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    for table in DAILY {
        let there = days_of(client, table).await?;
        for ahead in 0..=i64::from(days_ahead) {
            let day = today.saturating_add(ahead.days());
            if there.contains(&day) || stays(client, table, day).await? {
                continue;
            }
            with_patience!(make(client, table, day).await)?;
            if !swept.made.contains(&day) {
                swept.made.push(day);
            }
        }
    }
    Ok(())
}

/// Whether more of this day waits in the default partition than may be moved.
async fn stays(client: &Client, table: &str, day: Date) -> Result<bool, StoreError> {
    let waiting = format!(
        "SELECT count(*) > $2::int8 FROM (SELECT FROM {table}_default WHERE day = $1 LIMIT $2::int8 + 1) AS waiting"
    );
    let waiting = client.query_one(&waiting, &[&day, &MOVED_MAX]).await;
    let stays = waiting.map_err(StoreError::postgres("make a day"))?.get(0);
    if stays {
        events::day_stays(table, day);
    }
    Ok(stays)
}

/// The partition is made apart, filled with what the default one holds of its day, and attached: in one transaction, and with
/// the whole table locked before anybody may look which partitions there are. Whoever had looked before, and waited for
/// the default partition alone, would not know the new one and would miss what is in it.
async fn make(client: &mut Client, table: &str, day: Date) -> Result<(), StoreError> {
    let failed = || StoreError::postgres("make a day");
    let name = partition_name(table, day);
    let next = day.saturating_add(1.day());
    let transaction = client.transaction().await.map_err(failed())?;
    transaction
        .batch_execute(&format!(
            "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;
             CREATE TABLE {name} (LIKE {table} INCLUDING ALL);
             WITH moved AS (DELETE FROM {table}_default WHERE day = '{day}' RETURNING *)
             INSERT INTO {name} SELECT * FROM moved;
             ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{day}') TO ('{next}')"
        ))
        .await
        .map_err(failed())?;
    transaction.commit().await.map_err(failed())
}
