//! Declaring schedules: whose set counts while two releases of one app run side by side.
//!
//! A set belongs to a declarer and is declared as a whole. Its row says which release declared it last and when a worker
//! of that release was last there, by Postgres's clock.

use tokio_postgres::Transaction;

use super::Schedules;
use super::crons::{NewCron, now, upsert};
use crate::error::StoreError;

/// All schedules of one declarer.
#[derive(Debug, Clone, Copy)]
pub struct CronSet<'a> {
    /// Who declares them, such as a bot and its app.
    pub declared_by: &'a str,
    /// Which release of it; a newer one has a greater number.
    pub release: i64,
    /// The schedules.
    pub crons: &'a [NewCron],
}

/// Whether a worker has just started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declares {
    /// It has: what it declares counts, even if its release declared something else before.
    First,
    /// It has declared before and is still there.
    Again,
}

/// What became of a declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// The set is as declared from now on.
    Now,
    /// It was declared by this release already.
    Still,
    /// A newer release has workers, or had lately: nothing was changed.
    Outdated,
}

/// What the row of a set says.
#[derive(Debug, Clone, Copy)]
struct SetSeen {
    release: i64,
    lately: bool,
}

impl SetSeen {
    fn judge(self, release: i64, declares: Declares) -> Declared {
        if self.release > release && self.lately {
            Declared::Outdated
        } else if self.release == release && declares == Declares::Again {
            Declared::Still
        } else {
            Declared::Now
        }
    }
}

impl Schedules {
    /// Declares these schedules and nothing else: those that `declared_by` declared before and no longer does are
    /// removed. One whose calendar did not change keeps its next time, so declaring at every start skips nothing.
    ///
    /// Releases are numbers that grow. While a worker of a newer release was there in the last ten minutes, an older one
    /// changes nothing, so a rolling upgrade never goes back and forth; after that the older one is a roll-back and counts.
    /// Workers repeat this every minute ([`Declares::Again`]), which only says that they are there.
    ///
    /// # Errors
    /// The database is away, or a message has an impossible shape: nothing was changed.
    pub async fn declare(
        &self,
        set: &CronSet<'_>,
        declares: Declares,
    ) -> Result<Declared, StoreError> {
        let failed = || StoreError::postgres("declare schedules");
        let pool = self
            .pools
            .handlers()
            .map_err(StoreError::pool("declare schedules"))?;
        let mut connection = pool
            .get()
            .await
            .map_err(StoreError::pool("declare schedules"))?;
        let transaction = connection.transaction().await.map_err(failed())?;
        let declared = take_set(&transaction, set, declares).await?;
        if declared == Declared::Now {
            let now = now(&transaction).await?;
            for cron in set.crons {
                upsert(&transaction, set.declared_by, cron, now).await?;
            }
            let names: Vec<&str> = set.crons.iter().map(|cron| cron.name.as_str()).collect();
            transaction
                .execute(
                    "DELETE FROM crons WHERE declared_by = $1 AND NOT name = ANY ($2)",
                    &[&set.declared_by, &names],
                )
                .await
                .map_err(failed())?;
        }
        transaction.commit().await.map_err(failed())?;
        Ok(declared)
    }
}

/// Locks the row of the set and decides; unless a newer release has it, the row says that this one is there.
async fn take_set(
    transaction: &Transaction<'_>,
    set: &CronSet<'_>,
    declares: Declares,
) -> Result<Declared, StoreError> {
    let failed = || StoreError::postgres("declare schedules");
    let made = transaction
        .execute(
            "INSERT INTO cron_sets (declared_by, release) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[&set.declared_by, &set.release],
        )
        .await
        .map_err(failed())?;
    if made > 0 {
        return Ok(Declared::Now);
    }
    let row = transaction
        .query_one(
            "SELECT release, seen_at > clock_timestamp() - interval '10 minutes' AS lately
             FROM cron_sets WHERE declared_by = $1 FOR UPDATE",
            &[&set.declared_by],
        )
        .await
        .map_err(failed())?;
    let seen = SetSeen {
        release: row.get("release"),
        lately: row.get("lately"),
    };
    let declared = seen.judge(set.release, declares);
    if declared != Declared::Outdated {
        transaction
            .execute(
                "UPDATE cron_sets SET release = $2, seen_at = clock_timestamp() WHERE declared_by = $1",
                &[&set.declared_by, &set.release],
            )
            .await
            .map_err(failed())?;
    }
    Ok(declared)
}
