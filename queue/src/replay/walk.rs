//! Walking over what a filter may find: a bounded page at a time, in the order of the queue.
//!
//! First come the dead letters whose day is gone, which own their payload; then the log, day by day by its primary key.
//! A page looks at a bounded number of rows however few of them the filter fits, so no page is slow.

use jiff::Timestamp;
use jiff::civil::Date;
use sallyport_postgres::GenericClient;
use tokio_postgres::Row;

use super::filter::{Candidate, CandidateStanding, ReplayFilter};
use crate::error::StoreError;
use crate::message::MessageId;
use crate::rows;
use crate::settlement::Outcome;

/// How far a walk has come: no day means the dead letters whose day is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) day: Option<Date>,
    pub(super) last_id: i64,
}

impl Cursor {
    pub(super) const BEGIN: Self = Self {
        day: None,
        last_id: 0,
    };
}

/// One page of a walk.
pub(super) struct Page {
    pub(super) looked_at: i64,
    pub(super) found: Vec<Candidate>,
    /// Where the next page begins; `None` when this was the last.
    pub(super) next: Option<Cursor>,
}

/// The days of which there is a log, oldest first.
pub(super) async fn days(client: &impl GenericClient) -> Result<Vec<Date>, StoreError> {
    let found = client
        .query(include_str!("days.sql"), &[])
        .await
        .map_err(StoreError::postgres("look at the days of the log"))?;
    Ok(found.iter().map(|row| row.get("day")).collect())
}

/// Since when there is a log.
pub(super) async fn begins_at(
    client: &impl GenericClient,
    days: &[Date],
) -> Result<Option<Timestamp>, StoreError> {
    let Some(first) = days.first() else {
        return Ok(None);
    };
    let row = client
        .query_opt(
            "SELECT accepted_at FROM messages WHERE day = $1 ORDER BY id LIMIT 1",
            &[first],
        )
        .await
        .map_err(StoreError::postgres("look at the days of the log"))?;
    Ok(row.map(|row| row.get(0)))
}

/// The page at `cursor`: at most `rows_max` rows are looked at.
pub(super) async fn page(
    client: &impl GenericClient,
    filter: &ReplayFilter,
    cursor: Cursor,
    until_id: i64,
    rows_max: i64,
    days: &[Date],
) -> Result<Page, StoreError> {
    let ids: Vec<i64> = filter.ids.iter().map(|id| id.0).collect();
    let source = match (ids.is_empty(), cursor.day) {
        (false, _) => include_str!("of_ids.sql"),
        (true, None) => include_str!("of_dead.sql"),
        (true, Some(_)) => include_str!("of_day.sql"),
    };
    let statement = include_str!("candidates.sql").replacen("SOURCE", source, 1);
    let found = client
        .query(
            &statement,
            &[
                &cursor.day,
                &cursor.last_id,
                &until_id,
                &rows_max,
                &days,
                &ids,
                &filter.from,
                &filter.until,
                &filter.kind,
                &filter.bot,
                &filter.tenant,
                &filter.error_kind,
                &filter.outcome,
            ],
        )
        .await
        .map_err(StoreError::postgres("look for messages to replay"))?;
    let looked_at = found.first().map_or(0, |row| row.get("walked"));
    let last = found
        .first()
        .and_then(|row| row.get::<_, Option<i64>>("last"));
    let next = match last {
        Some(last_id) if looked_at >= rows_max => Some(Cursor { last_id, ..cursor }),
        _ if ids.is_empty() => next_day(filter, cursor, days),
        _ => None,
    };
    let found = found
        .iter()
        .filter(|row| row.get::<_, Option<i64>>("id").is_some())
        .map(candidate)
        .collect();
    Ok(Page {
        looked_at,
        found,
        next,
    })
}

/// The next day of the log that may hold something.
fn next_day(filter: &ReplayFilter, cursor: Cursor, days: &[Date]) -> Option<Cursor> {
    let utc = |moment: Timestamp| moment.to_zoned(jiff::tz::TimeZone::UTC).date();
    let (first, last) = (filter.from.map(utc), filter.until.map(utc));
    let day = days.iter().copied().find(|day| {
        cursor.day.is_none_or(|before| *day > before)
            && first.is_none_or(|first| *day >= first)
            && last.is_none_or(|last| *day <= last)
    })?;
    Some(Cursor {
        day: Some(day),
        last_id: 0,
    })
}

fn candidate(row: &Row) -> Candidate {
    let outcome = row
        .get::<_, Option<&str>>("outcome")
        .and_then(Outcome::from_word);
    let standing = match (
        row.get("waits"),
        row.get::<_, Option<i64>>("replayed_as"),
        outcome,
    ) {
        (true, _, _) => CandidateStanding::Live,
        (false, _, Some(Outcome::Erased)) => {
            CandidateStanding::Ended(Outcome::Erased, row.get("ended_at"))
        }
        (false, Some(new), _) => CandidateStanding::Replayed(MessageId(new)),
        (false, None, Some(outcome)) => CandidateStanding::Ended(outcome, row.get("ended_at")),
        (false, None, None) => CandidateStanding::Unknown,
    };
    Candidate {
        id: MessageId(row.get("id")),
        kind: row.get("kind"),
        kind_version: rows::small(row.get("kind_version")),
        bot: row.get("bot"),
        tenant: row.get("tenant"),
        source: row.get("source"),
        key: row.get("key"),
        subject: row.get("subject"),
        accepted_at: row.get("accepted_at"),
        payload_bytes: rows::count(row.get("payload_bytes")),
        standing,
        day: row.get("day"),
    }
}
