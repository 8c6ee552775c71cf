//! Finding: which traces there are, and the spans of one.

mod filter;

pub use filter::{Outcome, TraceFilter, TraceSummary};

use std::collections::HashSet;
use std::time::Instant;

use jiff::Timestamp;
use sallyport_postgres::{Connection, PoolError, classify};
use sallyport_telemetry::trace::{SpanRecord, TraceId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::Recorder;
use filter::Condition;

/// Spans of one trace that are read at most; a message that is tried for days stays readable.
const SPANS_MAX: i64 = 5000;
/// Newest matching spans that are looked at for traces: enough for 200 traces of 25 matching spans each.
const MATCHES_MAX: i64 = 5000;

/// Why the recorder could not answer.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// No connection, or none in time.
    #[error("no connection to find traces with")]
    Connection(#[source] PoolError),
    /// The statement failed or met its deadline.
    #[error("could not read spans")]
    Statement(#[source] tokio_postgres::Error),
}

impl FindError {
    /// Whether asking again soon may help.
    #[must_use]
    pub fn may_pass_later(&self) -> bool {
        match self {
            Self::Connection(_) => true,
            Self::Statement(error) => classify(error).may_pass_later(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Connection(_) => "connection",
            Self::Statement(error) => classify(error).as_str(),
        }
    }
}

impl Recorder {
    /// The traces that match, newest first.
    ///
    /// # Errors
    /// Postgres is away, or took too long.
    pub async fn find(&self, filter: &TraceFilter) -> Result<Vec<TraceSummary>, FindError> {
        self.asked("find_traces", async |connection| {
            let traces = matching(connection, filter).await?;
            summaries(connection, &traces).await
        })
        .await
    }

    /// The spans kept of a trace, by their start; empty when there are none. A span that was kept twice is told once.
    ///
    /// # Errors
    /// Postgres is away, or took too long.
    pub async fn spans(&self, trace: TraceId) -> Result<Vec<SpanRecord>, FindError> {
        let statement = "SELECT record FROM spans WHERE trace_id = $1 ORDER BY started_at LIMIT $2";
        let rows = self
            .asked("read_spans", async |connection| {
                let statement = connection.prepare_cached(statement).await?;
                connection
                    .query(&statement, &[&trace.as_bytes(), &SPANS_MAX])
                    .await
            })
            .await?;
        let mut seen = HashSet::new();
        let records = rows
            .iter()
            .filter_map(|row| serde_json::from_slice::<SpanRecord>(row.try_get(0).ok()?).ok());
        Ok(records
            .filter(|record| seen.insert(record.span_id))
            .collect())
    }

    /// The traces with an id between these two, both included, at most `limit`: what a support code may mean.
    ///
    /// # Errors
    /// Postgres is away, or took too long.
    pub async fn traces_between(
        &self,
        (first, last): (TraceId, TraceId),
        limit: u16,
    ) -> Result<Vec<TraceId>, FindError> {
        let statement = "SELECT DISTINCT trace_id FROM spans WHERE trace_id BETWEEN $1 AND $2 ORDER BY trace_id LIMIT $3";
        let rows = self
            .asked("read_spans", async |connection| {
                let statement = connection.prepare_cached(statement).await?;
                connection
                    .query(
                        &statement,
                        &[&first.as_bytes(), &last.as_bytes(), &i64::from(limit)],
                    )
                    .await
            })
            .await?;
        Ok(rows.iter().filter_map(trace_id).collect())
    }

    /// Asks a question over a connection of the pool and counts how long it took.
    async fn asked<T>(
        &self,
        operation: &'static str,
        question: impl AsyncFnOnce(&Connection) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, FindError> {
        let started = Instant::now();
        let answer = match self.read.get().await {
            Ok(connection) => question(&connection).await.map_err(FindError::Statement),
            Err(error) => Err(FindError::Connection(error)),
        };
        let error_type = answer.as_ref().err().map_or("", FindError::kind);
        self.meters
            .operated(operation, started.elapsed(), error_type);
        answer
    }
}

/// The ids of the newest traces with a span that meets the filter.
async fn matching(
    connection: &Connection,
    filter: &TraceFilter,
) -> Result<Vec<Vec<u8>>, tokio_postgres::Error> {
    let Condition { text, values } = filter.condition();
    let limit = i64::from(filter.traces_max());
    let mut parameters: Vec<&(dyn ToSql + Sync)> = values
        .iter()
        .map(|value| &**value as &(dyn ToSql + Sync))
        .collect();
    parameters.extend([&MATCHES_MAX as &(dyn ToSql + Sync), &limit]);
    let (matches, traces) = (values.len() + 1, values.len() + 2);
    let statement = format!(
        "SELECT trace_id FROM (
             SELECT trace_id, started_at FROM spans s WHERE {text} ORDER BY started_at DESC LIMIT ${matches}
         ) newest GROUP BY trace_id ORDER BY max(started_at) DESC LIMIT ${traces}"
    );
    let rows = connection.query(&statement, &parameters).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// These traces in one line each, newest first.
async fn summaries(
    connection: &Connection,
    traces: &[Vec<u8>],
) -> Result<Vec<TraceSummary>, tokio_postgres::Error> {
    let statement = "SELECT trace_id,
             (array_agg(name ORDER BY parent_id IS NOT NULL, started_at))[1],
             (array_agg(route ORDER BY started_at) FILTER (WHERE route IS NOT NULL))[1],
             (array_agg(kind ORDER BY started_at) FILTER (WHERE kind IS NOT NULL))[1],
             bool_or(failed),
             bool_or(server AND status BETWEEN 400 AND 499),
             min(started_at),
             extract(epoch FROM max(started_at + duration_ns / 1000 * interval '1 microsecond') - min(started_at))::float8,
             count(DISTINCT span_id)
         FROM spans WHERE trace_id = ANY ($1) GROUP BY trace_id ORDER BY max(started_at) DESC";
    let statement = connection.prepare_cached(statement).await?;
    let rows = connection.query(&statement, &[&traces]).await?;
    rows.iter()
        .filter_map(|row| summary(row).transpose())
        .collect()
}

fn summary(row: &Row) -> Result<Option<TraceSummary>, tokio_postgres::Error> {
    let Some(trace_id) = trace_id(row) else {
        return Ok(None);
    };
    let (failed, refused): (bool, Option<bool>) = (row.try_get(4)?, row.try_get(5)?);
    let seconds: f64 = row.try_get(7)?;
    Ok(Some(TraceSummary {
        trace_id,
        name: row.try_get(1)?,
        route: row.try_get(2)?,
        kind: row.try_get(3)?,
        outcome: match (failed, refused) {
            (_, Some(true)) => Outcome::Refused,
            (true, _) => Outcome::Error,
            (false, _) => Outcome::Ok,
        },
        started_at: row.try_get::<_, Timestamp>(6)?,
        duration_ms: seconds * 1000.0,
        spans: u32::try_from(row.try_get::<_, i64>(8)?).unwrap_or(u32::MAX),
    }))
}

fn trace_id(row: &Row) -> Option<TraceId> {
    let bytes: &[u8] = row.try_get(0).ok()?;
    Some(TraceId::from_bytes(bytes.try_into().ok()?))
}
