//! What is to become a message later than in a day, or again and again (law L12).
//!
//! A schedule is a row; whoever gets the lock this time turns the due ones into messages, in one transaction, so each
//! becomes a message once. A repeating one that was missed several times becomes one message, not many; what is due by
//! the calendar says itself what becomes of missed times (`crons`). The lock ends with its transaction, and a holder that
//! hangs is cut off by the session's limits: another process takes over within seconds.

mod crons;
mod sets;

use std::time::Duration;

use jiff::Timestamp;
use sallyport_postgres::Pools;
use tokio_util::sync::CancellationToken;

use crate::error::StoreError;
use crate::events;
use crate::message::NewMessage;
use crate::pace::Pace;
use crate::rows;
use crate::wake::Bell;

pub use self::crons::{CronStory, MISSED_MAX, Missed, NewCron, Paused};
pub use self::sets::{CronSet, Declared, Declares};

/// How many schedules one tick turns into messages at most; the next tick goes on.
const TICK_MAX: i64 = 500;

/// The schedules. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Schedules {
    pools: Pools,
    bell: Bell,
}

/// A schedule to be made, or changed if its name is there already.
#[derive(Debug, Clone)]
pub struct NewSchedule {
    /// Its name, by which it can be changed and cancelled.
    pub name: String,
    /// When it is due first.
    pub due_at: Timestamp,
    /// How long after that again and again; `None` for once. Whole seconds.
    pub every: Option<Duration>,
    /// What it becomes. Its `delivery_id`, `delay` and `edge_spans` do not count.
    pub message: NewMessage,
}

/// What one tick did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ticked {
    /// Whether this process was the elected one.
    pub elected: bool,
    /// How many schedules became messages.
    pub messages: usize,
}

impl Schedules {
    pub(crate) fn new(pools: Pools, bell: Bell) -> Self {
        Self { pools, bell }
    }

    /// Makes the schedule, or gives the one of this name its new shape.
    ///
    /// # Errors
    /// The database is away, or the message has an impossible shape.
    pub async fn put(&self, schedule: &NewSchedule) -> Result<(), StoreError> {
        let message = &schedule.message;
        message.check()?;
        let pool = self
            .pools
            .handlers()
            .map_err(StoreError::pool("put a schedule"))?;
        let connection = pool
            .get()
            .await
            .map_err(StoreError::pool("put a schedule"))?;
        let every = schedule
            .every
            .map(|every| i64::try_from(every.as_secs().max(1)).unwrap_or(i64::MAX));
        connection
            .execute(
                include_str!("schedules/put.sql"),
                &[
                    &schedule.name,
                    &schedule.due_at,
                    &every,
                    &message.bot,
                    &message.tenant,
                    &message.source,
                    &message.kind,
                    &i16::try_from(message.kind_version).unwrap_or(i16::MAX),
                    &message.key.as_str(),
                    &message.key.partition().to_sql(),
                    &message.priority.to_sql(),
                    &&message.payload[..],
                    &message.payload_format.to_sql(),
                    &message.subject,
                    &message.cause.map(|cause| cause.0),
                    &&message.trace.to_bytes()[..],
                    &message
                        .expires_in
                        .map(|expires_in| expires_in.as_secs_f64()),
                ],
            )
            .await
            .map_err(StoreError::postgres("put a schedule"))?;
        Ok(())
    }

    /// Cancels the schedule of this name. Returns whether there was one.
    ///
    /// # Errors
    /// The database is away.
    pub async fn cancel(&self, name: &str) -> Result<bool, StoreError> {
        let pool = self
            .pools
            .handlers()
            .map_err(StoreError::pool("cancel a schedule"))?;
        let connection = pool
            .get()
            .await
            .map_err(StoreError::pool("cancel a schedule"))?;
        let gone = connection
            .execute("DELETE FROM schedules WHERE name = $1", &[&name])
            .await
            .map_err(StoreError::postgres("cancel a schedule"))?;
        Ok(gone > 0)
    }

    /// Turns the due schedules into messages, unless another process is doing it at this moment.
    ///
    /// # Errors
    /// The database is away: nothing was turned.
    pub async fn tick(&self) -> Result<Ticked, StoreError> {
        let failed = || StoreError::postgres("turn schedules into messages");
        let pool = self
            .pools
            .handlers()
            .map_err(StoreError::pool("turn schedules into messages"))?;
        let mut connection = pool
            .get()
            .await
            .map_err(StoreError::pool("turn schedules into messages"))?;
        let transaction = connection.transaction().await.map_err(failed())?;
        let elected = transaction
            .query_one(
                "SELECT pg_try_advisory_xact_lock(hashtext('sallyport schedules'))",
                &[],
            )
            .await
            .map_err(failed())?;
        if !elected.get::<_, bool>(0) {
            return Ok(Ticked::default());
        }
        let turned = transaction
            .query(include_str!("schedules/tick.sql"), &[&TICK_MAX])
            .await
            .map_err(failed())?;
        let (by_calendar, mut touched) = crons::fire(&transaction).await?;
        transaction.commit().await.map_err(failed())?;
        for row in &turned {
            touched.insert(rows::partition(row, "schedules")?);
        }
        self.bell.ring(touched);
        Ok(Ticked {
            elected: true,
            messages: turned.len() + by_calendar,
        })
    }
}

/// Ticks until `stop`.
pub(crate) async fn run(schedules: Schedules, every_ms: u64, stop: CancellationToken) {
    let mut pace = Pace::new(every_ms, stop);
    while pace.next().await {
        if let Err(error) = schedules.tick().await {
            events::chore_failed("schedules", &error);
        }
    }
}
