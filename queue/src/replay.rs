//! Replay: handing messages of the log, or dead letters, in once more (law L11, ADR 0010).
//!
//! A replay is a new message whose cause is the old one. What is asked for is a row of `replays`, which is also the record
//! of who did it and why; a chore carries it out in small steps at the rate that was asked for, each step one transaction
//! with its progress, so that a crash repeats none and a hundred thousand never flood the house. Within a key the old
//! order is kept, because messages are handed in by their numbers.

mod filter;
mod running;
mod walk;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use sallyport_postgres::{Cached, GenericClient, Pools};
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;

use crate::error::StoreError;
use crate::events;
use crate::message::MessageId;
use crate::pace::Pace;
use crate::partition::PartitionSet;
use crate::rows;
use crate::wake::Bell;

pub use self::filter::{Candidate, CandidateStanding, Refusal, ReplayFilter};
use self::running::Running;
use self::walk::Cursor;

/// How many messages one replay may name.
pub const REPLAY_IDS_MAX: usize = 1_000;
/// How many messages per second a replay hands in unless told otherwise: background, beside everything else.
pub const REPLAY_PER_SECOND: u16 = 50;
/// The fastest that somebody may ask for.
pub const REPLAY_PER_SECOND_MAX: u16 = 1_000;
/// How often the chore looks for a step to do; a step is what the rate allows in this time.
const STEP_MS: u64 = 250;
/// Messages handed in by one step.
const STEP_MAX: usize = 200;
/// Rows that one page looks at.
const PAGE_ROWS: i64 = 2_000;
/// How long a list of replays is.
const LIST_MAX: i64 = 200;

/// Replays. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Replays {
    pools: Pools,
    bell: Bell,
}

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct ReplayOrder {
    /// Which messages.
    pub filter: ReplayFilter,
    /// Also what is done, ignored or was replayed already.
    pub forced: bool,
    /// How many per second, 1–1000.
    pub per_second: u16,
    /// Who asks.
    pub by: String,
    /// Why.
    pub why: String,
}

/// A replay as it stands.
#[derive(Debug, Clone)]
pub struct ReplayStory {
    /// Its number.
    pub id: i64,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
    /// Which messages.
    pub filter: ReplayFilter,
    /// Whether what is done is done again.
    pub forced: bool,
    /// How many per second.
    pub per_second: u16,
    /// `running`, `done` or `cancelled`.
    pub state: String,
    /// Rows that were looked at.
    pub looked_at: u64,
    /// Messages that were handed in.
    pub replayed: u64,
    /// Messages that the filter found and that were refused.
    pub refused: u64,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// What a replay would do.
#[derive(Debug, Clone, Default)]
pub struct DryRun {
    /// How many messages would be handed in.
    pub count: u64,
    /// Those by kind.
    pub by_kind: BTreeMap<String, u64>,
    /// The first of them.
    pub first: Option<Candidate>,
    /// The last of them.
    pub last: Option<Candidate>,
    /// How many would be refused, by reason.
    pub refused: BTreeMap<Refusal, u64>,
    /// The first that would be refused, for its reason.
    pub first_refused: Option<Candidate>,
    /// Whether everything was looked at, or time was up before.
    pub complete: bool,
    /// Since when there is a log.
    pub log_begins_at: Option<Timestamp>,
}

/// Why a replay is not begun: nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The filter names nothing.
    #[error(
        "name messages, a time, an error, a kind, a bot or a tenant; everything at once is not replayed"
    )]
    Everything,
    /// The filter names too many ids.
    #[error(
        "{count} messages are named, at most {REPLAY_IDS_MAX} may be; ask by time or kind instead"
    )]
    TooMany {
        /// How many.
        count: usize,
    },
    /// Nobody said why.
    #[error("say who asks and why: it stays in the record")]
    NoReason,
    /// What is asked for is older than the log.
    #[error("{}", gone(.earliest.as_ref()))]
    Gone {
        /// The earliest moment that can be replayed; `None` when there is no log at all.
        earliest: Option<Timestamp>,
    },
    /// The database is away or slow.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn gone(earliest: Option<&Timestamp>) -> String {
    match earliest {
        Some(earliest) => format!(
            "that is older than the log; the earliest that can be replayed is of {earliest}"
        ),
        None => "there is no log to replay from".to_owned(),
    }
}

impl Replays {
    pub(crate) fn new(pools: Pools, bell: Bell) -> Self {
        Self { pools, bell }
    }

