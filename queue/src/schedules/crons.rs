//! What becomes a message by the calendar, declared by name (ADR 0010).
//!
//! The elected process reads the due ones, works out their occurrences and stores messages and next due times in one
//! transaction, by Postgres's clock alone: a crash in between leaves both undone. Each occurrence has a delivery id of
//! its own besides, so that it is stored once in seven days even if its row is made anew or the clock goes back.

use jiff::{SignedDuration, Timestamp};
use sallyport_telemetry::trace::SpanContext;
use tokio_postgres::{Row, Transaction};

use super::Schedules;
use crate::batch::{Batch, put_statement};
use crate::calendar::Calendar;
use crate::error::StoreError;
use crate::message::{MessageId, NewMessage, PayloadFormat, Priority};
use crate::partition::{Key, PartitionSet};
use crate::rows;

/// How many schedules one tick looks at; the next tick goes on.
const TICK_MAX: i64 = 200;
/// What is later than this was missed: nobody was there to do it in time.
const ON_TIME: SignedDuration = SignedDuration::from_secs(60);
/// The most occurrences that are made up for.
pub const MISSED_MAX: u16 = 100;
/// Missed occurrences that are looked at: more than a minutely schedule misses in a year.
const LOOKED_AT_MAX: usize = 600_000;
/// Where their messages come from.
const SOURCE: &str = "schedule";
/// How many upcoming times a list shows.
const NEXT_SHOWN: usize = 5;
/// How long a list is.
const LIST_MAX: i64 = 500;

/// What becomes of occurrences that nobody was there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missed {
    /// They become one message.
    #[default]
    Once,
    /// They are skipped.
    Skip,
    /// Each becomes a message, the latest of them, at most so many; at most 100.
    All {
        /// How many.
        at_most: u16,
    },
}

/// A schedule that somebody declares.
#[derive(Debug, Clone)]
pub struct NewCron {
    /// Its name, unique in the house.
    pub name: String,
    /// When it is due.
    pub calendar: Calendar,
    /// What becomes of missed occurrences.
    pub missed: Missed,
    /// What it becomes. Its `source`, `delivery_id`, `trace`, `cause`, `delay`, `edge_spans` and `unique` do not count.
    pub message: NewMessage,
}

/// A schedule as it stands.
#[derive(Debug, Clone)]
pub struct CronStory {
    /// Its name.
    pub name: String,
    /// Who declared it.
    pub declared_by: String,
    /// Its bot.
    pub bot: String,
    /// What it becomes.
    pub kind: String,
    /// Its cron line; `None` for one that repeats by a fixed time or happens once.
    pub cron: Option<String>,
    /// The zone of the line.
    pub zone: Option<String>,
    /// `once`, `skip` or `all`.
    pub missed: String,
    /// The next times, at most five; none while it is paused.
    pub next: Vec<Timestamp>,
    /// The occurrence that it last became a message for.
    pub last_due_at: Option<Timestamp>,
    /// That message.
    pub last_message: Option<MessageId>,
    /// How many messages it has become.
    pub fired: u64,
    /// Who paused it, when and why.
    pub paused: Option<Paused>,
}

/// Who stopped something, when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
}

/// A due row, and what it comes to.
struct Due {
    name: String,
    calendar: Calendar,
    missed: Missed,
    due_at: Timestamp,
    template: NewMessage,
}

impl Missed {
    fn to_sql(self) -> (&'static str, i16) {
        match self {
            Self::Once => ("once", 1),
            Self::Skip => ("skip", 1),
            Self::All { at_most } => (
                "all",
                i16::try_from(at_most.clamp(1, MISSED_MAX)).unwrap_or(1),
            ),
        }
    }

    fn from_sql(word: &str, at_most: i16) -> Self {
        match word {
            "skip" => Self::Skip,
            "all" => Self::All {
                at_most: rows::small(at_most),
            },
            _ => Self::Once,
        }
    }

    /// Which of the occurrences up to `now`, oldest first, become messages.
    fn choose(self, mut passed: Vec<Timestamp>, now: Timestamp) -> Vec<Timestamp> {
        let keep = match self {
            Self::Once => 1,
            Self::Skip => {
                passed.retain(|moment| now.duration_since(*moment) <= ON_TIME);
                1
            }
            Self::All { at_most } => usize::from(at_most),
        };
        passed.split_off(passed.len().saturating_sub(keep))
    }
}

impl Schedules {
    /// Stops a schedule until it is resumed. Returns whether there is one of this name.
    ///
    /// # Errors
    /// The database is away.
    pub async fn pause(&self, name: &str, who: &str, why: &str) -> Result<bool, StoreError> {
        let pool = self
            .pools
            .handlers()
            .map_err(StoreError::pool("pause a schedule"))?;
        let connection = pool
            .get()
            .await
            .map_err(StoreError::pool("pause a schedule"))?;
        let paused = connection
            .execute(include_str!("pause.sql"), &[&name, &who, &why])
            .await
            .map_err(StoreError::postgres("pause a schedule"))?;
        Ok(paused > 0)
    }

