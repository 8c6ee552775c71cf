//! `/ops/queue/pauses`, `/ops/queue/schedules` and `/ops/queue/replays`: what somebody at the desk steers.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use sallyport_queue::{
    MessageId, REPLAY_PER_SECOND, ReplayError, ReplayFilter, ReplayOrder, Scope, StoreError,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::messages::{Answer, Numbered, Reason};
use super::problem::{self, Problem};
use super::{Sources, body};
use crate::desk::{DryRunSheet, PauseLine, ReplayLine, ScheduleLine};
use crate::schema::MessageNumber;

/// How long a dry run looks; the deadline of a request is longer.
const LOOK: Duration = Duration::from_millis(2_500);
/// How the pause of everything is called.
const EVERYTHING: &str = "everything";

/// What is steered, by whom and why.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[schema(as = NamedReason)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    /// A kind or `everything`; a schedule's name.
    #[schema(min_length = 1, max_length = 512)]
    #[validate(length(min = 1, max = 512, message = "must have 1–512 characters"))]
    name: String,
    #[schema(min_length = 1, max_length = 100)]
    #[validate(length(min = 1, max = 100, message = "must have 1–100 characters"))]
    by: String,
    #[schema(min_length = 1, max_length = 500)]
    #[validate(length(min = 1, max = 500, message = "must have 1–500 characters"))]
    why: String,
}

/// What is paused, in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "named by the document alone")]
struct Paused {
    /// A kind, or `everything`.
    name: String,
}

/// A replay, for real or not.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Replay {
    /// These; of this and the following at least one is given, and all that are must hold.
    #[serde(default)]
    #[schema(value_type = Vec<MessageNumber>, max_items = 1_000)]
    ids: Vec<String>,
    /// Accepted since: RFC 3339, or what else has a year first and an offset from UTC.
    #[schema(value_type = Option<String>, pattern = "^[+-]?[0-9]{4}")]
    from: Option<Timestamp>,
    /// Accepted until.
    #[schema(value_type = Option<String>, pattern = "^[+-]?[0-9]{4}")]
    until: Option<Timestamp>,
    /// Whose last error was of this kind.
    error: Option<String>,
    /// Of this kind.
    kind: Option<String>,
    /// Of this bot.
    bot: Option<String>,
    /// Of this tenant.
    tenant: Option<String>,
    /// That ended like this.
    outcome: Option<String>,
    /// Without it nothing is changed.
    #[serde(default)]
    live: bool,
    /// Does again what is done.
    #[serde(default)]
    force: bool,
    /// How many per second; 50 unless told otherwise.
    #[schema(minimum = 1, maximum = 1_000)]
    #[validate(range(min = 1, max = 1_000, message = "must be 1–1000"))]
    per_second: Option<u16>,
    /// Asked for when it is live, as is `why`.
    #[serde(default)]
    by: String,
    #[serde(default)]
    why: String,
}

#[derive(Serialize, ToSchema)]
struct Pauses {
    pauses: Vec<PauseLine>,
}

#[derive(Serialize, ToSchema)]
struct Schedules {
    schedules: Vec<ScheduleLine>,
}

#[derive(Serialize, ToSchema)]
struct Replays {
    replays: Vec<ReplayLine>,
}

fn failed(error: StoreError) -> Problem {
    Problem::store(&error)
}

fn scope(name: String) -> Scope {
    match name.as_str() {
        EVERYTHING => Scope::Everything,
        _ => Scope::Kind(name),
    }
}

/// What is paused, by whom and why
#[utoipa::path(
    get,
    path = "/ops/queue/pauses",
    operation_id = "listPauses",
    tag = "queue",
    responses(
        (status = 200, description = "The pauses", body = Pauses),
        problem::Always,
    )
)]
pub(super) async fn pauses(State(sources): State<Sources>) -> Result<Response, Problem> {
    let pauses = sources.control.pauses().await.map_err(failed)?;
    Ok(Json(Pauses {
        pauses: pauses.into_iter().map(PauseLine::of).collect(),
    })
    .into_response())
}