    /// What a replay would do. Changes nothing. Looks for `budget` at most; then the answer says that it is not complete.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub async fn dry_run(
        &self,
        filter: &ReplayFilter,
        forced: bool,
        budget: Duration,
    ) -> Result<DryRun, ReplayError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("try a replay"))?;
        let days = walk::days(&*connection).await?;
        let log_begins_at = check(&*connection, filter, &days).await?;
        let began = Instant::now();
        let mut run = DryRun {
            log_begins_at,
            ..DryRun::default()
        };
        let mut cursor = Some(Cursor::BEGIN);
        while let Some(at) = cursor {
            if began.elapsed() >= budget {
                return Ok(run);
            }
            let page = walk::page(&*connection, filter, at, i64::MAX, PAGE_ROWS, &days).await?;
            cursor = page.next;
            page.found
                .into_iter()
                .for_each(|found| run.count(found, forced));
        }
        run.complete = true;
        Ok(run)
    }

    /// The payload that the message's handler would be given; `None` when it is gone.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn payload(&self, id: MessageId) -> Result<Option<Vec<u8>>, StoreError> {
        let failed = || StoreError::postgres("read a payload");
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("read a payload"))?;
        let days = walk::days(&*connection).await?;
        let row = connection
            .query_opt(
                "SELECT payload FROM messages WHERE day = ANY ($1) AND id = $2
                 UNION ALL SELECT payload FROM dead_letters WHERE id = $2 LIMIT 1",
                &[&days, &id.0],
            )
            .await
            .map_err(failed())?;
        Ok(row.map(|row| row.get(0)))
    }

    /// Orders a replay. It begins within a second and goes on by itself, whoever asked stays or not.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub async fn start(&self, order: &ReplayOrder) -> Result<ReplayStory, ReplayError> {
        if order.why.trim().is_empty() || order.by.trim().is_empty() {
            return Err(ReplayError::NoReason);
        }
        let pool = self
            .pools
            .handlers()
            .map_err(StoreError::pool("order a replay"))?;
        let connection = pool
            .get()
            .await
            .map_err(StoreError::pool("order a replay"))?;
        let days = walk::days(&*connection).await?;
        check(&*connection, &order.filter, &days).await?;
        let filter = serde_json::to_value(&order.filter).map_err(|error| StoreError::Row {
            table: "replays",
            what: error.to_string(),
        })?;
        let per_second = order.per_second.clamp(1, REPLAY_PER_SECOND_MAX);
        let row = connection
            .query_one(
                "INSERT INTO replays (asked_by, why, filter, forced, per_second, until_id)
                 VALUES ($1, $2, $3, $4, $5, nextval('message_order')) RETURNING *",
                &[
                    &order.by.replace('\0', ""),
                    &order.why.replace('\0', ""),
                    &filter,
                    &order.forced,
                    &i16::try_from(per_second).unwrap_or(1),
                ],
            )
            .await
            .map_err(StoreError::postgres("order a replay"))?;
        Ok(story(&row)?)
    }

    /// The replay of this number.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn get(&self, id: i64) -> Result<Option<ReplayStory>, StoreError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("look at a replay"))?;
        let row = connection
            .query_opt("SELECT * FROM replays WHERE id = $1", &[&id])
            .await
            .map_err(StoreError::postgres("look at a replay"))?;
        row.as_ref().map(story).transpose()
    }

    /// The replays, newest first, at most 200, those below `before` when it is given.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn list(&self, before: Option<i64>) -> Result<Vec<ReplayStory>, StoreError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("list replays"))?;
        let rows = connection
            .query(
                "SELECT * FROM replays WHERE id < $1 ORDER BY id DESC LIMIT $2",
                &[&before.unwrap_or(i64::MAX), &LIST_MAX],
            )
            .await
            .map_err(StoreError::postgres("list replays"))?;
        rows.iter().map(story).collect()
    }

    /// Stops a replay that runs, and notes who and why; what it has handed in stays. Returns whether it ran.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn cancel(&self, id: i64, by: &str, why: &str) -> Result<bool, StoreError> {
        let pool = self
            .pools
            .handlers()
            .map_err(StoreError::pool("cancel a replay"))?;
        let connection = pool
            .get()
            .await
            .map_err(StoreError::pool("cancel a replay"))?;
        let stopped = connection
            .execute(
                "WITH stopped AS (
                     UPDATE replays SET state = 'cancelled', ended_at = statement_timestamp(), ended_by = $2
                     WHERE id = $1 AND state = 'running' RETURNING id
                 )
                 INSERT INTO desk_log (who, what, target, why) SELECT $2, 'stop replay', id::text, $3 FROM stopped",
                &[&id, &by, &why],
            )
            .await
            .map_err(StoreError::postgres("cancel a replay"))?;
        Ok(stopped > 0)
    }

    /// Makes a message that waits for its time, or for its next attempt, due at once. Returns whether there was one that
    /// waits so.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn hurry(&self, id: MessageId, by: &str, why: &str) -> Result<bool, StoreError> {
        let failed = || StoreError::postgres("hurry a message");
        let pool = self
            .pools
            .handlers()
            .map_err(StoreError::pool("hurry a message"))?;
        let connection = pool
            .get()
            .await
            .map_err(StoreError::pool("hurry a message"))?;
        let days = walk::days(&*connection).await?;
        let row = connection
            .query_opt(include_str!("replay/hurry.sql"), &[&days, &id.0, &by, &why])
            .await
            .map_err(failed())?;
        if let Some(row) = &row {
            let mut touched = PartitionSet::EMPTY;
            touched.insert(rows::partition(row, "queue")?);
            self.bell.ring(touched);
        }
        Ok(row.is_some())
    }

    /// Does one step of a replay that is due, if there is one. Returns whether there was.
    ///
    /// # Errors
    /// The database is away or slow: nothing of the step was kept.
    pub async fn step(&self) -> Result<bool, StoreError> {
        let failed = || StoreError::postgres("replay");
        let pool = self.pools.handlers().map_err(StoreError::pool("replay"))?;
        let mut connection = pool.get().await.map_err(StoreError::pool("replay"))?;
        let transaction = connection.transaction().await.map_err(failed())?;
        let row = transaction
            .query_opt_cached(include_str!("replay/take.sql"), &[])
            .await
            .map_err(failed())?;
        let Some(row) = row else { return Ok(false) };
        let running = Running::of(&row)?;
        let days = walk::days(&transaction).await?;
        let page = running.page(&transaction, &days).await?;
        let step = running.choose(page);
        let touched = running.hand_in(&transaction, &step).await?;
        running.note(&transaction, &step, touched.handed_in).await?;
        transaction.commit().await.map_err(failed())?;
        self.bell.ring(touched.partitions);
        Ok(true)
    }
}