    /// Lets a schedule go on with its next time; what came meanwhile is not made up for. Returns whether there is one of
    /// this name.
    ///
    /// # Errors
    /// The database is away.
    pub async fn resume(&self, name: &str, who: &str, why: &str) -> Result<bool, StoreError> {
        let failed = || StoreError::postgres("resume a schedule");
        let pool = self
            .pools
            .handlers()
            .map_err(StoreError::pool("resume a schedule"))?;
        let mut connection = pool
            .get()
            .await
            .map_err(StoreError::pool("resume a schedule"))?;
        let transaction = connection.transaction().await.map_err(failed())?;
        let now = now(&transaction).await?;
        let row = transaction
            .query_opt(
                "SELECT cron, zone FROM crons WHERE name = $1 FOR UPDATE",
                &[&name],
            )
            .await
            .map_err(failed())?;
        let Some(row) = row else { return Ok(false) };
        let next = next_after(&calendar(&row)?, now);
        transaction
            .execute(include_str!("resume.sql"), &[&name, &next, &who, &why])
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(true)
    }

    /// The schedules by name from after `after` on, at most 500: first those by the calendar, then those that repeat by a
    /// fixed time.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn list(&self, after: &str) -> Result<Vec<CronStory>, StoreError> {
        let failed = || StoreError::postgres("list schedules");
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("list schedules"))?;
        let declared = connection
            .query(
                "SELECT *, statement_timestamp() AS now FROM crons WHERE name > $1 ORDER BY name LIMIT $2",
                &[&after, &LIST_MAX],
            )
            .await
            .map_err(failed())?;
        let others = connection
            .query(
                "SELECT name, bot, kind, due_at, every_seconds FROM schedules
                 WHERE name IS NOT NULL AND name > $1 ORDER BY name LIMIT $2",
                &[&after, &LIST_MAX],
            )
            .await
            .map_err(failed())?;
        let declared = declared.iter().map(declared_story);
        declared
            .chain(others.iter().map(|row| Ok(fixed_story(row))))
            .collect()
    }
}

/// Turns the due ones into messages, inside the tick's transaction.
pub(super) async fn fire(
    transaction: &Transaction<'_>,
) -> Result<(usize, PartitionSet), StoreError> {
    let failed = || StoreError::postgres("turn calendars into messages");
    let found = transaction
        .query(include_str!("due.sql"), &[&TICK_MAX])
        .await
        .map_err(failed())?;
    let (mut messages, mut touched) = (0, PartitionSet::EMPTY);
    for row in &found {
        let now: Timestamp = row.get("now");
        let due = match due(row) {
            Ok(due) => due,
            Err(error) => {
                // A line that this program cannot read, of a newer one: it is that one's to fire.
                crate::events::chore_failed("schedules", &error);
                continue;
            }
        };
        let passed: Vec<Timestamp> = std::iter::once(due.due_at)
            .chain(due.calendar.after(due.due_at))
            .take_while(|moment| *moment <= now)
            .take(LOOKED_AT_MAX)
            .collect();
        let chosen = due.missed.choose(passed, now);
        let stored = store(transaction, &due, &chosen).await?;
        messages += stored.len();
        touched.insert(due.template.key.partition());
        let next = next_after(&due.calendar, now);
        transaction
            .execute(
                include_str!("moved.sql"),
                &[
                    &due.name,
                    &next,
                    &chosen.last(),
                    &stored.last(),
                    &i64::try_from(stored.len()).unwrap_or(i64::MAX),
                ],
            )
            .await
            .map_err(failed())?;
    }
    Ok((messages, touched))
}

/// One message per occurrence; those whose delivery is known already are left out.
async fn store(
    transaction: &Transaction<'_>,
    due: &Due,
    chosen: &[Timestamp],
) -> Result<Vec<i64>, StoreError> {
    let messages: Vec<NewMessage> = chosen
        .iter()
        .map(|moment| NewMessage {
            delivery_id: Some(format!("{}@{moment}", due.name)),
            trace: SpanContext::new_root(true),
            ..due.template.clone()
        })
        .collect();
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let batch = Batch::of(&messages)?;
    let stored = transaction
        .query(&put_statement(), &batch.parameters())
        .await
        .map_err(StoreError::postgres("turn calendars into messages"))?;
    Ok(stored.iter().map(|row| row.get("id")).collect())
}

