//! `/ops/queue/messages…`: the messages of the queue, one of them, and what can be done with it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use sallyport_queue::{CancelAnswer, ListCursor, ListFilter, ListState, MessageId, Outcome};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::problem::{self, Problem};
use super::query::{Moment, Parameters};
use super::traces::NoParameters;
use super::{Sources, body};
use crate::desk::{MessageLine, MessageSheet};
use crate::schema::MessageNumber;

/// What one page of a list shows unless told otherwise.
const LIMIT: u16 = 50;

/// The filters of the list.
#[derive(Validate, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    #[param(schema_with = states)]
    state: Option<ListState>,
    /// The kind of message.
    #[param(min_length = 1, max_length = 64)]
    #[validate(length(min = 1, max = 64, message = "must have 1–64 characters"))]
    kind: Option<String>,
    /// The key.
    #[param(min_length = 1, max_length = 512)]
    #[validate(length(min = 1, max = 512, message = "must have 1–512 characters"))]
    key: Option<String>,
    /// The bot.
    #[param(min_length = 1, max_length = 512)]
    #[validate(length(min = 1, max = 512, message = "must have 1–512 characters"))]
    bot: Option<String>,
    /// The tenant.
    #[param(min_length = 1, max_length = 512)]
    #[validate(length(min = 1, max = 512, message = "must have 1–512 characters"))]
    tenant: Option<String>,
    /// The kind of the last error.
    #[param(min_length = 1, max_length = 64)]
    #[validate(length(min = 1, max = 64, message = "must have 1–64 characters"))]
    error: Option<String>,
    /// Those accepted before: `2026-11-20T21:00:00Z`, or a length of time back from now, `15m`.
    #[param(inline)]
    before: Option<Moment>,
    /// At most so many; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 500)]
    #[validate(range(min = 1, max = 500, message = "must be 1–500"))]
    limit: Option<u16>,
    /// Where to go on: what an earlier page gave as `next`.
    #[param(
        value_type = Option<String>,
        pattern = "^(e|[01]\\.[+-]?[0-9]+)\\.[+-]?[0-9]+\\.[+-]?[0-9]+$"
    )]
    after: Option<ListCursor>,
}

/// The words that [`ListState`] reads.
fn states() -> Object {
    let live = ["ready", "running", "held", "delayed"];
    let ended = Outcome::ALL
        .into_iter()
        .filter(|outcome| *outcome != Outcome::Done);
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("The state; without one, what waits or runs."))
        .enum_values(Some(live.into_iter().chain(ended.map(Outcome::as_str))))
        .build()
}

/// A message or a replay, in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "named by the document alone")]
pub(super) struct Numbered {
    /// Its number.
    #[param(inline)]
    id: MessageNumber,
}

#[derive(Serialize, ToSchema)]
#[schema(as = MessageList)]
struct List {
    messages: Vec<MessageLine>,
    /// Hand it back as `after`; none when there is no more.
    next: Option<String>,
}

/// Who does something, and why: both stay in the record.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    #[schema(min_length = 1, max_length = 100)]
    #[validate(length(min = 1, max = 100, message = "must have 1–100 characters"))]
    pub(super) by: String,
    #[schema(min_length = 1, max_length = 500)]
    #[validate(length(min = 1, max = 500, message = "must have 1–500 characters"))]
    pub(super) why: String,
}

/// What became of a request.
#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    pub(super) done: &'static str,
}

/// Messages of the queue, a page at a time
#[utoipa::path(
    get,
    path = "/ops/queue/messages",
    operation_id = "listMessages",
    tag = "queue",
    params(Filter),
    responses(
        (status = 200, description = "A page", body = List),
        problem::InvalidQuery,
        problem::Always,
    )
)]
pub(super) async fn list(
    State(sources): State<Sources>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let filter = read(query.as_deref())?;
    let after = filter.after;
    let filter = ListFilter {
        state: filter.state,
        kind: filter.kind,
        key: filter.key,
        bot: filter.bot,
        tenant: filter.tenant,
        error_kind: filter.error,
        before: filter.before.map(|moment| moment.0),
        limit: filter.limit.unwrap_or(LIMIT),
    };
    let found = sources
        .inspector
        .list(&filter, after)
        .await
        .map_err(|error| Problem::store(&error))?;
    let now = Timestamp::now();
    let messages = MessageLine::page(&sources.inspector, found.entries, now).await;
    Ok(Json(List {
        messages: messages.map_err(|error| Problem::store(&error))?,
        next: found.next.map(|next| next.to_string()),
    })
    .into_response())
}

