//! Lists of messages: those that wait and run, or those that ended in a way somebody looks for.
//!
//! A page looks at a bounded number of rows along an index, however few of them fit the filter, and says where to go on:
//! a list stays fast with a million rows behind it. What waits is listed by partition, so a page that is the whole queue
//! is put into the order of the queue.

mod cursor;

use std::collections::HashMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sallyport_postgres::Connection;
use sallyport_telemetry::trace::SpanContext;
use tokio_postgres::Row;

pub use self::cursor::{ListCursor, ParseListCursorError};
use super::{Inspector, State};
use crate::error::StoreError;
use crate::message::MessageId;
use crate::partition::Key;
use crate::rows;
use crate::settlement::Outcome;

/// Rows that one statement looks at.
const ROWS_MAX: i64 = 2_000;
/// How long a page may look for what fits; then it says where to go on.
const BUDGET: Duration = Duration::from_millis(1_500);
/// How long a page is at the very most.
const LIMIT_MAX: u16 = 500;

/// Which messages to list.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    /// Only in this state; without one, what waits or runs.
    pub state: Option<ListState>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only of this key.
    pub key: Option<String>,
    /// Only of this bot.
    pub bot: Option<String>,
    /// Only of this tenant.
    pub tenant: Option<String>,
    /// Only those whose last error was of this kind.
    pub error_kind: Option<String>,
    /// Only those accepted before.
    pub before: Option<Timestamp>,
    /// At most so many, 500 at the very most.
    pub limit: u16,
}

/// The states that can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListState {
    /// May run, and is in nobody's hands.
    Ready,
    /// In a worker's hands.
    Running,
    /// Waits for the head of its key.
    Held,
    /// Waits for its time.
    Delayed,
    /// Ended, and not simply done.
    Ended(Outcome),
}

/// `done` is what nearly all messages are; the list of traces shows those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be ready, running, held, delayed, dead, cancelled, expired, ignored or erased")]
pub struct ParseListStateError;

impl FromStr for ListState {
    type Err = ParseListStateError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "ready" => Ok(Self::Ready),
            "running" => Ok(Self::Running),
            "held" => Ok(Self::Held),
            "delayed" => Ok(Self::Delayed),
            other => Outcome::from_word(other)
                .filter(|outcome| *outcome != Outcome::Done)
                .map(Self::Ended)
                .ok_or(ParseListStateError),
        }
    }
}

/// One page.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// What fits.
    pub entries: Vec<ListEntry>,
    /// Where to go on; `None` when there is no more.
    pub next: Option<ListCursor>,
}

/// One message of a list.
#[derive(Debug, Clone)]
pub struct ListEntry {
    /// Its number.
    pub id: MessageId,
    /// What it is.
    pub kind: String,
    /// Its bot.
    pub bot: String,
    /// Its tenant.
    pub tenant: String,
    /// Its key.
    pub key: String,
    /// Where it stands.
    pub state: State,
    /// Attempts so far.
    pub attempts: u16,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Since when it can run, or from when on; when it ended.
    pub at: Timestamp,
    /// The message that its key waits for.
    pub head: Option<MessageId>,
    /// Whose hands it is in.
    pub worker: Option<String>,
    /// Its last error.
    pub error_kind: Option<String>,
    /// Its last error, in words.
    pub error_text: Option<String>,
    /// Its trace.
    pub trace: SpanContext,
}

impl Inspector {
    /// A page of messages. See [`ListFilter`].
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn list(
        &self,
        filter: &ListFilter,
        after: Option<ListCursor>,
    ) -> Result<Listing, StoreError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("list messages"))?;
        match filter.state {
            Some(ListState::Ended(outcome)) => {
                list_ended(&connection, filter, outcome, after).await
            }
            Some(ListState::Ready | ListState::Running | ListState::Held | ListState::Delayed)
            | None => list_live(&connection, filter, after).await,
        }
    }
}

fn limit_of(filter: &ListFilter) -> usize {
    usize::from(filter.limit.clamp(1, LIMIT_MAX))
}

async fn list_live(
    connection: &Connection,
    filter: &ListFilter,
    after: Option<ListCursor>,
) -> Result<Listing, StoreError> {
    let began = Instant::now();
    let first = ListCursor::Live {
        delayed: filter.state == Some(ListState::Delayed),
        partition: -1,
        priority: -1,
        id: -1,
    };
    let is_whole = after.is_none();
    let mut listing = Listing {
        next: Some(after.unwrap_or(first)),
        ..Listing::default()
    };
    while let Some(cursor) = listing.next {
        if listing.entries.len() >= limit_of(filter) || began.elapsed() >= BUDGET {
            break;
        }
        let room = limit_of(filter) - listing.entries.len();
        let (entries, next) = live_window(connection, filter, cursor, room).await?;
        listing.entries.extend(entries);
        listing.next = next;
    }
    if is_whole && listing.next.is_none() {
        listing.entries.sort_by_key(|entry| entry.id);
    }
    Ok(listing)
}

