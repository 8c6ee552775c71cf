//! What a backup needs to know of the server that it copies.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sallyport_postgres::DatabaseUrl;
use tokio_postgres::Client;

use crate::error::Trouble;
use crate::manifest::Server;
use crate::session::Session;

/// A restored server that is to be looked at while it replays must not have less of these than the original had.
const NOT_LESS: [&str; 5] = [
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
];

/// Asks the server who it is.
pub(crate) async fn look(client: &Client) -> Result<Server, Trouble> {
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::int,
                    (SELECT system_identifier::text FROM pg_control_system()),
                    (SELECT timeline_id FROM pg_control_checkpoint()),
                    (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'),
                    (SELECT rolname::text FROM pg_roles WHERE oid = 10),
                    current_database()::text",
            &[],
        )
        .await
        .map_err(Trouble::postgres("who are you"))?;
    let mut settings = BTreeMap::new();
    for name in NOT_LESS {
        let value = client
            .query_one("SELECT current_setting($1)", &[&name])
            .await
            .map_err(Trouble::postgres("how are you set up"))?;
        settings.insert(name.to_owned(), value.get(0));
    }
    let positive = |value: i32| u32::try_from(value).unwrap_or_default();
    Ok(Server {
        version: positive(row.get(0)),
        system: row.get(1),
        timeline: positive(row.get(2)),
        segment_bytes: u64::try_from(row.get::<_, i64>(3)).unwrap_or_default(),
        superuser: row.get(4),
        database: row.get(5),
        settings,
    })
}

/// The line of history that the server writes on.
pub(crate) async fn timeline(url: &DatabaseUrl) -> Result<u32, Trouble> {
    let session = Session::open(url).await?;
    let question = "SELECT timeline_id FROM pg_control_checkpoint()";
    let row = session.client.query_one(question, &[]).await;
    let row = row.map_err(Trouble::postgres("which line of history is this"))?;
    Ok(u32::try_from(row.get::<_, i32>(0)).unwrap_or_default())
}

/// The time by the server's clock, which is the one that its log is stamped with.
pub(crate) async fn now(client: &Client) -> Result<Timestamp, Trouble> {
    let row = client
        .query_one("SELECT clock_timestamp()", &[])
        .await
        .map_err(Trouble::postgres("what time is it"))?;
    Ok(row.get(0))
}

/// How many tablespaces lie outside the data folder.
pub(crate) async fn foreign_tablespaces(client: &Client) -> Result<i64, Trouble> {
    let row = client
        .query_one(
            "SELECT count(*) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')",
            &[],
        )
        .await
        .map_err(Trouble::postgres("where are your tables"))?;
    Ok(row.get(0))
}
