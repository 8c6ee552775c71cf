//! What must be true of the tables before anybody works on them (laws L4 and L15).
//!
//! A database that was restored or failed over has another history: messages that were sent come back as unsent, and
//! leases name workers that are gone. So the leases are cleared and the workers wait until a person says "resume".

use sallyport_postgres::{Connection, GenericClient, Pools, Role, check_ground};
use tokio_util::task::TaskTracker;

use crate::error::{OpenError, StoreError};
use crate::events;
use crate::partition::Partition;

const PARTITIONS: &str = "partitions";
const HISTORY: &str = "history";
const PAUSED: &str = "paused";

/// Checks the server, the tables and their history.
pub(crate) async fn check(pools: &Pools, tasks: &TaskTracker) -> Result<(), OpenError> {
    let client = pools
        .connect_driven("ground check", Role::Workers, tasks)
        .await
        .map_err(StoreError::pool("check the ground"))?;
    let ground = check_ground(&client).await?;
    drop(client);

    let connection = pools
        .handlers()
        .map_err(StoreError::pool("check the ground"))?;
    let mut connection = connection
        .get()
        .await
        .map_err(StoreError::pool("check the ground"))?;
    check_partitions(&connection).await?;
    match fact(&*connection, HISTORY).await? {
        Some(before) if before == ground.history => Ok(()),
        Some(before) => {
            begin_anew(&mut connection, &ground.history).await?;
            events::history_changed(&before, &ground.history);
            Ok(())
        }
        None => Ok(state_fact(&*connection, HISTORY, &ground.history).await?),
    }
}

/// The same for a process that only takes in: it must agree about the partitions, and may change nothing.
pub(crate) async fn check_edge(pools: &Pools) -> Result<(), OpenError> {
    let connection = pools
        .read()
        .get()
        .await
        .map_err(StoreError::pool("check the ground"))?;
    check_partitions(&connection).await
}

async fn check_partitions(connection: &Connection) -> Result<(), OpenError> {
    let exists = connection
        .query_one("SELECT to_regclass('house') IS NOT NULL", &[])
        .await
        .map_err(StoreError::postgres("check the ground"))?;
    if !exists.get::<_, bool>(0) {
        return Err(OpenError::NotMigrated);
    }
    let stored = fact(&**connection, PARTITIONS).await?.unwrap_or_default();
    if stored == Partition::COUNT.to_string() {
        Ok(())
    } else {
        Err(OpenError::PartitionCount {
            stored,
            ours: Partition::COUNT,
        })
    }
}

async fn begin_anew(connection: &mut Connection, history: &str) -> Result<(), StoreError> {
    let failed = || StoreError::postgres("begin a new history");
    let transaction = connection.transaction().await.map_err(failed())?;
    transaction
        .execute(
            "UPDATE leases SET owner = NULL, token = token + 1 WHERE owner IS NOT NULL",
            &[],
        )
        .await
        .map_err(failed())?;
    transaction
        .execute("DELETE FROM workers", &[])
        .await
        .map_err(failed())?;
    transaction
        .execute(
            "INSERT INTO pauses (kind, paused_by, reason) VALUES ('', 'sallyport', $1)
             ON CONFLICT (kind) DO NOTHING",
            &[&"the database was restored or failed over: what was sent since may come back as unsent"],
        )
        .await
        .map_err(failed())?;
    for (name, value) in [(HISTORY, history), (PAUSED, "true")] {
        transaction
            .execute(include_str!("state_fact.sql"), &[&name, &value])
            .await
            .map_err(failed())?;
    }
    transaction.commit().await.map_err(failed())
}

/// Whether the workers are to wait for a person.
pub(crate) async fn is_paused(client: &impl GenericClient) -> Result<bool, StoreError> {
    Ok(fact(client, PAUSED).await?.as_deref() == Some("true"))
}

/// States whether the workers are to wait: the fact that programs of every release look at when they start.
pub(crate) async fn state_paused(
    client: &impl GenericClient,
    paused: bool,
) -> Result<(), StoreError> {
    state_fact(client, PAUSED, if paused { "true" } else { "false" }).await
}

async fn fact(client: &impl GenericClient, name: &str) -> Result<Option<String>, StoreError> {
    let row = client
        .query_opt("SELECT value FROM house WHERE name = $1", &[&name])
        .await
        .map_err(StoreError::postgres("read a fact of the house"))?;
    Ok(row.map(|row| row.get(0)))
}

async fn state_fact(
    client: &impl GenericClient,
    name: &str,
    value: &str,
) -> Result<(), StoreError> {
    client
        .execute(include_str!("state_fact.sql"), &[&name, &value])
        .await
        .map_err(StoreError::postgres("state a fact of the house"))?;
    Ok(())
}