/// One look along the index: what fits of at most [`ROWS_MAX`] rows, and where the next look begins.
async fn live_window(
    connection: &Connection,
    filter: &ListFilter,
    cursor: ListCursor,
    room: usize,
) -> Result<(Vec<ListEntry>, Option<ListCursor>), StoreError> {
    let ListCursor::Live {
        delayed,
        partition,
        priority,
        id,
    } = cursor
    else {
        return Ok((Vec::new(), None));
    };
    let place = Place {
        delayed,
        partition,
        priority,
        id,
    };
    let found = live_rows(connection, filter, &place).await?;
    let hands = in_hand(connection, &found).await?;
    let mut entries = Vec::new();
    for row in found
        .iter()
        .filter(|row| row.get::<_, Option<i64>>("id").is_some())
    {
        let entry = live_entry(row, &hands)?;
        if !fits(filter.state, entry.state) {
            continue;
        }
        if entries.len() == room {
            let last: Option<&(ListEntry, ListCursor)> = entries.last();
            let next = last.map(|(_, cursor)| *cursor);
            return Ok((entries.into_iter().map(|(entry, _)| entry).collect(), next));
        }
        let here = ListCursor::Live {
            delayed,
            partition: row.get("partition"),
            priority: row.get("priority"),
            id: entry.id.0,
        };
        entries.push((entry, here));
    }
    let next = behind_window(filter, delayed, &found);
    Ok((entries.into_iter().map(|(entry, _)| entry).collect(), next))
}

/// Where the look behind this one begins; after what may run comes what is delayed.
fn behind_window(filter: &ListFilter, delayed: bool, found: &[Row]) -> Option<ListCursor> {
    let walked: i64 = found.first().map_or(0, |row| row.get("walked"));
    match found.first() {
        Some(row) if walked >= ROWS_MAX => Some(ListCursor::Live {
            delayed,
            partition: row
                .get::<_, Option<i16>>("last_partition")
                .unwrap_or(i16::MAX),
            priority: row
                .get::<_, Option<i16>>("last_priority")
                .unwrap_or(i16::MAX),
            id: row.get::<_, Option<i64>>("last_id").unwrap_or(i64::MAX),
        }),
        _ if !delayed && filter.state.is_none() => Some(ListCursor::Live {
            delayed: true,
            partition: -1,
            priority: -1,
            id: -1,
        }),
        _ => None,
    }
}

/// Behind which row a look begins.
struct Place {
    delayed: bool,
    partition: i16,
    priority: i16,
    id: i64,
}

/// The rows of one look.
async fn live_rows(
    connection: &Connection,
    filter: &ListFilter,
    place: &Place,
) -> Result<Vec<Row>, StoreError> {
    let state = if place.delayed {
        "q.state = 1"
    } else {
        super::MAY_RUN
    };
    let statement = include_str!("live.sql").replacen("STATE", state, 1);
    let only = filter
        .key
        .as_deref()
        .map(|key| Key::new(key).partition().to_sql());
    connection
        .query(
            &statement,
            &[
                &place.partition,
                &place.priority,
                &place.id,
                &only,
                &ROWS_MAX,
                &filter.kind,
                &filter.key,
                &filter.bot,
                &filter.tenant,
                &filter.error_kind,
                &filter.before,
            ],
        )
        .await
        .map_err(StoreError::postgres("list messages"))
}

fn fits(wanted: Option<ListState>, state: State) -> bool {
    match wanted {
        None | Some(ListState::Ended(_)) => true,
        Some(ListState::Ready) => state == State::Ready,
        Some(ListState::Running) => state == State::Running,
        Some(ListState::Held) => state == State::Held,
        Some(ListState::Delayed) => state == State::Delayed,
    }
}

/// Who has these in hand.
async fn in_hand(
    connection: &Connection,
    found: &[Row],
) -> Result<HashMap<i64, String>, StoreError> {
    let ids: Vec<i64> = found.iter().filter_map(|row| row.get("id")).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let hands = connection
        .query(include_str!("in_hand.sql"), &[&ids])
        .await
        .map_err(StoreError::postgres("list messages"))?;
    Ok(hands
        .iter()
        .map(|row| (row.get("id"), row.get("worker")))
        .collect())
}

