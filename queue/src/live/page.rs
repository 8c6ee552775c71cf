//! Reading what is new, page by page.

use sallyport_postgres::GenericClient;
use sallyport_redis::live::LiveEvent;
use tokio_postgres::Row;

use super::lead::Progress;
use crate::error::StoreError;

/// What the name of an event begins with, by its source.
const SOURCES: [&str; 2] = ["message", "news"];

/// Some of what is new, oldest first, and how far that brings us.
pub(super) struct Page {
    pub(super) events: Vec<LiveEvent>,
    /// How far we are when these are published.
    pub(super) progress: Progress,
    /// Whether there may be more of the same snapshot.
    pub(super) is_full: bool,
}

/// The next page behind `progress`. When everything of its snapshot is published, a new one is begun.
pub(super) async fn next(
    client: &impl GenericClient,
    progress: &Progress,
    rows_max: i64,
) -> Result<Page, StoreError> {
    let failed = || StoreError::postgres("read the news");
    let upto = match &progress.upto {
        Some(upto) => upto.clone(),
        None => {
            let now = client
                .prepare_cached("SELECT pg_current_snapshot()::text")
                .await
                .map_err(failed())?;
            client
                .query_one(&now, &[])
                .await
                .map_err(failed())?
                .try_get(0)
                .map_err(failed())?
        }
    };
    let page = client
        .prepare_cached(include_str!("page.sql"))
        .await
        .map_err(failed())?;
    let rows = client
        .query(
            &page,
            &[
                &progress.done,
                &upto,
                &progress.after_xid,
                &progress.after_source,
                &progress.after_id,
                &rows_max,
            ],
        )
        .await
        .map_err(failed())?;
    let events = rows
        .iter()
        .map(event)
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed())?;
    let is_full = i64::try_from(rows.len()).unwrap_or(i64::MAX) >= rows_max;
    let progress = match rows.last() {
        Some(last) if is_full => Progress {
            done: progress.done.clone(),
            upto: Some(upto),
            after_xid: last.try_get("xid").map_err(failed())?,
            after_source: last.try_get("source").map_err(failed())?,
            after_id: last.try_get("id").map_err(failed())?,
            published: progress.published,
        },
        Some(_) | None => Progress::all_of(upto, progress.published),
    };
    Ok(Page {
        events,
        progress,
        is_full,
    })
}

fn event(row: &Row) -> Result<LiveEvent, tokio_postgres::Error> {
    let source = usize::try_from(row.try_get::<_, i16>("source")?).unwrap_or(0);
    let id: i64 = row.try_get("id")?;
    Ok(LiveEvent {
        id: format!("{}:{id}", SOURCES.get(source).copied().unwrap_or_default()),
        name: row.try_get("name")?,
        trace: row.try_get("trace")?,
        at: row.try_get("at")?,
        data: row.try_get("data")?,
    })
}
