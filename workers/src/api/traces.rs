//! `GET /ops/traces` and `GET /ops/traces/{id or support code}`: the list of stories, and one of them.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use sallyport_queue::{Outcome, RecentFilter, RecentTrace};
use sallyport_recorder::{Outcome as Recorded, TraceFilter, TraceSummary};
use sallyport_telemetry::trace::{SupportCode, TraceId};
use serde::Serialize;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::Sources;
use super::problem::{self, Problem};
use super::query::{DeliveryRef, Moment, Parameters, Span};
use crate::schema::{SupportCodeText, TraceIdText};
use crate::story::{Delivery, Reference, Standing, Story, StoryError, Told};

/// What one page of a list shows unless told otherwise.
const LIMIT: u16 = 50;

/// The filters of the list.
#[derive(Debug, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Traces that came in by this route: what recorded spans know.
    #[param(min_length = 1, max_length = 200)]
    #[validate(length(min = 1, max = 200, message = "must have 1–200 characters"))]
    route: Option<String>,
    /// Traces whose first message is of this kind.
    #[param(min_length = 1, max_length = 64)]
    #[validate(length(min = 1, max = 64, message = "must have 1–64 characters"))]
    kind: Option<String>,
    #[param(schema_with = endings)]
    outcome: Option<Ending>,
    /// Those that took longer than this: `200ms`, `1.5s`, `2m`.
    #[param(inline)]
    over: Option<Span>,
    /// Those that began then or later: `2026-11-20T21:00:00Z`, or a length of time back from now, `15m`.
    #[param(inline)]
    since: Option<Moment>,
    /// The one trace of this delivery: its source and its number there.
    #[param(value_type = Option<String>, pattern = "(:|[^:]):[^:]+$", example = "telegram:ops:4711")]
    delivery: Option<DeliveryRef>,
    /// At most so many; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    #[validate(range(min = 1, max = 200, message = "must be 1–200"))]
    limit: Option<u16>,
}

/// How a trace ended: as the queue knows it, or, of what never reached the queue, as its spans do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Message(Outcome),
    Spans(Recorded),
}

/// The words that [`Ending`] reads.
fn endings() -> Object {
    let spans = ["ok", "error", "refused"];
    let words = Outcome::ALL.map(Outcome::as_str).into_iter().chain(spans);
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(
            "How the trace ended; `ok`, `error` and `refused` are of recorded spans.",
        ))
        .enum_values(Some(words))
        .build()
}

/// What people call a trace by, in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "named by the document alone")]
struct Named {
    /// A trace id of 32 hexadecimal digits, or a support code such as `K7QF-3M2X` in any case, with or without hyphens.
    #[param(
        pattern = "^[^!-~]*([0-9A-Fa-f]{32}|[ -]*([0-9A-TV-Za-tv-z][ -]*){8})[^!-~]*$",
        example = "K7QF-3M2X"
    )]
    reference: String,
}

impl std::str::FromStr for Ending {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "ok" => Ok(Self::Spans(Recorded::Ok)),
            "error" => Ok(Self::Spans(Recorded::Error)),
            "refused" => Ok(Self::Spans(Recorded::Refused)),
            other => Outcome::from_word(other).map(Self::Message).ok_or(
                "must be done, dead, cancelled, expired, ignored, erased, or of recorded spans ok, error, refused",
            ),
        }
    }
}

/// One line of the list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TraceLine)]
struct Entry {
    #[schema(value_type = TraceIdText)]
    trace_id: TraceId,
    #[schema(value_type = SupportCodeText)]
    code: SupportCode,
    /// The kind of the first message, or the name of the first span where no message was stored.
    name: String,
    route: Option<String>,
    kind: Option<String>,
    outcome: Standing,
    started_at: Timestamp,
    /// None while it goes on.
    duration_ms: Option<f64>,
    delivery: Option<Delivery>,
    message_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TraceList)]
struct List {
    traces: Vec<Entry>,
}

/// Traces that share a support code.
#[derive(Serialize, ToSchema)]
struct Matches {
    matches: Vec<Match>,
}

#[derive(Serialize, ToSchema)]
struct Match {
    #[schema(value_type = TraceIdText)]
    trace_id: TraceId,
    #[schema(value_type = SupportCodeText)]
    code: SupportCode,
}

/// One story, or, where several traces share the support code, which.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Found {
    Story(Box<Story>),
    Several(Matches),
}

/// Traces, newest first
#[utoipa::path(
    get,
    path = "/ops/traces",
    operation_id = "listTraces",
    tag = "traces",
    params(Filter),
    responses(
        (status = 200, description = "The traces that fit", body = List),
        problem::InvalidQuery,
        problem::Always,
    )
)]
pub(super) async fn list(
    State(sources): State<Sources>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let filter = read(query.as_deref())?;
    let traces = match &filter.delivery {
        Some(delivery) => of_delivery(&sources, delivery).await?,
        None => matching(&sources, filter).await?,
    };
    Ok(Json(List { traces }).into_response())
}

