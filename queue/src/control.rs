//! Steering what waits and runs: pause and resume a kind or everything, cancel a message, see how far long work has come.
//!
//! Whatever is said here is a durable order. Nothing is ended from here: only the owner of a message's partition may do
//! that (law L6), so an order waits until an owner carries it out, also when no worker is alive at the moment. Workers hear
//! of a new order by the bell and look every half second besides. Who may give orders is decided by whoever calls.

use jiff::Timestamp;
use sallyport_postgres::{Connection, Pools};
use tokio_postgres::Row;

use crate::error::StoreError;
use crate::events;
use crate::fence::storable;
use crate::ground;
use crate::live::{self, News};
use crate::message::{InvalidMessage, KIND_BYTES_MAX, MessageId};
use crate::partition::Partition;
use crate::rows;
use crate::settlement::Outcome;
use crate::wake::Bell;

pub(crate) mod orders;

pub use orders::{Orders, OrdersWatch};

/// How much of a name or a reason is kept.
const WORDS_BYTES_MAX: usize = 512;
/// How many rows a list has at most.
const LIST_MAX: i64 = 1_000;
/// What messages of a paused kind wait for begins with this.
pub(crate) const PAUSE: &str = "pause:";

/// The steering wheel. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control {
    pools: Pools,
    bell: Bell,
}

/// What is paused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Whatever there is: workers claim nothing and start nothing; what runs goes on.
    Everything,
    /// Messages of this kind. Those behind one of them in the same key wait as well, because a key keeps its order;
    /// other keys go on.
    Kind(String),
}

impl Scope {
    /// As the row names it.
    fn word(&self) -> &str {
        match self {
            Self::Everything => "",
            Self::Kind(kind) => kind,
        }
    }

    fn of_word(word: &str) -> Self {
        match word {
            "" => Self::Everything,
            kind => Self::Kind(kind.to_owned()),
        }
    }

    fn check(&self) -> Result<(), InvalidMessage> {
        match self {
            Self::Everything => Ok(()),
            Self::Kind(kind) => crate::message::check_text("kind", kind, KIND_BYTES_MAX),
        }
    }
}

/// A pause that stands, or stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// What is paused.
    pub scope: Scope,
    /// Since when.
    pub since: Timestamp,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// An order to end a message, not carried out yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelOrder {
    /// Which message.
    pub id: MessageId,
    /// The partition whose owner carries it out.
    pub partition: Partition,
    /// Since when.
    pub asked_at: Timestamp,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl CancelOrder {
    /// What stands with the ended message.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!("cancelled by {}: {}", self.by, self.reason)
    }
}

/// The answer to a cancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelAnswer {
    /// The order stands. The owner of the partition ends the message as `cancelled` within about a second; without a live
    /// worker the next one that takes the partition over does it first.
    Ordered,
    /// Somebody asked before; theirs is the reason that will be kept.
    AlreadyOrdered(CancelOrder),
    /// Too late: it has ended, and nothing was changed.
    AlreadyEnded {
        /// How it ended.
        outcome: Outcome,
        /// When.
        at: Timestamp,
        /// In which attempt.
        attempt: u16,
        /// The error or the reason that was kept with it.
        text: Option<String>,
    },
    /// There is no such message, or its day is gone.
    Unknown,
}

/// How far a message's handler has come, as it last said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Which message.
    pub id: MessageId,
    /// How much is done, in the handler's own unit.
    pub done: u64,
    /// Of how much, if that is known.
    pub of: Option<u64>,
    /// A few words for a person.
    pub note: String,
    /// When it was written down; at most about once a second, and only when something changed.
    pub at: Timestamp,
}

/// Why a message that could run does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which message.
    pub id: MessageId,
    /// What it waits for.
    pub cause: WaitCause,
    /// Since when.
    pub since: Timestamp,
    /// How many older messages wait for the same.
    pub before: u64,
}

impl Waiting {
    /// What it waits for, in plain words.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.cause {
            WaitCause::Paused => "waits until its kind is resumed".to_owned(),
            WaitCause::Full { group, at_once } => format!(
                "waits for a place: {group} runs {at_once} at once, {} are before it",
                self.before
            ),
            WaitCause::Rate { group } => {
                format!("waits for its turn: {group} has started as many as it may for now")
            }
        }
    }
}

/// What a message that was set aside waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitCause {
    /// Its kind is paused.
    Paused,
    /// Its group runs as many at once as it may.
    Full {
        /// Which group.
        group: String,
        /// How many may run.
        at_once: u32,
    },
    /// Its group has started as many as it may in this time.
    Rate {
        /// Which group.
        group: String,
    },
}