/// Refuses what cannot be replayed. Returns since when there is a log.
async fn check(
    client: &impl GenericClient,
    filter: &ReplayFilter,
    days: &[Date],
) -> Result<Option<Timestamp>, ReplayError> {
    if filter.is_empty() {
        return Err(ReplayError::Everything);
    }
    if filter.ids.len() > REPLAY_IDS_MAX {
        return Err(ReplayError::TooMany {
            count: filter.ids.len(),
        });
    }
    let earliest = walk::begins_at(client, days).await?;
    let nothing_then = match (filter.until, earliest) {
        (Some(until), Some(earliest)) => until < earliest,
        (_, None) => true,
        (None, Some(_)) => false,
    };
    let nothing_named = match filter.ids.is_empty() {
        true => false,
        false => {
            let bare = ReplayFilter {
                ids: filter.ids.clone(),
                ..ReplayFilter::default()
            };
            let page = walk::page(client, &bare, Cursor::BEGIN, i64::MAX, 1, days).await?;
            page.found.is_empty()
        }
    };
    let only_dead = nothing_then && filter.ids.is_empty() && !any_dead(client, filter).await?;
    if nothing_named || only_dead {
        return Err(ReplayError::Gone { earliest });
    }
    Ok(earliest)
}

/// Whether a dead letter, which owns its payload, is as old as what is asked for.
async fn any_dead(client: &impl GenericClient, filter: &ReplayFilter) -> Result<bool, StoreError> {
    let row = client
        .query_one(
            "SELECT EXISTS (SELECT FROM dead_letters WHERE ($1::timestamptz IS NULL OR accepted_at <= $1))",
            &[&filter.until],
        )
        .await
        .map_err(StoreError::postgres("look for dead letters"))?;
    Ok(row.get(0))
}

impl DryRun {
    fn count(&mut self, found: Candidate, forced: bool) {
        match found.refusal(forced) {
            Some(refusal) => {
                *self.refused.entry(refusal).or_default() += 1;
                self.first_refused.get_or_insert(found);
            }
            None => {
                self.count += 1;
                *self.by_kind.entry(found.kind.clone()).or_default() += 1;
                self.first.get_or_insert_with(|| found.clone());
                self.last = Some(found);
            }
        }
    }
}

fn filter_of(row: &Row) -> Result<ReplayFilter, StoreError> {
    serde_json::from_value(row.get("filter")).map_err(|error| StoreError::Row {
        table: "replays",
        what: error.to_string(),
    })
}

fn story(row: &Row) -> Result<ReplayStory, StoreError> {
    Ok(ReplayStory {
        id: row.get("id"),
        asked_at: row.get("asked_at"),
        by: row.get("asked_by"),
        why: row.get("why"),
        filter: filter_of(row)?,
        forced: row.get("forced"),
        per_second: rows::small(row.get("per_second")),
        state: row.get("state"),
        looked_at: rows::count(row.get("looked_at")),
        replayed: rows::count(row.get("replayed")),
        refused: rows::count(row.get("refused")),
        ended_at: row.get("ended_at"),
    })
}

/// Carries replays out until `stop`. Several processes may: a replay is one's for a step, and its rate is kept by its row.
pub(crate) async fn run(replays: Replays, stop: CancellationToken) {
    let mut pace = Pace::new(STEP_MS, stop);
    while pace.next().await {
        if let Err(error) = replays.step().await {
            events::chore_failed("replays", &error);
        }
    }
}