/// The story of a trace: what the queue and the recorded spans know of it
#[utoipa::path(
    get,
    path = "/ops/traces/{reference}",
    operation_id = "getTrace",
    tag = "traces",
    params(Named),
    responses(
        (status = 200, description = "The story, or the traces that share the support code", body = Found),
        problem::InvalidQuery,
        problem::NotFound,
        problem::Always,
    )
)]
pub(super) async fn story(
    State(sources): State<Sources>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Parameters::read(query.as_deref()).finish(NoParameters {})?;
    let reference: Reference = reference
        .parse()
        .map_err(|error| Problem::not_found(format!("This is {error}.")))?;
    match sources
        .teller
        .tell(reference)
        .await
        .map_err(|error| Problem::store(&error))?
    {
        Told::Story(story) => Ok(Json(Found::Story(story)).into_response()),
        Told::Several(traces) => {
            let matches = traces.into_iter().map(|trace_id| Match {
                trace_id,
                code: trace_id.support_code(),
            });
            Ok(Json(Found::Several(Matches {
                matches: matches.collect(),
            }))
            .into_response())
        }
        Told::Nothing => Err(Problem::not_found(
            "Nothing is known of this trace: there was none, or it is older than what is kept.",
        )),
    }
}

/// A path without parameters refuses them all.
#[derive(Validate)]
pub(super) struct NoParameters {}

fn read(query: Option<&str>) -> Result<Filter, Problem> {
    let mut parameters = Parameters::read(query);
    let filter = Filter {
        route: parameters.take("route"),
        kind: parameters.take("kind"),
        outcome: parameters.take("outcome"),
        over: parameters.take("over"),
        since: parameters.take("since"),
        delivery: parameters.take("delivery"),
        limit: parameters.take("limit"),
    };
    parameters.finish(filter)
}

/// The trace of one delivery, known as soon as its 2xx is out; spans need not be kept for it.
async fn of_delivery(sources: &Sources, delivery: &DeliveryRef) -> Result<Vec<Entry>, Problem> {
    let found = sources
        .inspector
        .by_delivery(&delivery.source, &delivery.id)
        .await;
    let Some(trace) = found.map_err(|error| Problem::store(&error))? else {
        return Ok(Vec::new());
    };
    let story = sources
        .teller
        .story(trace)
        .await
        .map_err(|error: StoryError| Problem::store(&error))?;
    Ok(story.as_ref().map(Entry::of_story).into_iter().collect())
}

/// Routes, refusals and failed spans are the recorder's to find; everything else is in the queue's own rows.
async fn matching(sources: &Sources, filter: Filter) -> Result<Vec<Entry>, Problem> {
    let limit = filter.limit.unwrap_or(LIMIT);
    let (over, since) = (
        filter.over.map(|span| span.0),
        filter.since.map(|moment| moment.0),
    );
    let recorded = match filter.outcome {
        Some(Ending::Spans(outcome)) => Some(Some(outcome)),
        Some(Ending::Message(_)) | None => filter.route.is_some().then_some(None),
    };
    if let Some(outcome) = recorded {
        let filter = TraceFilter {
            route: filter.route,
            kind: filter.kind,
            outcome,
            over,
            since,
            limit,
        };
        let found = sources
            .recorder
            .find(&filter)
            .await
            .map_err(|error| Problem::store(&error))?;
        return Ok(found.into_iter().map(Entry::of_spans).collect());
    }
    let outcome = match filter.outcome {
        Some(Ending::Message(outcome)) => Some(outcome),
        Some(Ending::Spans(_)) | None => None,
    };
    let filter = RecentFilter {
        kind: filter.kind,
        outcome,
        over,
        since,
        limit,
    };
    let found = sources
        .inspector
        .recent(&filter)
        .await
        .map_err(|error| Problem::store(&error))?;
    Ok(found.into_iter().map(Entry::of_queue).collect())
}

impl Entry {
    fn of_story(story: &Story) -> Self {
        let first = story.messages.first();
        let root = story.rows.first();
        let route = root
            .and_then(|row| row.attributes.get("http.route"))
            .and_then(|route| route.as_str());
        Self {
            trace_id: story.trace_id,
            code: story.code,
            name: first
                .map(|message| message.kind.clone())
                .or_else(|| root.map(|row| row.name.clone()))
                .unwrap_or_default(),
            route: route.map(str::to_owned),
            kind: first.map(|message| message.kind.clone()),
            outcome: story.outcome,
            started_at: story.started_at,
            duration_ms: story.finished.then_some(story.duration_ms),
            delivery: first.and_then(|message| message.delivery.clone()),
            message_id: first.map(|message| message.id.clone()),
        }
    }

    fn of_spans(found: TraceSummary) -> Self {
        Self {
            trace_id: found.trace_id,
            code: found.trace_id.support_code(),
            name: found.name,
            route: found.route,
            kind: found.kind,
            outcome: match found.outcome {
                Recorded::Ok => Standing::Ok,
                Recorded::Error => Standing::Error,
                Recorded::Refused => Standing::Refused,
            },
            started_at: found.started_at,
            duration_ms: Some(found.duration_ms),
            delivery: None,
            message_id: None,
        }
    }

    fn of_queue(found: RecentTrace) -> Self {
        let took = found
            .ended_at
            .map(|ended: Timestamp| ended.duration_since(found.accepted_at));
        Self {
            trace_id: found.trace.trace_id,
            code: found.trace.trace_id.support_code(),
            name: found.kind.clone(),
            route: None,
            kind: Some(found.kind),
            outcome: found.outcome.map_or(Standing::Open, Standing::from),
            started_at: found.accepted_at,
            duration_ms: took.map(|took: SignedDuration| took.as_secs_f64() * 1_000.0),
            delivery: found.delivery_id.map(|id| Delivery {
                source: found.source,
                id,
            }),
            message_id: Some(found.id.to_string()),
        }
    }
}
