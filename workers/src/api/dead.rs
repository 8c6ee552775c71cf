//! `GET /ops/dead` and `POST /ops/dead/replay`: what gave up, grouped by why, and the one repair.

use std::collections::HashSet;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use sallyport_queue::{DeadGroup, MessageId};
use sallyport_telemetry::trace::{SupportCode, TraceId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use super::problem::{self, FieldError, Problem};
use super::query::Parameters;
use super::traces::NoParameters;
use super::{Sources, body};
use crate::schema::{MessageNumber, SupportCodeText, TraceIdText};

/// Stands between kind and error in a group's name; no kind of message holds one.
const BETWEEN: char = '/';
/// Pages of one group that a single request replays; each has up to 500 letters, and the deadline comes first.
const PAGES_MAX: usize = 20;
/// Longest error text of a group.
const ERROR_BYTES_MAX: usize = 300;

#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetters)]
struct Dead {
    total: u64,
    groups: Vec<Group>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DeadGroup)]
struct Group {
    /// Names the group when replaying it.
    group: String,
    kind: String,
    error_kind: String,
    /// The newest one's words.
    error: String,
    count: u64,
    people: u64,
    first: Timestamp,
    last: Timestamp,
    #[schema(value_type = SupportCodeText)]
    newest_code: SupportCode,
    #[schema(value_type = TraceIdText)]
    newest_trace_id: TraceId,
    newest_id: String,
}

/// What is to be put back on the queue: messages by their ids, or all of a group.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[schema(as = DeadReplay)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = names_one_thing))]
struct Replay {
    #[serde(default)]
    #[validate(length(min = 1, max = 1_000, message = "must name 1–1000 messages"))]
    #[schema(min_items = 1, max_items = 1_000, value_type = Option<Vec<MessageNumber>>)]
    ids: Option<Vec<String>>,
    #[serde(default)]
    #[validate(length(min = 1, max = 200, message = "must have 1–200 characters"))]
    #[schema(min_length = 1, max_length = 200, pattern = "/")]
    group: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Replayed {
    replayed: usize,
    /// Of those that were named: what is no dead letter (any more).
    missing: Vec<String>,
}

/// Dead letters, grouped by kind and error, the largest group first
#[utoipa::path(
    get,
    path = "/ops/dead",
    operation_id = "listDeadLetters",
    tag = "dead letters",
    responses(
        (status = 200, description = "The groups", body = Dead),
        problem::InvalidQuery,
        problem::Always,
    )
)]
pub(super) async fn groups(
    State(sources): State<Sources>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Parameters::read(query.as_deref()).finish(NoParameters {})?;
    let groups = sources
        .dead_letters
        .groups()
        .await
        .map_err(|error| Problem::store(&error))?;
    let groups: Vec<Group> = groups.into_iter().map(Group::of).collect();
    Ok(Json(Dead {
        total: groups.iter().map(|group| group.count).sum(),
        groups,
    })
    .into_response())
}

/// Put dead letters back on the queue, in their order
#[utoipa::path(
    post,
    path = "/ops/dead/replay",
    operation_id = "replayDeadLetters",
    tag = "dead letters",
    request_body = Replay,
    responses(
        (status = 200, description = "What was put back, and what could not be", body = Replayed),
        problem::InvalidBody,
        problem::Always,
    )
)]
pub(super) async fn replay(
    State(sources): State<Sources>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let wanted: Replay = body::read(&headers, body)?;
    let answer = match (wanted.ids, wanted.group) {
        (Some(ids), _) => replay_these(&sources, &numbers(&ids)?).await?,
        (None, Some(group)) => replay_group(&sources, &group).await?,
        (None, None) => Replayed {
            replayed: 0,
            missing: Vec::new(),
        },
    };
    tracing::info!(
        name: "dead_letters.replayed",
        { replayed = answer.replayed, missing = answer.missing.len() },
        "Dead letters were put back on the queue"
    );
    Ok(Json(answer).into_response())
}

async fn replay_these(sources: &Sources, ids: &[MessageId]) -> Result<Replayed, Problem> {
    let pairs = sources
        .dead_letters
        .replay(ids)
        .await
        .map_err(|error| Problem::store(&error))?;
    let done: HashSet<MessageId> = pairs.iter().map(|(old, _)| *old).collect();
    let missing = ids
        .iter()
        .filter(|id| !done.contains(id))
        .map(ToString::to_string)
        .collect();
    Ok(Replayed {
        replayed: done.len(),
        missing,
    })
}

/// Replays a group page by page: what was replayed is no dead letter any more, so the next page is what is left.
async fn replay_group(sources: &Sources, group: &str) -> Result<Replayed, Problem> {
    let Some((kind, error_kind)) = group.split_once(BETWEEN) else {
        let reason = "must be the name of a group, as /ops/dead gives it".to_owned();
        return Err(Problem::invalid_body(vec![FieldError {
            pointer: "/group".to_owned(),
            reason,
        }]));
    };
    let mut replayed = 0;
    for _ in 0..PAGES_MAX {
        let letters = sources
            .dead_letters
            .of_group(kind, error_kind)
            .await
            .map_err(|error| Problem::store(&error))?;
        let ids: Vec<MessageId> = letters.iter().map(|letter| letter.id).collect();
        let page = replay_these(sources, &ids).await?;
        if page.replayed == 0 {
            break;
        }
        replayed += page.replayed;
    }
    Ok(Replayed {
        replayed,
        missing: Vec::new(),
    })
}

fn names_one_thing(replay: &Replay) -> Result<(), ValidationError> {
    if replay.ids.is_some() == replay.group.is_some() {
        let error = ValidationError::new("one").with_message("name either ids or a group".into());
        return Err(error);
    }
    Ok(())
}

fn numbers(ids: &[String]) -> Result<Vec<MessageId>, Problem> {
    let (mut numbers, mut errors) = (Vec::with_capacity(ids.len()), Vec::new());
    for (place, id) in ids.iter().enumerate() {
        match id.parse() {
            Ok(number) => numbers.push(MessageId(number)),
            Err(_) => errors.push(FieldError {
                pointer: format!("/ids/{place}"),
                reason: "must be the number of a message, as a text".to_owned(),
            }),
        }
    }
    if errors.is_empty() {
        Ok(numbers)
    } else {
        Err(Problem::invalid_body(errors))
    }
}

impl Group {
    fn of(group: DeadGroup) -> Self {
        let trace = group.newest_trace.trace_id;
        Self {
            group: format!("{}{BETWEEN}{}", group.kind, group.error_kind),
            kind: group.kind,
            error_kind: group.error_kind,
            error: sallyport_telemetry::cut(&group.newest_text, ERROR_BYTES_MAX).to_owned(),
            count: group.count,
            people: group.people,
            first: group.first_at,
            last: group.last_at,
            newest_code: trace.support_code(),
            newest_trace_id: trace,
            newest_id: group.newest.to_string(),
        }
    }
}
