//! Who keeps Postgres from clearing dead rows away: the oldest snapshot, named by its process.
//!
//! The queue loses rows all day, and vacuum may remove none that the oldest snapshot could still see. One forgotten
//! transaction makes every claim walk over all of them (design §4), so it is found here, measured, and named to whoever can end it.

use std::time::Duration;

use sallyport_postgres::Pools;
use sallyport_telemetry::{Metric, gauge};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::StoreError;
use crate::events;
use crate::pace::Pace;

/// A snapshot that is older is worth a word.
const OLD_AFTER: Duration = Duration::from_secs(60);
/// The same one is named again after this.
const NAMED_EVERY: Duration = Duration::from_secs(300);

/// The holder of the oldest snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotHolder {
    /// The process of the server, for `pg_terminate_backend`; 0 when it is no process: a prepared transaction or a replication slot.
    pub pid: i32,
    /// What it calls itself: its application's name, or the name of the transaction or the slot.
    pub name: String,
    /// Its user; empty when it is none.
    pub user: String,
    /// What it is doing, in Postgres's words, such as `idle in transaction`.
    pub state: String,
    /// For how long it has held the snapshot; `None` when Postgres does not say.
    pub age: Option<Duration>,
}

/// Looks at the oldest snapshot until `stop`.
pub(crate) async fn run(pools: Pools, every_ms: u64, stop: CancellationToken) {
    let mut pace = Pace::new(every_ms, stop);
    let oldest = gauge(Metric::PostgresOldestSnapshot, &[]);
    let dead_rows = gauge(Metric::QueueDeadRows, &[]);
    let mut named: Option<(i32, Instant)> = None;
    while pace.next().await {
        match look(&pools).await {
            Ok((holder, dead)) => {
                dead_rows.set_count(usize::try_from(dead).unwrap_or(usize::MAX));
                let age = holder.as_ref().and_then(|holder| holder.age);
                oldest.set(age.unwrap_or_default().as_secs_f64());
                let Some(holder) = holder.filter(|_| age.is_some_and(|age| age >= OLD_AFTER))
                else {
                    continue;
                };
                let is_named =
                    named.is_some_and(|(pid, at)| pid == holder.pid && at.elapsed() < NAMED_EVERY);
                if !is_named {
                    events::snapshot_held(&holder, dead);
                    named = Some((holder.pid, Instant::now()));
                }
            }
            Err(error) => events::chore_failed("snapshots", &error),
        }
    }
}

/// The holder of the oldest snapshot besides ourselves, and the dead rows of the queue.
async fn look(pools: &Pools) -> Result<(Option<SnapshotHolder>, u64), StoreError> {
    let failed = || StoreError::postgres("look at snapshots");
    let pool = pools.read();
    let connection = pool
        .get()
        .await
        .map_err(StoreError::pool("look at snapshots"))?;
    let found = connection
        .query_opt(include_str!("snapshots.sql"), &[])
        .await
        .map_err(failed())?;
    let dead = connection
        .query_one(
            "SELECT coalesce(sum(n_dead_tup), 0)::int8 FROM pg_stat_user_tables WHERE relname = 'queue'",
            &[],
        )
        .await
        .map_err(failed())?;
    let holder = found.map(|row| SnapshotHolder {
        pid: row.get("pid"),
        name: row.get("name"),
        user: row.get("usename"),
        state: row.get("state"),
        age: row
            .get::<_, Option<f64>>("age")
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    });
    Ok((holder, crate::rows::count(dead.get(0))))
}

/// The holder of the oldest snapshot, if there is one besides ourselves.
///
/// # Errors
/// The database is away.
pub(crate) async fn oldest(pools: &Pools) -> Result<Option<SnapshotHolder>, StoreError> {
    Ok(look(pools).await?.0)
}
