//! Forgetting what the desk and the limits leave behind, in small batches: nobody waits for a large delete.
//!
//! A batch says its condition twice, to find rows and to delete them: a row that is touched in between stays.

use jiff::civil::Date;
use tokio_postgres::Client;

use super::Swept;
use crate::error::StoreError;

/// How many rows one statement deletes.
const ROWS_AT_ONCE: i64 = 500;
/// How many statements one visit makes per table; the next visit goes on.
const BATCHES_MAX: u32 = 200;

/// The tables, and which of their rows nobody asks for; `$1` is the oldest day that is kept.
const FORGOTTEN: [(&str, &str); 4] = [
    // A name matters while its message is on the queue.
    (
        "unique_messages",
        "r.touched_at < $1::date AND NOT EXISTS (SELECT FROM queue q WHERE q.partition = r.partition
         AND q.priority = r.priority AND q.id = r.message_id)",
    ),
    // What was replayed is older than its replay, so its day of the log is gone as well; dead letters have marks of
    // their own.
    ("replayed", "r.at < $1::date"),
    // A bucket that nobody took from for days is full, and so is one that is not there.
    ("rates", "r.at < $1::date"),
    // The record of who replayed what: a quarter of a year more than the log.
    (
        "replays",
        "r.state <> 'running' AND r.ended_at < $1::date - interval '90 days'",
    ),
];

/// Deletes what is forgotten.
pub(super) async fn prune(
    client: &Client,
    oldest_kept: Date,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    for (table, forgotten) in FORGOTTEN {
        let statement = format!(
            "DELETE FROM {table} r
             WHERE r.ctid = ANY (ARRAY(SELECT r.ctid FROM {table} r WHERE {forgotten} LIMIT $2)) AND {forgotten}"
        );
        for _ in 0..BATCHES_MAX {
            let gone = client
                .execute(&statement, &[&oldest_kept, &ROWS_AT_ONCE])
                .await
                .map_err(StoreError::postgres("forget what nobody asks for"))?;
            swept.pruned += gone;
            if gone == 0 {
                break;
            }
        }
    }
    Ok(())
}
