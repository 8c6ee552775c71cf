//! Finding traces: by support code, by delivery, or the latest ones.

use sallyport_telemetry::trace::TraceId;
use tokio_postgres::Row;

use super::{Inspector, RecentFilter, RecentTrace};
use crate::error::StoreError;
use crate::message::MessageId;
use crate::rows;
use crate::settlement::Outcome;

/// How long a list may be at the very most.
const LIST_MAX: u16 = 500;

impl Inspector {
    /// The traces whose ids lie between the two, both included, oldest first: what a support code names. Those of dead
    /// letters are found even when the day of their message is gone.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn traces_between(
        &self,
        bounds: (TraceId, TraceId),
        limit: u16,
    ) -> Result<Vec<TraceId>, StoreError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("find traces"))?;
        let (first, last) = (bounds.0.as_bytes(), bounds.1.as_bytes());
        let limit = i64::from(limit.min(LIST_MAX));
        let found = connection
            .query(include_str!("traces_between.sql"), &[&first, &last, &limit])
            .await
            .map_err(StoreError::postgres("find traces"))?;
        Ok(found
            .iter()
            .filter_map(|row| trace_id(row.get(0)))
            .collect())
    }

    /// The trace of the delivery that this source numbered so; `None` when it was not accepted in the last days.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn by_delivery(
        &self,
        source: &str,
        delivery_id: &str,
    ) -> Result<Option<TraceId>, StoreError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("find a delivery"))?;
        let found = connection
            .query_opt(
                "SELECT trace FROM deliveries WHERE source = $1 AND delivery_id = $2",
                &[&source, &delivery_id],
            )
            .await
            .map_err(StoreError::postgres("find a delivery"))?;
        found
            .map(|row| Ok(rows::trace(&row, "deliveries")?.trace_id))
            .transpose()
    }

    /// The first messages of traces, newest first: among the newest 20,000 that fit kind and time, or, of those that ended
    /// otherwise than done, among the newest 5,000 such endings.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn recent(&self, filter: &RecentFilter) -> Result<Vec<RecentTrace>, StoreError> {
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("list traces"))?;
        let outcome = filter.outcome.map(Outcome::as_str);
        let over = filter.over.map(|over| over.as_secs_f64());
        let limit = i64::from(filter.limit.min(LIST_MAX));
        // Most messages end well, so what did not is found from its ending; everything else among the newest.
        let first_ones = match filter.outcome {
            None | Some(Outcome::Done) => include_str!("recent_newest.sql"),
            Some(_) => include_str!("recent_notable.sql"),
        };
        let statement = include_str!("recent.sql").replacen("FIRST_ONES", first_ones, 1);
        let found = connection
            .query(
                &statement,
                &[&filter.kind, &outcome, &over, &filter.since, &limit],
            )
            .await
            .map_err(StoreError::postgres("list traces"))?;
        found.iter().map(recent_trace).collect()
    }
}

fn trace_id(bytes: &[u8]) -> Option<TraceId> {
    bytes.try_into().ok().map(TraceId::from_bytes)
}

fn recent_trace(row: &Row) -> Result<RecentTrace, StoreError> {
    Ok(RecentTrace {
        id: MessageId(row.get("id")),
        kind: row.get("kind"),
        bot: row.get("bot"),
        source: row.get("source"),
        delivery_id: row.get("delivery_id"),
        trace: rows::trace(row, "messages")?,
        accepted_at: row.get("accepted_at"),
        outcome: row
            .get::<_, Option<&str>>("outcome")
            .and_then(Outcome::from_word),
        ended_at: row.get("ended_at"),
    })
}
