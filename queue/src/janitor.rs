//! The days of the log (law L12): made ahead, and dropped when nothing unfinished refers to them.
//!
//! The janitor is a login of its own, because only it may make and drop tables. It waits for locks only briefly: a day
//! that cannot be made or dropped now will be at the next visit, and rows of a day without a partition wait in the
//! default one.

mod days;
mod drop;
mod prune;

use jiff::ToSpan;
use jiff::civil::Date;
use sallyport_postgres::{Pools, Role};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::StoreError;
use crate::events;
use crate::pace::Pace;

/// The tables that have one partition per day.
const DAILY: [&str; 3] = ["messages", "attempts", "endings"];
/// How long a lock may be waited for: everything that wants to write stands behind the janitor meanwhile.
const LOCK_MS: u64 = 200;
/// How often a lock is asked for at one visit.
const LOCK_TRIES_MAX: u32 = 10;

/// Looks after the days. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Janitor {
    pools: Pools,
    keep_days: u16,
    days_ahead: u16,
    tasks: TaskTracker,
}

/// What one visit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// The days that were made.
    pub made: Vec<Date>,
    /// The days that were dropped.
    pub dropped: Vec<Date>,
    /// How many unfinished messages were carried from a dropped day into today's.
    pub carried: u64,
    /// How many unique pairs were forgotten with their days.
    pub deliveries: u64,
    /// How many rows of unique names, marks of replays, rates and old replays were deleted.
    pub pruned: u64,
}

impl Janitor {
    pub(crate) fn new(pools: Pools, keep_days: u16, days_ahead: u16, tasks: TaskTracker) -> Self {
        Self {
            pools,
            keep_days,
            days_ahead,
            tasks,
        }
    }

    /// Makes the days ahead and drops those that are old enough, by the clock of the database. Nothing happens while
    /// another janitor is at work.
    ///
    /// # Errors
    /// The database is away, or a lock could not be had; what was done stays done, and the next visit goes on.
    pub async fn sweep(&self) -> Result<Swept, StoreError> {
        let failed = || StoreError::postgres("look after the days");
        let mut client = self
            .pools
            .connect_driven("janitor", Role::Janitor, &self.tasks)
            .await
            .map_err(StoreError::pool("look after the days"))?;
        client
            .batch_execute(&format!(
                "SET lock_timeout = {LOCK_MS}; SET statement_timeout = '60s'"
            ))
            .await
            .map_err(failed())?;
        let row = client
            .query_one(
                "SELECT pg_try_advisory_lock(hashtext('sallyport janitor')), (now() AT TIME ZONE 'utc')::date",
                &[],
            )
            .await
            .map_err(failed())?;
        let mut swept = Swept::default();
        if !row.get::<_, bool>(0) {
            return Ok(swept);
        }
        let today: Date = row.get(1);
        days::make_ahead(&mut client, today, self.days_ahead, &mut swept).await?;
        drop::drop_old(&mut client, today, self.keep_days, &mut swept).await?;
        let oldest_kept = today.saturating_sub(i64::from(self.keep_days).days());
        prune::prune(&client, oldest_kept, &mut swept).await?;
        Ok(swept)
    }
}

/// Visits until `stop`. The first visit was made before anything was let in.
pub(crate) async fn run(janitor: Janitor, every_ms: u64, stop: CancellationToken) {
    let mut pace = Pace::after_the_first(every_ms, stop);
    while pace.next().await {
        if let Err(error) = janitor.sweep().await {
            events::chore_failed("janitor", &error);
        }
    }
}

/// Tries something that needs a heavy lock until it gets it, a few times.
macro_rules! with_patience {
    ($attempt:expr) => {{
        let mut tries = 1;
        loop {
            match $attempt {
                Err(error)
                    if tries < LOCK_TRIES_MAX
                        && error.fault() == sallyport_postgres::Fault::Timeout =>
                {
                    tries += 1
                }
                other => break other,
            }
        }
    }};
}
use with_patience;

/// The name of a day's partition.
fn partition_name(table: &str, day: Date) -> String {
    format!(
        "{table}_{:04}{:02}{:02}",
        day.year(),
        day.month(),
        day.day()
    )
}

/// The day of a partition's name; `None` for the default one and for strangers.
fn partition_day(table: &str, name: &str) -> Option<Date> {
    let digits = name.strip_prefix(table)?.strip_prefix('_')?;
    let is_day = digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_day {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
    Date::new(
        part(0, 4)?,
        i8::try_from(part(4, 6)?).ok()?,
        i8::try_from(part(6, 8)?).ok()?,
    )
    .ok()
}

/// The days that a table has partitions for, oldest first.
async fn days_of(client: &tokio_postgres::Client, table: &str) -> Result<Vec<Date>, StoreError> {
    let found = client
        .query(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = to_regclass($1)",
            &[&table],
        )
        .await
        .map_err(StoreError::postgres("list the days"))?;
    let mut days: Vec<Date> = found
        .iter()
        .filter_map(|row| partition_day(table, row.get(0)))
        .collect();
    days.sort_unstable();
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_days_name_can_be_read_back_and_others_are_no_days() {
        let day = Date::constant(2026, 3, 9);

        assert_eq!(partition_name("messages", day), "messages_20260309");
        assert_eq!(partition_day("messages", "messages_20260309"), Some(day));
        assert_eq!(partition_day("messages", "messages_default"), None);
        assert_eq!(partition_day("messages", "messages_20261399"), None);
    }
}
