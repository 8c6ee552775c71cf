//! Rows of each table at one exact moment of the log.
//!
//! A count is worth something only if the restored database can be brought to the same moment. So the queue is locked against
//! writers for as long as it takes to take a snapshot and to write a restore point into the log: some milliseconds. The
//! counting itself goes on in that snapshot while everybody else works.

use std::collections::BTreeMap;
use std::time::Duration;

use sallyport_postgres::DatabaseUrl;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::error::Trouble;
use crate::session::Session;

/// Writers wait behind us for so long at most; then we step back and try again.
const LOCK_WAIT: &str = "250ms";
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);
/// Who beats and who claims changes without anybody's messages, so their counts say nothing; spans are too many.
const NOT_COUNTED: [&str; 5] = ["workers", "claims", "held_keys", "rates", "spans"];

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Table by table.
    pub(crate) rows: BTreeMap<String, i64>,
    /// Where the log held its breath.
    pub(crate) restore_point: String,
}

/// Takes a restore point called `name`, and the counts that belong to it.
pub(crate) async fn take(url: &DatabaseUrl, name: &str) -> Result<Counts, Trouble> {
    let (mut locker, counter) = (Session::open(url).await?, Session::open(url).await?);
    let mut tried = 0;
    loop {
        tried += 1;
        match hold_still(&mut locker.client, &counter.client, name).await {
            Err(Trouble::Postgres { source, .. })
                if tried < TRIES && source.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) =>
            {
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    let rows = count(&counter.client).await?;
    Ok(Counts {
        rows,
        restore_point: name.to_owned(),
    })
}

/// The lock is taken before the snapshot: every settled or accepted message is either in both, or in neither.
async fn hold_still(locker: &mut Client, counter: &Client, name: &str) -> Result<(), Trouble> {
    let failed = || Trouble::postgres("holding the queue still for a restore point");
    let lock = locker
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .start()
        .await
        .map_err(failed())?;
    lock.batch_execute(&format!(
        "SET LOCAL lock_timeout = '{LOCK_WAIT}'; SET LOCAL statement_timeout = '2s'; LOCK TABLE queue IN SHARE MODE"
    ))
    .await
    .map_err(failed())?;
    let snapshot: String = lock
        .query_one(
            "SELECT pg_export_snapshot(), pg_create_restore_point($1)::text",
            &[&name],
        )
        .await
        .map_err(failed())?
        .get(0);
    counter
        .batch_execute(&format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{snapshot}'; SET LOCAL statement_timeout = 0"
        ))
        .await
        .map_err(failed())?;
    lock.rollback().await.map_err(failed())
}

/// Counts the rows of every table of the house but the fleeting ones.
pub(crate) async fn count(client: &Client) -> Result<BTreeMap<String, i64>, Trouble> {
    let failed = || Trouble::postgres("counting rows");
    let tables = client
        .query(
            "SELECT relname::text, quote_ident(relname) FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
               AND relpersistence = 'p'
             ORDER BY 1",
            &[],
        )
        .await
        .map_err(failed())?;
    let mut rows = BTreeMap::new();
    for table in tables {
        let (name, quoted): (String, String) = (table.get(0), table.get(1));
        if NOT_COUNTED.contains(&name.as_str()) {
            continue;
        }
        let count = client
            .query_one(&format!("SELECT count(*) FROM public.{quoted}"), &[])
            .await
            .map_err(failed())?;
        rows.insert(name, count.get(0));
    }
    Ok(rows)
}
