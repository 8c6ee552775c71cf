//! Making days ahead, also when rows of that day are waiting in the default partition already.

use jiff::ToSpan;
use jiff::civil::Date;
use tokio_postgres::Client;

use super::{DAILY, LOCK_TRIES_MAX, Swept, days_of, partition_name, with_patience};
use crate::error::StoreError;
use crate::events;

/// So many rows are moved from the default partition at most, some tens of milliseconds in which everything that reads or
/// writes the table waits. Where more wait, because nobody made days for long, they stay there.
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
        let mut missing: Vec<Date> = (0..=i64::from(days_ahead))
            .map(|ahead| today.saturating_add(ahead.days()))
            .filter(|day| !there.contains(day))
            .collect();
        if missing.is_empty() {
            continue;
        }
        let is_crowded = is_crowded(client, table).await?;
        if is_crowded {
            events::day_stays(table, today);
            missing.retain(|day| *day > today);
            with_patience!(promise_nothing_ahead(client, table, today).await)?;
        }
        let made = make_all(client, table, &missing, swept).await;
        if is_crowded {
            with_patience!(end_promise(client, table).await)?;
        }
        made?;
    }
    Ok(())
}

async fn make_all(
    client: &mut Client,
    table: &str,
    days: &[Date],
    swept: &mut Swept,
) -> Result<(), StoreError> {
    for day in days {
        with_patience!(make(client, table, *day).await)?;
        if !swept.made.contains(day) {
            swept.made.push(*day);
        }
    }
    Ok(())
}

/// Whether more waits in the default partition than may be moved.
async fn is_crowded(client: &Client, table: &str) -> Result<bool, StoreError> {
    let crowded = format!(
        "SELECT count(*) > $1::int8 FROM (SELECT FROM {table}_default LIMIT $1::int8 + 1) AS waiting"
    );
    let crowded = client.query_one(&crowded, &[&MOVED_MAX]).await;
    Ok(crowded.map_err(StoreError::postgres("make a day"))?.get(0))
}

/// Lets the database see for itself, while everybody goes on, that the default partition holds nothing of the days ahead. Else
/// it would read all of it for every new day, with the whole table locked.
async fn promise_nothing_ahead(
    client: &Client,
    table: &str,
    today: Date,
) -> Result<(), StoreError> {
    end_promise(client, table).await?;
    let statements = [
        format!(
            "ALTER TABLE {table}_default ADD CONSTRAINT nothing_ahead CHECK (day <= '{today}') NOT VALID"
        ),
        format!("ALTER TABLE {table}_default VALIDATE CONSTRAINT nothing_ahead"),
    ];
    for statement in statements {
        let promised = client.batch_execute(&statement).await;
        promised.map_err(StoreError::postgres("make a day"))?;
    }
    Ok(())
}

async fn end_promise(client: &Client, table: &str) -> Result<(), StoreError> {
    let end = format!("ALTER TABLE {table}_default DROP CONSTRAINT IF EXISTS nothing_ahead");
    let ended = client.batch_execute(&end).await;
    ended.map_err(StoreError::postgres("make a day"))
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
