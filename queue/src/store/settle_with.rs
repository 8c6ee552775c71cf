//! Making one end durable together with an app's own changes: one short transaction, the fence last (law L6).

use std::time::{Duration, Instant};

use sallyport_postgres::{Connection, Fault};

use super::{Store, settle};
use crate::error::{SettleError, StoreError};
use crate::settlement::{Effects, Settled, Settlement};
use crate::unique;

/// How long such a transaction may take.
const TRANSACTION_MAX: Duration = Duration::from_secs(5);

/// Inside the app's transaction the fence must not read the queue from end to end, whatever the planner remembers; and it is
/// planned once per connection, because a plan of its own costs Postgres more than all the rest of such a transaction.
const PLAN_ONCE: &str = "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off; \
    SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";

impl Store {
    /// Applies `effects` and makes the end durable, both or neither.
    ///
    /// # Errors
    /// The effects failed or took too long, or the database is away: nothing was kept, and the handler has to run again.
    ///
    /// # Cancel safety
    /// A dropped call leaves the transaction to be rolled back, unless its commit was under way.
    pub async fn settle_with(
        &self,
        settlement: &Settlement,
        effects: Effects,
    ) -> Result<Settled, SettleError> {
        let began = Instant::now();
        let settled = self.settle_with_effects(settlement, effects).await;
        match &settled {
            Ok(answer) => self.after_settling(std::slice::from_ref(settlement), &[*answer], began),
            Err(SettleError::Store(error)) => {
                self.shared.events.failed("settle", began.elapsed(), error)
            }
            Err(SettleError::Effects(_) | SettleError::TooSlow { .. }) => {}
        }
        settled
    }

    async fn settle_with_effects(
        &self,
        settlement: &Settlement,
        effects: Effects,
    ) -> Result<Settled, SettleError> {
        let pool = self
            .pools
            .handlers()
            .map_err(StoreError::pool("settle with effects"))?;
        let mut connection = pool
            .get()
            .await
            .map_err(StoreError::pool("settle with effects"))?;
        let ready = tokio::time::timeout(
            TRANSACTION_MAX,
            self.up_to_the_commit(&mut connection, settlement, effects),
        )
        .await
        .map_err(|_| SettleError::TooSlow {
            limit: TRANSACTION_MAX,
        })??;
        match ready {
            Committed::Yes => Ok(Settled::Durable),
            Committed::Refused => Ok(Settled::Stale),
            Committed::Unknown(error) => self.find_out(settlement, error).await,
        }
    }

    async fn up_to_the_commit(
        &self,
        connection: &mut Connection,
        settlement: &Settlement,
        effects: Effects,
    ) -> Result<Committed, SettleError> {
        let failed = StoreError::postgres;
        let transaction = connection
            .transaction()
            .await
            .map_err(failed("settle with effects"))?;
        effects(&transaction).await.map_err(SettleError::Effects)?;
        transaction
            .batch_execute(PLAN_ONCE)
            .await
            .map_err(failed("settle with effects"))?;
        let through = settle::settle_on(
            &transaction,
            std::slice::from_ref(settlement),
            self.worker.as_str(),
        )
        .await?;
        if through.is_empty() {
            transaction
                .rollback()
                .await
                .map_err(failed("settle with effects"))?;
            return Ok(Committed::Refused);
        }
        if unique::any_in(std::slice::from_ref(settlement)) {
            unique::put_caused(&transaction, std::slice::from_ref(settlement), |_| true).await?;
        }
        match transaction.commit().await {
            Ok(()) => Ok(Committed::Yes),
            Err(error) => Ok(Committed::Unknown(error)),
        }
    }

    /// The answer of a commit got lost. The message's own rows know; the lock waits for a transaction still under way.
    async fn find_out(
        &self,
        settlement: &Settlement,
        error: tokio_postgres::Error,
    ) -> Result<Settled, SettleError> {
        if sallyport_postgres::classify(&error) != Fault::ConnectionLost {
            return Err(StoreError::Postgres {
                operation: "commit",
                source: error,
            }
            .into());
        }
        let pool = self
            .pools
            .handlers()
            .map_err(StoreError::pool("find out about a commit"))?;
        let connection = pool
            .get()
            .await
            .map_err(StoreError::pool("find out about a commit"))?;
        let message = &settlement.message;
        let partition = message.partition.to_sql();
        let priority = message.priority.to_sql();
        connection
            .query(
                "SELECT FROM queue WHERE state <> 1 AND partition = $1 AND priority = $2 AND id = $3 FOR UPDATE",
                &[&partition, &priority, &message.id.0],
            )
            .await
            .map_err(StoreError::postgres("find out about a commit"))?;
        let found =
            settle::settled_before(&*connection, &[settlement], self.worker.as_str()).await?;
        if found.is_empty() {
            Err(StoreError::Postgres {
                operation: "commit",
                source: error,
            }
            .into())
        } else {
            Ok(Settled::Durable)
        }
    }
}

/// What became of the transaction.
enum Committed {
    Yes,
    Refused,
    Unknown(tokio_postgres::Error),
}