fn live_entry(row: &Row, hands: &HashMap<i64, String>) -> Result<ListEntry, StoreError> {
    let id: i64 = row.get("id");
    let head = row.get::<_, Option<i64>>("head").map(MessageId);
    let worker = hands.get(&id).cloned();
    let is_delayed = row.get::<_, i16>("state") == 1;
    let state = match (is_delayed, &worker, head) {
        (true, _, _) => State::Delayed,
        (false, Some(_), _) => State::Running,
        (false, None, Some(_)) => State::Held,
        (false, None, None) => State::Ready,
    };
    Ok(ListEntry {
        id: MessageId(id),
        kind: row.get("kind"),
        bot: row.get("bot"),
        tenant: row.get("tenant"),
        key: row.get("key"),
        state,
        attempts: rows::small(row.get("attempts")),
        accepted_at: row.get("accepted_at"),
        at: row.get("ready_at"),
        head: head.filter(|_| state == State::Held),
        worker: worker.filter(|_| state == State::Running),
        error_kind: row.get("error_kind"),
        error_text: row.get("error_text"),
        trace: rows::trace(row, "messages")?,
    })
}

async fn list_ended(
    connection: &Connection,
    filter: &ListFilter,
    outcome: Outcome,
    after: Option<ListCursor>,
) -> Result<Listing, StoreError> {
    let began = Instant::now();
    let mut listing = Listing {
        next: Some(
            after.unwrap_or(ListCursor::Ended {
                at: Timestamp::now()
                    .as_microsecond()
                    .saturating_add(86_400_000_000),
                id: i64::MAX,
            }),
        ),
        ..Listing::default()
    };
    while let Some(cursor) = listing.next {
        if listing.entries.len() >= limit_of(filter) || began.elapsed() >= BUDGET {
            break;
        }
        let room = limit_of(filter) - listing.entries.len();
        let (entries, next) = ended_window(connection, filter, outcome, cursor, room).await?;
        listing.entries.extend(entries);
        listing.next = next;
    }
    Ok(listing)
}

async fn ended_window(
    connection: &Connection,
    filter: &ListFilter,
    outcome: Outcome,
    cursor: ListCursor,
    room: usize,
) -> Result<(Vec<ListEntry>, Option<ListCursor>), StoreError> {
    let ListCursor::Ended { at, id } = cursor else {
        return Ok((Vec::new(), None));
    };
    let at = Timestamp::from_microsecond(at).unwrap_or(Timestamp::MAX);
    let found = connection
        .query(
            include_str!("ended.sql"),
            &[
                &outcome.as_str(),
                &at,
                &id,
                &ROWS_MAX,
                &filter.kind,
                &filter.key,
                &filter.bot,
                &filter.tenant,
                &filter.error_kind,
                &filter.before,
            ],
        )
        .await
        .map_err(StoreError::postgres("list messages"))?;
    let mut entries = Vec::new();
    for row in found
        .iter()
        .filter(|row| row.get::<_, Option<i64>>("message_id").is_some())
    {
        if entries.len() == room {
            let last: Option<&ListEntry> = entries.last();
            let next = last.map(|entry| ListCursor::Ended {
                at: entry.at.as_microsecond(),
                id: entry.id.0,
            });
            return Ok((entries, next));
        }
        entries.push(ended_entry(row, outcome)?);
    }
    let next = found.first().and_then(|row| {
        let at: Timestamp = row.get::<_, Option<Timestamp>>("last_ended_at")?;
        let id = row.get::<_, Option<i64>>("last_id")?;
        (row.get::<_, i64>("walked") >= ROWS_MAX).then(|| ListCursor::Ended {
            at: at.as_microsecond(),
            id,
        })
    });
    Ok((entries, next))
}

fn ended_entry(row: &Row, outcome: Outcome) -> Result<ListEntry, StoreError> {
    Ok(ListEntry {
        id: MessageId(row.get("message_id")),
        kind: row.get("kind"),
        bot: row.get("bot"),
        tenant: row.get("tenant"),
        key: row.get("key"),
        state: State::Ended(outcome),
        attempts: rows::small(row.get("attempt")),
        accepted_at: row.get("accepted_at"),
        at: row.get("ended_at"),
        head: None,
        worker: None,
        error_kind: row.get("error_kind"),
        error_text: row.get("error_text"),
        trace: rows::trace(row, "messages")?,
    })
}
