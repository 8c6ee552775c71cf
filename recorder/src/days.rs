//! The days: partitions are made a week ahead and dropped when they are old, by the janitor's role.
//!
//! Each worker process tries once an hour; a lock lets one of them do it. Should nobody have come for a week, spans lie in the
//! default partition and are moved when their day is made.

use std::time::Duration;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use sallyport_postgres::{PoolError, Pools, Role};
use sallyport_telemetry::Event as _;
use tokio::time::sleep;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::events::{DaysFailed, DaysTurned, Meters};
use crate::row::day;

/// Days that exist before they begin.
const AHEAD: i64 = 7;
const EVERY: Duration = Duration::from_secs(3600);
const AFTER_FAILURE: Duration = Duration::from_secs(60);
/// Any number that no other lock of the house uses.
const LOCK: i64 = 0x5a11_7003;
/// Rows of the default partition that are removed by one statement.
const STRAYS_MAX: i64 = 10_000;

/// Why the days could not be turned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaysError {
    #[error("the janitor has no connection")]
    Connection(#[source] PoolError),
    #[error("partitions of spans could not be listed")]
    List(#[source] tokio_postgres::Error),
    #[error("the partition of {day} could not be made")]
    Make {
        day: Date,
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("the partition of {day} could not be dropped")]
    Drop {
        day: Date,
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("old spans could not be removed from the default partition")]
    Strays(#[source] tokio_postgres::Error),
}

/// The task that turns the days.
pub(crate) struct Janitor {
    pools: Pools,
    retention_days: u16,
    tasks: TaskTracker,
    meters: Meters,
}

impl Janitor {
    pub(crate) fn new(
        pools: Pools,
        retention_days: u16,
        tasks: TaskTracker,
        meters: Meters,
    ) -> Self {
        Self {
            pools,
            retention_days,
            tasks,
            meters,
        }
    }

    /// Turns the days once an hour until told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            let turned = tokio::select! {
                turned = self.turn(day(Timestamp::now())) => turned,
                () = stop.cancelled() => return,
            };
            let pause = match turned {
                Ok(turned) => {
                    turned.emit(&self.meters);
                    EVERY
                }
                Err(error) => {
                    DaysFailed { error: &error }.emit(&self.meters);
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Makes and drops what is due on this day. Does nothing while another process is at it; safe to repeat.
    pub(crate) async fn turn(&self, today: Date) -> Result<DaysTurned, DaysError> {
        let mut client = self
            .pools
            .connect_driven("recorder janitor", Role::Janitor, &self.tasks)
            .await
            .map_err(DaysError::Connection)?;
        let mut turned = DaysTurned {
            made: 0,
            dropped: 0,
        };
        if !lock(&client).await.map_err(DaysError::List)? {
            return Ok(turned);
        }
        let existing = partitions(&client).await.map_err(DaysError::List)?;
        for ahead in 0..=AHEAD {
            let day = today.saturating_add(ahead.days());
            if !existing.contains(&day) {
                make(&mut client, day)
                    .await
                    .map_err(|source| DaysError::Make { day, source })?;
                turned.made += 1;
            }
        }
        // Today is one of the days that are kept.
        let oldest = today.saturating_sub(i64::from(self.retention_days.saturating_sub(1)).days());
        for day in existing.into_iter().filter(|day| *day < oldest) {
            let statement = format!("DROP TABLE IF EXISTS {}", name(day));
            client
                .batch_execute(&statement)
                .await
                .map_err(|source| DaysError::Drop { day, source })?;
            turned.dropped += 1;
        }
        remove_strays(&client, oldest)
            .await
            .map_err(DaysError::Strays)?;
        Ok(turned)
    }
}

/// Takes the janitor's lock; it goes with the connection.
async fn lock(client: &Client) -> Result<bool, tokio_postgres::Error> {
    client
        .query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK])
        .await?
        .try_get(0)
}

/// The days that have a partition.
async fn partitions(client: &Client) -> Result<Vec<Date>, tokio_postgres::Error> {
    let tables = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
                  WHERE i.inhparent = 'spans'::regclass";
    let rows = client.query(tables, &[]).await?;
    let names = rows.iter().map(|row| row.try_get::<_, String>(0));
    let days: Result<Vec<_>, _> = names.map(|name| name.map(|name| day_of(&name))).collect();
    Ok(days?.into_iter().flatten().collect())
}

fn name(day: Date) -> String {
    format!("spans_{}", day.strftime("%Y%m%d"))
}

fn day_of(name: &str) -> Option<Date> {
    Date::strptime("%Y%m%d", name.strip_prefix("spans_")?).ok()
}

/// Makes the partition of a day, and moves into it what the default one holds of that day.
async fn make(client: &mut Client, day: Date) -> Result<(), tokio_postgres::Error> {
    let (table, next) = (name(day), day.saturating_add(1.day()));
    let work = client.transaction().await?;
    work.batch_execute(&format!(
        "LOCK TABLE spans_default IN ACCESS EXCLUSIVE MODE;
         CREATE TABLE {table} (LIKE spans INCLUDING DEFAULTS);
         WITH moved AS (DELETE FROM spans_default WHERE day = '{day}' RETURNING *) INSERT INTO {table} SELECT * FROM moved;
         ALTER TABLE spans ATTACH PARTITION {table} FOR VALUES FROM ('{day}') TO ('{next}')"
    ))
    .await?;
    work.commit().await
}

/// Removes what is too old from the default partition, in small bites.
async fn remove_strays(client: &Client, oldest: Date) -> Result<(), tokio_postgres::Error> {
    let bite = "DELETE FROM spans_default WHERE ctid = ANY (ARRAY( \
                SELECT ctid FROM spans_default WHERE day < $1 LIMIT $2))";
    while client.execute(bite, &[&oldest, &STRAYS_MAX]).await? > 0 {}
    Ok(())
}