fn read(query: Option<&str>) -> Result<Filter, Problem> {
    let mut parameters = Parameters::read(query);
    let filter = Filter {
        state: parameters.take("state"),
        kind: parameters.take("kind"),
        key: parameters.take("key"),
        bot: parameters.take("bot"),
        tenant: parameters.take("tenant"),
        error: parameters.take("error"),
        before: parameters.take("before"),
        limit: parameters.take("limit"),
        after: parameters.take("after"),
    };
    parameters.finish(filter)
}

/// Everything about one message
#[utoipa::path(
    get,
    path = "/ops/queue/messages/{id}",
    operation_id = "getMessage",
    tag = "queue",
    params(Numbered),
    responses(
        (status = 200, description = "The message", body = MessageSheet),
        problem::InvalidQuery,
        problem::NotFound,
        problem::Always,
    )
)]
pub(super) async fn show(
    State(sources): State<Sources>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Parameters::read(query.as_deref()).finish(NoParameters {})?;
    let found = MessageSheet::find(&sources.inspector, number(&id)?)
        .await
        .map_err(|error| Problem::store(&error))?;
    match found {
        Some(sheet) => Ok(Json(sheet).into_response()),
        None => Err(unknown(&id)),
    }
}

/// Order the end of a message; its owner carries that out within a second
#[utoipa::path(
    delete,
    path = "/ops/queue/messages/{id}",
    operation_id = "cancelMessage",
    tag = "queue",
    params(Numbered),
    request_body = Reason,
    responses(
        (status = 200, description = "It is ordered", body = Answer),
        problem::InvalidBody,
        problem::NotFound,
        problem::Conflict,
        problem::Always,
    )
)]
pub(super) async fn cancel(
    State(sources): State<Sources>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let reason: Reason = body::read(&headers, body)?;
    let answer = sources
        .control
        .cancel(number(&id)?, &reason.by, &reason.why)
        .await
        .map_err(|error| Problem::store(&error))?;
    match answer {
        CancelAnswer::Ordered => Ok(Json(Answer { done: "ordered" }).into_response()),
        CancelAnswer::AlreadyOrdered(_) => Ok(Json(Answer {
            done: "ordered before",
        })
        .into_response()),
        CancelAnswer::AlreadyEnded { outcome, at, .. } => Err(Problem::conflict(format!(
            "Message {id} ended as {} at {at}.",
            outcome.as_str()
        ))),
        CancelAnswer::Unknown => Err(unknown(&id)),
    }
}

/// Make a message that waits for its time due at once, or put a dead letter back
#[utoipa::path(
    post,
    path = "/ops/queue/messages/{id}/retry",
    operation_id = "retryMessage",
    tag = "queue",
    params(Numbered),
    request_body = Reason,
    responses(
        (status = 200, description = "It is due now, or put back", body = Answer),
        problem::InvalidBody,
        problem::NotFound,
        problem::Conflict,
        problem::Always,
    )
)]
pub(super) async fn retry(
    State(sources): State<Sources>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let reason: Reason = body::read(&headers, body)?;
    let number = number(&id)?;
    let failed = |error: sallyport_queue::StoreError| Problem::store(&error);
    let hurried = sources.replays.hurry(number, &reason.by, &reason.why);
    if hurried.await.map_err(failed)? {
        return Ok(Json(Answer { done: "due now" }).into_response());
    }
    let put_back = sources
        .dead_letters
        .retry(&[number], &reason.by, &reason.why)
        .await
        .map_err(failed)?;
    if put_back.is_empty() {
        return Err(Problem::conflict(format!(
            "Message {id} neither waits for its time nor is a dead letter that nobody replayed."
        )));
    }
    tracing::info!(name: "dead_letters.replayed", { replayed = 1, by = reason.by, why = reason.why }, "A dead letter was put back on the queue");
    Ok(Json(Answer { done: "put back" }).into_response())
}

pub(super) fn number(id: &str) -> Result<MessageId, Problem> {
    id.parse()
        .map(MessageId)
        .map_err(|_| Problem::not_found("This is no number of a message."))
}

fn unknown(id: &str) -> Problem {
    Problem::not_found(format!(
        "Nothing is known of message {id}: there was none, or it is older than what is kept."
    ))
}
