//! Making days ahead, also when rows of that day are waiting in the default partition already.

use jiff::ToSpan;
use jiff::civil::Date;
use tokio_postgres::Client;

use super::{DAILY, LOCK_TRIES_MAX, Swept, days_of, partition_name, with_patience};
use crate::error::StoreError;

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
            if there.contains(&day) {
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

/// The partition is made apart, filled with what the default one holds of its day, and attached: in one transaction, so
/// nobody ever sees the rows missing.
async fn make(client: &mut Client, table: &str, day: Date) -> Result<(), StoreError> {
    let failed = || StoreError::postgres("make a day");
    let name = partition_name(table, day);
    let next = day.saturating_add(1.day());
    let transaction = client.transaction().await.map_err(failed())?;
    transaction
        .batch_execute(&format!(
            "LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE;
             CREATE TABLE {name} (LIKE {table} INCLUDING ALL);
             WITH moved AS (DELETE FROM {table}_default WHERE day = '{day}' RETURNING *)
             INSERT INTO {name} SELECT * FROM moved;
             ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{day}') TO ('{next}')"
        ))
        .await
        .map_err(failed())?;
    transaction.commit().await.map_err(failed())
}