pub(super) async fn upsert(
    transaction: &Transaction<'_>,
    declared_by: &str,
    cron: &NewCron,
    now: Timestamp,
) -> Result<(), StoreError> {
    let message = &NewMessage {
        source: SOURCE.to_owned(),
        ..cron.message.clone()
    };
    message.check()?;
    let (missed, missed_max) = cron.missed.to_sql();
    transaction
        .execute(
            include_str!("declare.sql"),
            &[
                &cron.name,
                &declared_by,
                &cron.calendar.line(),
                &cron.calendar.zone(),
                &missed,
                &missed_max,
                &next_after(&cron.calendar, now),
                &message.bot,
                &message.tenant,
                &message.kind,
                &i16::try_from(message.kind_version).unwrap_or(i16::MAX),
                &message.key.as_str(),
                &message.priority.to_sql(),
                &&message.payload[..],
                &message.payload_format.to_sql(),
                &message.subject,
                &message
                    .expires_in
                    .map(|expires_in| expires_in.as_secs_f64()),
            ],
        )
        .await
        .map_err(StoreError::postgres("declare schedules"))?;
    Ok(())
}

/// A calendar has a next time, or it could not have been made; the end of time is far enough for one that has not.
fn next_after(calendar: &Calendar, now: Timestamp) -> Timestamp {
    let centuries = || now.saturating_add(SignedDuration::from_hours(24 * 365 * 100));
    calendar
        .after(now)
        .next()
        .or_else(|| centuries().ok())
        .unwrap_or(now)
}

pub(super) async fn now(transaction: &Transaction<'_>) -> Result<Timestamp, StoreError> {
    let row = transaction
        .query_one("SELECT statement_timestamp()", &[])
        .await
        .map_err(StoreError::postgres("ask for the time"))?;
    Ok(row.get(0))
}

fn calendar(row: &Row) -> Result<Calendar, StoreError> {
    Calendar::new(row.get("cron"), row.get("zone")).map_err(|error| StoreError::Row {
        table: "crons",
        what: error.to_string(),
    })
}

fn due(row: &Row) -> Result<Due, StoreError> {
    let payload: Vec<u8> = row.get("payload");
    let format: i16 = row.get("payload_format");
    Ok(Due {
        name: row.get("name"),
        calendar: calendar(row)?,
        missed: Missed::from_sql(row.get("missed"), row.get("missed_max")),
        due_at: row.get("due_at"),
        template: NewMessage {
            bot: row.get("bot"),
            tenant: row.get("tenant"),
            source: SOURCE.to_owned(),
            delivery_id: None,
            kind: row.get("kind"),
            kind_version: rows::small(row.get("kind_version")),
            key: Key::new(row.get("key")),
            priority: priority(row)?,
            payload: payload.into(),
            payload_format: PayloadFormat::from_sql(format).unwrap_or(PayloadFormat::Bytes),
            subject: row.get("subject"),
            cause: None,
            trace: SpanContext::new_root(true),
            edge_spans: None,
            delay: None,
            expires_in: row
                .get::<_, Option<f64>>("expires_seconds")
                .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok()),
            unique: None,
        },
    })
}

fn priority(row: &Row) -> Result<Priority, StoreError> {
    rows::priority(row, "crons")
}

fn declared_story(row: &Row) -> Result<CronStory, StoreError> {
    let calendar = calendar(row)?;
    let paused = row
        .get::<_, Option<Timestamp>>("paused_at")
        .map(|at| Paused {
            at,
            by: row
                .get::<_, Option<String>>("paused_by")
                .unwrap_or_default(),
            why: row
                .get::<_, Option<String>>("paused_why")
                .unwrap_or_default(),
        });
    let due_at: Timestamp = row.get("due_at");
    let upcoming = std::iter::once(due_at).chain(calendar.after(due_at));
    let shown = if paused.is_some() { 0 } else { NEXT_SHOWN };
    Ok(CronStory {
        name: row.get("name"),
        declared_by: row.get("declared_by"),
        bot: row.get("bot"),
        kind: row.get("kind"),
        cron: Some(calendar.line().to_owned()),
        zone: Some(calendar.zone().to_owned()),
        missed: row.get("missed"),
        next: upcoming.take(shown).collect(),
        last_due_at: row.get("last_due_at"),
        last_message: row.get::<_, Option<i64>>("last_message").map(MessageId),
        fired: rows::count(row.get("fired")),
        paused,
    })
}

fn fixed_story(row: &Row) -> CronStory {
    let due_at: Timestamp = row.get("due_at");
    let every: Option<i64> = row.get("every_seconds");
    let times = every.map_or(1, |_| NEXT_SHOWN);
    let step = SignedDuration::from_secs(every.unwrap_or_default());
    let upcoming = std::iter::successors(Some(due_at), |moment| moment.checked_add(step).ok());
    CronStory {
        name: row.get("name"),
        declared_by: String::new(),
        bot: row.get("bot"),
        kind: row.get("kind"),
        cron: None,
        zone: None,
        missed: "once".to_owned(),
        next: upcoming.take(times).collect(),
        last_due_at: None,
        last_message: None,
        fired: 0,
        paused: None,
    }
}
