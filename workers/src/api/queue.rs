//! `GET /ops/queue`: what waits, what runs, what is held, and who works.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use sallyport_queue::{KindSummary, Summary, WorkerSummary};
use serde::Serialize;
use utoipa::ToSchema;

use super::Sources;
use super::problem::{self, Problem};
use super::query::Parameters;
use super::traces::NoParameters;

#[derive(Serialize, ToSchema)]
struct QueueNow {
    waiting: u64,
    running: u64,
    dead: u64,
    /// Since when the oldest message that may run waits; none when nothing does.
    oldest_ms: Option<u64>,
    paused: bool,
    kinds: Vec<KindNow>,
    held_keys: u64,
    workers: Vec<WorkerNow>,
    partitions: Partitions,
}

#[derive(Serialize, ToSchema)]
struct KindNow {
    kind: String,
    ready: u64,
    delayed: u64,
    running: u64,
    dead: u64,
    oldest_ms: Option<u64>,
}

#[derive(Serialize, ToSchema)]
struct WorkerNow {
    id: String,
    started_at: jiff::Timestamp,
    partitions: u16,
    leaving: bool,
}

#[derive(Serialize, ToSchema)]
struct Partitions {
    total: u16,
    owned: u16,
}

/// What waits, what runs, what is held, and who works
#[utoipa::path(
    get,
    path = "/ops/queue",
    operation_id = "getQueue",
    tag = "queue",
    responses(
        (status = 200, description = "The queue as it is now", body = QueueNow),
        problem::InvalidQuery,
        problem::Always,
    )
)]
pub(super) async fn summary(
    State(sources): State<Sources>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Parameters::read(query.as_deref()).finish(NoParameters {})?;
    let summary = sources
        .inspector
        .summary()
        .await
        .map_err(|error| Problem::store(&error))?;
    Ok(Json(QueueNow::of(summary)).into_response())
}

impl QueueNow {
    fn of(summary: Summary) -> Self {
        let kinds: Vec<KindNow> = summary.kinds.into_iter().map(KindNow::of).collect();
        let sum = |count: fn(&KindNow) -> u64| kinds.iter().map(count).sum();
        Self {
            waiting: sum(|kind| kind.ready.saturating_add(kind.delayed)),
            running: sum(|kind| kind.running),
            dead: sum(|kind| kind.dead),
            oldest_ms: kinds.iter().filter_map(|kind| kind.oldest_ms).max(),
            paused: summary.paused,
            held_keys: summary.held_keys,
            workers: summary.workers.into_iter().map(WorkerNow::of).collect(),
            partitions: Partitions {
                total: summary.partitions_total,
                owned: summary.partitions_owned,
            },
            kinds,
        }
    }
}

impl KindNow {
    fn of(kind: KindSummary) -> Self {
        Self {
            kind: kind.kind,
            ready: kind.ready,
            delayed: kind.delayed,
            running: kind.running,
            dead: kind.dead,
            oldest_ms: kind
                .oldest_ready
                .map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

impl WorkerNow {
    fn of(worker: WorkerSummary) -> Self {
        Self {
            id: worker.id,
            started_at: worker.started_at,
            partitions: worker.partitions,
            leaving: worker.leaving,
        }
    }
}