impl Control {
    pub(crate) fn new(pools: Pools, bell: Bell) -> Self {
        Self { pools, bell }
    }

    /// Pauses: nothing of it is begun until [`resume`](Self::resume), by any worker, also after restarts. What runs goes
    /// on. Returns the pause that stands: an earlier one keeps its author and its reason.
    ///
    /// Every worker knows within a second. A worker of the release before this knows only a pause of everything, at its start.
    ///
    /// # Errors
    /// The database is away or slow, or the kind is no name.
    pub async fn pause(&self, scope: &Scope, by: &str, reason: &str) -> Result<Pause, StoreError> {
        scope.check()?;
        let (by, reason) = (
            storable(by, WORDS_BYTES_MAX),
            storable(reason, WORDS_BYTES_MAX),
        );
        let mut connection = self.connection("pause").await?;
        let failed = || StoreError::postgres("pause");
        let transaction = connection.transaction().await.map_err(failed())?;
        let inserted = transaction
            .execute(
                "INSERT INTO pauses (kind, paused_by, reason) VALUES ($1, $2, $3) ON CONFLICT (kind) DO NOTHING",
                &[&scope.word(), &by, &reason],
            )
            .await
            .map_err(failed())?;
        let row = transaction
            .query_one(
                "SELECT kind, paused_at, paused_by, reason FROM pauses WHERE kind = $1",
                &[&scope.word()],
            )
            .await
            .map_err(failed())?;
        if *scope == Scope::Everything {
            ground::state_paused(&transaction, true).await?;
        }
        orders::count_up(&transaction).await?;
        if inserted > 0 {
            live::tell(&transaction, &news("queue.paused", scope)).await?;
        }
        transaction.commit().await.map_err(failed())?;
        self.bell.ring_orders();
        let pause = pause_of(&row);
        if inserted > 0 {
            events::paused(&pause);
        }
        Ok(pause)
    }

    /// Ends a pause, and notes who and why. Returns the pause that stood; `None` when there was none. Kinds that are paused by themselves stay so
    /// when everything is resumed.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn resume(
        &self,
        scope: &Scope,
        by: &str,
        why: &str,
    ) -> Result<Option<Pause>, StoreError> {
        let mut connection = self.connection("resume").await?;
        let failed = || StoreError::postgres("resume");
        let transaction = connection.transaction().await.map_err(failed())?;
        let ended = transaction
            .query_opt(
                "DELETE FROM pauses WHERE kind = $1 RETURNING kind, paused_at, paused_by, reason",
                &[&scope.word()],
            )
            .await
            .map_err(failed())?;
        let mut ended = ended.as_ref().map(pause_of);
        if *scope == Scope::Everything {
            if ended.is_none() && ground::is_paused(&transaction).await? {
                ended = Some(of_the_house());
            }
            ground::state_paused(&transaction, false).await?;
        }
        orders::count_up(&transaction).await?;
        if ended.is_some() {
            live::tell(&transaction, &news("queue.resumed", scope)).await?;
            transaction
                .execute(
                    "INSERT INTO desk_log (who, what, target, why) VALUES ($1, 'resume', $2, $3)",
                    &[
                        &storable(by, WORDS_BYTES_MAX),
                        &scope.word(),
                        &storable(why, WORDS_BYTES_MAX),
                    ],
                )
                .await
                .map_err(failed())?;
        }
        transaction.commit().await.map_err(failed())?;
        self.bell.ring_orders();
        if let Some(pause) = &ended {
            events::resumed(pause, &storable(by, WORDS_BYTES_MAX));
        }
        Ok(ended)
    }

    /// What is paused, everything first, then by kind.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        let connection = self.connection("list the pauses").await?;
        orders::pauses(&*connection).await
    }

    /// Orders that a message be ended as `cancelled`, whether it waits, is delayed, is held or runs.
    ///
    /// One that waits ends without being handled. One that runs is told, gets two seconds to end by itself, and is cut off
    /// then; it is not tried again. A send that may have left the house by then has an ambiguous mark, as after any other
    /// cut. If the handler was done first, its result stands.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn cancel(
        &self,
        id: MessageId,
        by: &str,
        reason: &str,
    ) -> Result<CancelAnswer, StoreError> {
        let failed = || StoreError::postgres("cancel a message");
        let (by, reason) = (
            storable(by, WORDS_BYTES_MAX),
            storable(reason, WORDS_BYTES_MAX),
        );
        let partitions: Vec<i16> = Partition::all().map(Partition::to_sql).collect();
        let mut connection = self.connection("cancel a message").await?;
        let transaction = connection.transaction().await.map_err(failed())?;
        let ordered = transaction
            .execute(
                include_str!("control/cancel.sql"),
                &[&id.0, &partitions, &by, &reason],
            )
            .await
            .map_err(failed())?;
        if ordered > 0 {
            orders::count_up(&transaction).await?;
        }
        transaction.commit().await.map_err(failed())?;
        if ordered > 0 {
            self.bell.ring_orders();
            events::cancel_ordered(id, &by, &reason);
            return Ok(CancelAnswer::Ordered);
        }
        why_not(&connection, id).await
    }

    /// The cancellations that nobody has carried out yet, oldest first, at most a thousand.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn cancellations(&self) -> Result<Vec<CancelOrder>, StoreError> {
        let connection = self.connection("list the cancellations").await?;
        orders::cancellations(&*connection).await
    }

    /// How far these messages have come; one whose handler never said is left out.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn progress(&self, ids: &[MessageId]) -> Result<Vec<Progress>, StoreError> {
        let connection = self.connection("read progress").await?;
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let found = connection
            .query(
                "SELECT message_id, done, total, note, at FROM progress WHERE message_id = ANY ($1) ORDER BY message_id",
                &[&ids],
            )
            .await
            .map_err(StoreError::postgres("read progress"))?;
        let progress = found.iter().map(|row| Progress {
            id: MessageId(row.get("message_id")),
            done: rows::count(row.get("done")),
            of: row.get::<_, Option<i64>>("total").map(rows::count),
            note: row.get("note"),
            at: row.get("at"),
        });
        Ok(progress.collect())
    }

    /// Why these messages were set aside; one that was not is left out.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn waiting(&self, ids: &[MessageId]) -> Result<Vec<Waiting>, StoreError> {
        let connection = self.connection("ask what is waited for").await?;
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let found = connection
            .query(include_str!("control/waiting.sql"), &[&ids])
            .await
            .map_err(StoreError::postgres("ask what is waited for"))?;
        Ok(found.iter().map(waiting_of).collect())
    }

    async fn connection(&self, operation: &'static str) -> Result<Connection, StoreError> {
        let pool = self.pools.read();
        pool.get().await.map_err(StoreError::pool(operation))
    }
}

