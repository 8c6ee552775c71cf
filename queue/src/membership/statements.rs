//! What the heart says to the database. Every statement is one round trip and waits for no lock.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Error, Row};

use super::plan::{Lease, Take};
use super::roster::Beat;
use crate::ownership::WorkerId;
use crate::{Partition, Token};

const BEAT: &str = "INSERT INTO workers (id, beat, leaving, looks_behind) VALUES ($1, 1, $2, true) \
     ON CONFLICT (id) DO UPDATE SET beat = workers.beat + 1, leaving = excluded.leaving, looks_behind = true";

const WORKERS: &str = "SELECT id, beat, leaving FROM workers";

const LEASES: &str = "SELECT partition, owner, token FROM leases";

/// Rows that somebody is settling under (`FOR SHARE`) are skipped and tried again at the next beat, so that a heartbeat
/// never waits. A worker whose beat changed after we looked is alive after all, and keeps its lease.
const TAKE: &str = "WITH seen AS ( \
         SELECT * FROM unnest($2::smallint[], $3::text[], $4::bigint[], $5::bigint[]) AS seen (partition, owner, token, beat) \
     ), free AS ( \
         SELECT leases.partition FROM leases JOIN seen USING (partition) \
         WHERE leases.owner IS NOT DISTINCT FROM seen.owner AND leases.token = seen.token \
           AND NOT EXISTS (SELECT FROM workers WHERE workers.id = seen.owner AND workers.beat IS DISTINCT FROM seen.beat) \
         FOR UPDATE OF leases SKIP LOCKED \
     ) \
     UPDATE leases SET owner = $1, token = leases.token + 1 FROM free \
     WHERE leases.partition = free.partition RETURNING leases.partition, leases.token";

/// Locks in the order of the partitions, like everybody who locks several, so that nobody waits in a circle.
const RELEASE: &str = "WITH ours AS ( \
         SELECT leases.partition FROM leases \
         JOIN unnest($2::smallint[], $3::bigint[]) AS given (partition, token) USING (partition) \
         WHERE leases.owner = $1 AND leases.token = given.token \
         ORDER BY leases.partition FOR UPDATE OF leases \
     ) \
     UPDATE leases SET owner = NULL FROM ours WHERE leases.partition = ours.partition";

const RELEASE_ALL: &str = "WITH ours AS (SELECT partition FROM leases WHERE owner = $1 ORDER BY partition FOR UPDATE) \
     UPDATE leases SET owner = NULL FROM ours WHERE leases.partition = ours.partition";

const STRIKE_OFF: &str = "DELETE FROM workers WHERE id = $1";

const BURY: &str = "DELETE FROM workers WHERE id = $1 AND beat = $2 \
     AND NOT EXISTS (SELECT FROM leases WHERE leases.owner = workers.id)";

/// The channel on which workers hear that one has come, wants to leave, or has given something back.
pub(super) const CHANNEL: &str = "sallyport_members";

pub(super) async fn listen(client: &Client) -> Result<(), Error> {
    client.batch_execute(&format!("LISTEN {CHANNEL}")).await
}

/// Tells the others that they should look now, and not only at their next beat.
pub(super) async fn tell(client: &Client, me: &WorkerId) -> Result<(), Error> {
    client
        .execute("SELECT pg_notify($1, $2)", &[&CHANNEL, &me.as_str()])
        .await
        .map(drop)
}

pub(super) async fn beat(client: &Client, me: &WorkerId, leaving: bool) -> Result<(), Error> {
    client
        .execute(BEAT, &[&me.as_str(), &leaving])
        .await
        .map(drop)
}

pub(super) async fn workers(client: &Client) -> Result<Vec<Beat>, Error> {
    let rows = client.query(WORKERS, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Beat {
                worker: WorkerId::new(row.try_get(0)?),
                beat: row.try_get(1)?,
                leaving: row.try_get(2)?,
            })
        })
        .collect()
}

/// Rows of a partition that this build does not know are left out; the start refuses such a database.
pub(super) async fn leases(client: &Client) -> Result<Vec<Lease>, Error> {
    let rows = client.query(LEASES, &[]).await?;
    rows.iter()
        .filter_map(|row| lease(row).transpose())
        .collect()
}

fn lease(row: &Row) -> Result<Option<Lease>, Error> {
    let owner: Option<&str> = row.try_get(1)?;
    let Some(partition) = partition(row)? else {
        return Ok(None);
    };
    Ok(Some(Lease {
        partition,
        owner: owner.map(WorkerId::new),
        token: Token(row.try_get(2)?),
    }))
}

fn partition(row: &Row) -> Result<Option<Partition>, Error> {
    row.try_get(0).map(Partition::from_sql)
}

/// Takes what is still as it was seen; answers with what was won and its new tokens.
pub(super) async fn take(
    client: &Client,
    me: &WorkerId,
    takes: &[Take],
) -> Result<BTreeMap<Partition, Token>, Error> {
    let partitions: Vec<i16> = takes.iter().map(|take| take.partition.to_sql()).collect();
    let owners: Vec<Option<&str>> = takes
        .iter()
        .map(|take| take.from.as_ref().map(|(owner, _)| owner.as_str()))
        .collect();
    let tokens: Vec<i64> = takes.iter().map(|take| take.token.0).collect();
    let beats: Vec<Option<i64>> = takes
        .iter()
        .map(|take| take.from.as_ref().and_then(|(_, beat)| *beat))
        .collect();
    let rows = client
        .query(TAKE, &[&me.as_str(), &partitions, &owners, &tokens, &beats])
        .await?;
    rows.iter()
        .filter_map(|row| match (partition(row), row.try_get(1)) {
            (Ok(Some(partition)), Ok(token)) => Some(Ok((partition, Token(token)))),
            (Ok(None), Ok(_)) => None,
            (Err(error), _) | (_, Err(error)) => Some(Err(error)),
        })
        .collect()
}

pub(super) async fn release(
    client: &Client,
    me: &WorkerId,
    leases: &[(Partition, Token)],
) -> Result<(), Error> {
    let partitions: Vec<i16> = leases
        .iter()
        .map(|(partition, _)| partition.to_sql())
        .collect();
    let tokens: Vec<i64> = leases.iter().map(|(_, token)| token.0).collect();
    client
        .execute(RELEASE, &[&me.as_str(), &partitions, &tokens])
        .await
        .map(drop)
}

/// The end of a worker in order: its leases are free before its name is gone, and both before anybody is told.
pub(super) async fn strike_off(client: &Client, me: &WorkerId) -> Result<(), Error> {
    client.execute(RELEASE_ALL, &[&me.as_str()]).await?;
    client.execute(STRIKE_OFF, &[&me.as_str()]).await?;
    tell(client, me).await
}

/// Clears the row of a worker that is long dead, unless it beat again or still stands in a lease.
pub(super) async fn bury(client: &Client, worker: &WorkerId, beat: i64) -> Result<(), Error> {
    client
        .execute(BURY, &[&worker.as_str(), &beat])
        .await
        .map(drop)
}
