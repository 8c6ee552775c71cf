//! Who publishes, and how far it has come: one row.
//!
//! The one who leads says so again and again; when it falls silent another takes over. For a moment there may be two:
//! then something is published twice, and the slower one learns from its next word that it leads no more.

use sallyport_postgres::GenericClient;

use crate::error::StoreError;
use crate::events;

/// How long a silent publisher is waited for. An outage of Redis must be made good within ten seconds, whoever died.
const LEASE_SECONDS: f64 = 4.0;

/// How far the live bus has come. Snapshots and transaction ids are Postgres's own words for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    /// Everything that is visible in this snapshot is published.
    pub(super) done: String,
    /// The snapshot that is being worked through.
    pub(super) upto: Option<String>,
    pub(super) after_xid: String,
    pub(super) after_source: i16,
    pub(super) after_id: i64,
    /// The number of the last event.
    pub(super) published: i64,
}

impl Progress {
    /// Everything of this snapshot is published.
    pub(super) fn all_of(snapshot: String, published: i64) -> Self {
        Self {
            done: snapshot,
            upto: None,
            after_xid: "0".to_owned(),
            after_source: 0,
            after_id: 0,
            published,
        }
    }
}

/// Leads from now on, or goes on leading; `None` when somebody else does.
pub(super) async fn lead(
    client: &impl GenericClient,
    me: &str,
) -> Result<Option<Progress>, StoreError> {
    let failed = || StoreError::postgres("lead the live bus");
    let statement = client
        .prepare_cached(include_str!("lead.sql"))
        .await
        .map_err(failed())?;
    let row = client
        .query_opt(&statement, &[&me, &LEASE_SECONDS])
        .await
        .map_err(failed())?;
    let Some(row) = row else { return Ok(None) };
    let published = row.get("published");
    if row.get("is_of_another_history") {
        events::live_history_changed();
        return Ok(Some(Progress::all_of(row.get("now"), published)));
    }
    Ok(Some(Progress {
        done: row.get("done"),
        upto: row.get("upto"),
        after_xid: row.get("after_xid"),
        after_source: row.get("after_source"),
        after_id: row.get("after_id"),
        published,
    }))
}

/// Writes down how far it is. False when somebody else leads by now.
pub(super) async fn advance(
    client: &impl GenericClient,
    me: &str,
    progress: &Progress,
) -> Result<bool, StoreError> {
    let failed = || StoreError::postgres("write down how far the live bus is");
    let statement = client
        .prepare_cached(include_str!("advance.sql"))
        .await
        .map_err(failed())?;
    let changed = client
        .execute(
            &statement,
            &[
                &me,
                &LEASE_SECONDS,
                &progress.done,
                &progress.upto,
                &progress.after_xid,
                &progress.after_source,
                &progress.after_id,
                &progress.published,
            ],
        )
        .await
        .map_err(failed())?;
    Ok(changed == 1)
}

/// Lets another one lead at once.
pub(super) async fn resign(client: &impl GenericClient, me: &str) -> Result<(), StoreError> {
    client
        .execute(
            "UPDATE live_publisher SET until = '-infinity', holder = NULL WHERE holder = $1",
            &[&me],
        )
        .await
        .map_err(StoreError::postgres("leave the lead of the live bus"))?;
    Ok(())
}