async fn why_not(connection: &Connection, id: MessageId) -> Result<CancelAnswer, StoreError> {
    let failed = || StoreError::postgres("cancel a message");
    if let Some(row) = connection
        .query_opt(
            "SELECT message_id, partition, asked_at, asked_by, reason FROM cancellations WHERE message_id = $1",
            &[&id.0],
        )
        .await
        .map_err(failed())?
    {
        return Ok(CancelAnswer::AlreadyOrdered(orders::cancellation(&row)?));
    }
    let ending = connection
        .query_opt(
            "SELECT outcome, ended_at, attempt, error_text FROM endings WHERE message_id = $1 LIMIT 1",
            &[&id.0],
        )
        .await
        .map_err(failed())?;
    let Some(row) = ending else {
        return Ok(CancelAnswer::Unknown);
    };
    let word: String = row.get("outcome");
    let outcome = Outcome::from_word(&word).ok_or_else(|| StoreError::Row {
        table: "endings",
        what: format!("outcome {word:?}"),
    })?;
    Ok(CancelAnswer::AlreadyEnded {
        outcome,
        at: row.get("ended_at"),
        attempt: rows::small(row.get("attempt")),
        text: row.get("error_text"),
    })
}

fn pause_of(row: &Row) -> Pause {
    Pause {
        scope: Scope::of_word(row.get("kind")),
        since: row.get("paused_at"),
        by: row.get("paused_by"),
        reason: row.get("reason"),
    }
}

/// What the live bus hears of a pause: the kind, empty for everything.
fn news(name: &str, scope: &Scope) -> News {
    News {
        data: serde_json::json!({ "kind": scope.word() }),
        ..News::new(name)
    }
}

/// A pause that an older program left, without saying who and why.
fn of_the_house() -> Pause {
    Pause {
        scope: Scope::Everything,
        since: Timestamp::now(),
        by: "sallyport".to_owned(),
        reason: "the workers were told to wait".to_owned(),
    }
}

fn waiting_of(row: &Row) -> Waiting {
    let room: String = row.get("room");
    let at_once: Option<i32> = row.get("at_once");
    let cause = match (room.starts_with(PAUSE), at_once) {
        (true, _) => WaitCause::Paused,
        (false, Some(at_once)) => WaitCause::Full {
            group: room,
            at_once: u32::try_from(at_once).unwrap_or(0),
        },
        (false, None) => WaitCause::Rate { group: room },
    };
    Waiting {
        id: MessageId(row.get("message_id")),
        cause,
        since: row.get("since"),
        before: rows::count(row.get("before")),
    }
}