/// Pause a kind of message, or everything
#[utoipa::path(
    post,
    path = "/ops/queue/pauses",
    operation_id = "pause",
    tag = "queue",
    request_body = Named,
    responses(
        (status = 200, description = "The pause", body = PauseLine),
        problem::InvalidBody,
        problem::Always,
    )
)]
pub(super) async fn pause(
    State(sources): State<Sources>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let asked: Named = body::read(&headers, body)?;
    let scope = scope(asked.name);
    let pause = sources.control.pause(&scope, &asked.by, &asked.why);
    Ok(Json(PauseLine::of(pause.await.map_err(failed)?)).into_response())
}

/// Let what is paused go on
#[utoipa::path(
    delete,
    path = "/ops/queue/pauses/{name}",
    operation_id = "resume",
    tag = "queue",
    params(Paused),
    request_body = Reason,
    responses(
        (status = 200, description = "The pause that ended", body = PauseLine),
        problem::InvalidBody,
        problem::NotFound,
        problem::Always,
    )
)]
pub(super) async fn resume(
    State(sources): State<Sources>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let reason: Reason = body::read(&headers, body)?;
    let scope = scope(name.clone());
    let ended = sources.control.resume(&scope, &reason.by, &reason.why);
    match ended.await.map_err(failed)? {
        Some(pause) => Ok(Json(PauseLine::of(pause)).into_response()),
        None => Err(Problem::not_found(format!("{name} is not paused."))),
    }
}

/// Schedules, with their next times
#[utoipa::path(
    get,
    path = "/ops/queue/schedules",
    operation_id = "listSchedules",
    tag = "queue",
    responses(
        (status = 200, description = "The schedules", body = Schedules),
        problem::Always,
    )
)]
pub(super) async fn schedules(State(sources): State<Sources>) -> Result<Response, Problem> {
    let schedules = sources.schedules.list("").await.map_err(failed)?;
    Ok(Json(Schedules {
        schedules: schedules.into_iter().map(ScheduleLine::of).collect(),
    })
    .into_response())
}

/// Pause a schedule
#[utoipa::path(
    post,
    path = "/ops/queue/schedules/pause",
    operation_id = "pauseSchedule",
    tag = "queue",
    request_body = Named,
    responses(
        (status = 200, description = "It is paused", body = Answer),
        problem::InvalidBody,
        problem::NotFound,
        problem::Always,
    )
)]
pub(super) async fn pause_schedule(
    State(sources): State<Sources>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let asked: Named = body::read(&headers, body)?;
    let paused = sources.schedules.pause(&asked.name, &asked.by, &asked.why);
    said(paused.await.map_err(failed)?, "paused", &asked.name)
}

/// Let a schedule go on
#[utoipa::path(
    post,
    path = "/ops/queue/schedules/resume",
    operation_id = "resumeSchedule",
    tag = "queue",
    request_body = Named,
    responses(
        (status = 200, description = "It goes on", body = Answer),
        problem::InvalidBody,
        problem::NotFound,
        problem::Always,
    )
)]
pub(super) async fn resume_schedule(
    State(sources): State<Sources>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let asked: Named = body::read(&headers, body)?;
    let resumed = sources.schedules.resume(&asked.name, &asked.by, &asked.why);
    said(resumed.await.map_err(failed)?, "resumed", &asked.name)
}

fn said(there: bool, done: &'static str, name: &str) -> Result<Response, Problem> {
    match there {
        true => Ok(Json(Answer { done }).into_response()),
        false => Err(Problem::not_found(format!("No schedule is called {name}."))),
    }
}

/// Replays, newest first
#[utoipa::path(
    get,
    path = "/ops/queue/replays",
    operation_id = "listReplays",
    tag = "queue",
    responses(
        (status = 200, description = "The replays", body = Replays),
        problem::Always,
    )
)]
pub(super) async fn replays(State(sources): State<Sources>) -> Result<Response, Problem> {
    let replays = sources.replays.list(None).await.map_err(failed)?;
    Ok(Json(Replays {
        replays: replays.into_iter().map(ReplayLine::of).collect(),
    })
    .into_response())
}

