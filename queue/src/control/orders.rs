//! The orders that stand, as every worker knows them: what is paused, and what is to be cancelled.
//!
//! One row says whether anything is new, so looking costs next to nothing and can be done twice a second; the bell makes it
//! faster. What an order means for a message in hand is the pool's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sallyport_postgres::{GenericClient, Pools};
use tokio::sync::watch;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;

use super::{CancelOrder, LIST_MAX, Pause, Scope, of_the_house, pause_of};
use crate::error::StoreError;
use crate::message::MessageId;
use crate::wake::Bell;
use crate::{events, ground, rows};

/// How often the row is looked at: the net under the bell. Twice a second keeps "within a second" also when one look is slow.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What stands at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    /// Everything waits.
    pub everything: Option<Pause>,
    /// Kinds that wait.
    pub kinds: BTreeMap<String, Pause>,
    /// Messages to be ended, oldest order first, at most a thousand at a time.
    pub cancellations: Vec<CancelOrder>,
}

/// The orders that stand, kept up to date; `None` until they were read for the first time.
pub type OrdersWatch = watch::Receiver<Option<Arc<Orders>>>;

/// Keeps `known` up to date until `stop`.
pub(crate) async fn watch(
    pools: Pools,
    bell: Bell,
    known: watch::Sender<Option<Arc<Orders>>>,
    stop: CancellationToken,
) {
    let mut rung = bell.listen_for_orders();
    let mut seen = None;
    loop {
        match look(&pools, &mut seen).await {
            Ok(Some(orders)) => {
                known.send_if_modified(|before| {
                    let is_new = before.as_deref() != Some(&orders);
                    if is_new {
                        *before = Some(Arc::new(orders));
                    }
                    is_new
                });
            }
            Ok(None) => {}
            Err(error) => events::chore_failed("orders", &error),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = known.closed() => return,
            _changed = rung.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Reads the orders if there is anything new. While cancellations stand they are read at every look: carried-out ones go
/// without a new number.
async fn look(
    pools: &Pools,
    seen: &mut Option<(String, bool)>,
) -> Result<Option<Orders>, StoreError> {
    let pool = pools.read();
    let connection = pool
        .get()
        .await
        .map_err(StoreError::pool("look for orders"))?;
    let statement = connection
        .prepare_cached("SELECT value FROM house WHERE name = 'orders'")
        .await
        .map_err(StoreError::postgres("look for orders"))?;
    let row = connection
        .query_opt(&statement, &[])
        .await
        .map_err(StoreError::postgres("look for orders"))?;
    let number: String = row.map_or_else(String::new, |row| row.get(0));
    if let Some((before, false)) = seen
        && *before == number
    {
        return Ok(None);
    }
    let mut orders = Orders {
        cancellations: cancellations(&*connection).await?,
        ..Orders::default()
    };
    for pause in pauses(&*connection).await? {
        match &pause.scope {
            Scope::Everything => orders.everything = Some(pause),
            Scope::Kind(kind) => {
                orders.kinds.insert(kind.clone(), pause);
            }
        }
    }
    *seen = Some((number, !orders.cancellations.is_empty()));
    Ok(Some(orders))
}

/// Says that there is something new to read, inside the transaction that makes it so.
pub(crate) async fn count_up(client: &impl GenericClient) -> Result<(), StoreError> {
    client
        .execute(
            "INSERT INTO house (name, value) VALUES ('orders', '1')
             ON CONFLICT (name) DO UPDATE SET value = (house.value::bigint + 1)::text",
            &[],
        )
        .await
        .map_err(StoreError::postgres("announce an order"))?;
    Ok(())
}

pub(super) async fn pauses(client: &impl GenericClient) -> Result<Vec<Pause>, StoreError> {
    let found = client
        .query(
            "SELECT kind, paused_at, paused_by, reason FROM pauses ORDER BY kind LIMIT $1",
            &[&LIST_MAX],
        )
        .await
        .map_err(StoreError::postgres("list the pauses"))?;
    let mut pauses: Vec<Pause> = found.iter().map(pause_of).collect();
    let is_said = pauses
        .first()
        .is_some_and(|pause| pause.scope == Scope::Everything);
    if !is_said && ground::is_paused(client).await? {
        pauses.insert(0, of_the_house());
    }
    Ok(pauses)
}

pub(super) async fn cancellations(
    client: &impl GenericClient,
) -> Result<Vec<CancelOrder>, StoreError> {
    let found = client
        .query(
            "SELECT message_id, partition, asked_at, asked_by, reason FROM cancellations ORDER BY asked_at LIMIT $1",
            &[&LIST_MAX],
        )
        .await
        .map_err(StoreError::postgres("list the cancellations"))?;
    found.iter().map(cancellation).collect()
}

pub(super) fn cancellation(row: &Row) -> Result<CancelOrder, StoreError> {
    Ok(CancelOrder {
        id: MessageId(row.get("message_id")),
        partition: rows::partition(row, "cancellations")?,
        asked_at: row.get("asked_at"),
        by: row.get("asked_by"),
        reason: row.get("reason"),
    })
}