/// Try a replay out, or, with `live`, order it
#[utoipa::path(
    post,
    path = "/ops/queue/replays",
    operation_id = "replay",
    tag = "queue",
    request_body = Replay,
    responses(
        (status = 200, description = "What it would do; nothing has changed", body = DryRunSheet),
        (status = 202, description = "It is ordered", body = ReplayLine),
        problem::InvalidBody,
        problem::NotFound,
        problem::Conflict,
        problem::Always,
    )
)]
pub(super) async fn replay(
    State(sources): State<Sources>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let asked: Replay = body::read(&headers, body)?;
    let numbers: Result<Vec<MessageId>, Problem> = asked
        .ids
        .iter()
        .map(|id| super::messages::number(id))
        .collect();
    let filter = ReplayFilter {
        ids: numbers?,
        from: asked.from,
        until: asked.until,
        error_kind: asked.error,
        kind: asked.kind,
        bot: asked.bot,
        tenant: asked.tenant,
        outcome: asked.outcome,
    };
    if !asked.live {
        let run = sources.replays.dry_run(&filter, asked.force, LOOK);
        return Ok(Json(DryRunSheet::of(run.await.map_err(refused)?)).into_response());
    }
    let order = ReplayOrder {
        filter,
        forced: asked.force,
        per_second: asked.per_second.unwrap_or(REPLAY_PER_SECOND),
        by: asked.by,
        why: asked.why,
    };
    let story = sources.replays.start(&order).await.map_err(refused)?;
    tracing::info!(name: "replay.ordered", { replay = story.id, by = story.by, why = story.why }, "A replay was ordered");
    Ok((StatusCode::ACCEPTED, Json(ReplayLine::of(story))).into_response())
}

/// One replay
#[utoipa::path(
    get,
    path = "/ops/queue/replays/{id}",
    operation_id = "getReplay",
    tag = "queue",
    params(Numbered),
    responses(
        (status = 200, description = "The replay", body = ReplayLine),
        problem::NotFound,
        problem::Always,
    )
)]
pub(super) async fn one_replay(
    State(sources): State<Sources>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let MessageId(number) = super::messages::number(&id)?;
    match sources.replays.get(number).await.map_err(failed)? {
        Some(story) => Ok(Json(ReplayLine::of(story)).into_response()),
        None => Err(Problem::not_found(format!("There is no replay {id}."))),
    }
}

/// Stop a replay
#[utoipa::path(
    delete,
    path = "/ops/queue/replays/{id}",
    operation_id = "cancelReplay",
    tag = "queue",
    params(Numbered),
    request_body = Reason,
    responses(
        (status = 200, description = "It is stopped", body = Answer),
        problem::InvalidBody,
        problem::NotFound,
        problem::Conflict,
        problem::Always,
    )
)]
pub(super) async fn cancel_replay(
    State(sources): State<Sources>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let reason: Reason = body::read(&headers, body)?;
    let MessageId(number) = super::messages::number(&id)?;
    let stopped = sources.replays.cancel(number, &reason.by, &reason.why);
    match stopped.await.map_err(failed)? {
        true => Ok(Json(Answer { done: "cancelled" }).into_response()),
        false => Err(Problem::conflict(format!("No replay {id} is running."))),
    }
}

fn refused(error: ReplayError) -> Problem {
    match error {
        ReplayError::Store(error) => failed(error),
        ReplayError::Gone { .. } => Problem::conflict(format!("{error}.")),
        ReplayError::Everything | ReplayError::TooMany { .. } | ReplayError::NoReason => {
            Problem::invalid_body(vec![problem::FieldError {
                pointer: String::new(),
                reason: error.to_string(),
            }])
        }
    }
}
