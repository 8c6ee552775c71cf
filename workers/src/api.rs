//! The HTTP API behind the edge: what engineers ask about traces, the queue and dead letters.
//!
//! It exists so that the playground's page, a dashboard's link and a person with `curl` read the same numbers. It
//! listens on the loopback alone; limits per caller, TLS and security headers are the edge's. Every path wants the
//! operator's token. It shows no message's text.
//!
//! A request passes, in this order: a place among those in flight (cheapest refusal first), its deadline, the token,
//! then its handler. Errors only travel until `problem` turns them into bodies, in one place.

mod auth;
mod body;
mod dead;
mod desk;
mod document;
mod leaving;
mod limits;
mod messages;
mod problem;
mod query;
mod queue;
mod traces;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::{Router, middleware};
use sallyport_queue::{Control, DeadLetters, Inspector, Queue, Replays, Schedules};
use sallyport_recorder::Recorder;
use sallyport_security::Secret;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use validator::Validate;

pub use self::document::document;
use self::leaving::UntilLeaving;
use self::limits::Limits;
use crate::story::StoryTeller;

/// The largest body that any path takes: a thousand ids are below this.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Longer than the slowest honest look at seven days of rows, shorter than a person's patience.
const REQUEST_MS: u64 = 5_000;
/// Each look takes a connection of the pool for reading, which has about as many.
const CONCURRENT_MAX: usize = 32;

/// What an operator may set about the API.
#[derive(Debug, Clone, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where it listens; only the edge should reach it.
    pub listen: SocketAddr,
    /// What operators send as bearer token. Empty refuses everybody.
    pub ops_token: Secret,
    /// How long a request may take, in milliseconds.
    #[validate(range(min = 100, max = 60_000, message = "must be 100–60000"))]
    pub request_ms: u64,
    /// Requests in flight at once; more are told to come back.
    #[validate(range(min = 1, max = 1_000, message = "must be 1–1000"))]
    pub concurrent_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            ops_token: Secret::default(),
            request_ms: REQUEST_MS,
            concurrent_max: CONCURRENT_MAX,
        }
    }
}

/// What the handlers ask. Cheap to clone.
#[derive(Clone)]
pub struct Sources {
    /// Combines the next two.
    pub teller: StoryTeller,
    /// The queue's own rows.
    pub inspector: Inspector,
    /// What gave up.
    pub dead_letters: DeadLetters,
    /// Pauses and cancellations.
    pub control: Control,
    /// Replays.
    pub replays: Replays,
    /// Schedules.
    pub schedules: Schedules,
    /// Recorded spans.
    pub recorder: Recorder,
}

impl Sources {
    /// Everything that there is to ask about this queue.
    #[must_use]
    pub fn of(queue: &Queue, recorder: Recorder) -> Self {
        Self {
            teller: StoryTeller::new(queue.inspect(), recorder.clone()),
            inspector: queue.inspect(),
            dead_letters: queue.dead_letters(),
            control: queue.control(),
            replays: queue.replays(),
            schedules: queue.schedules(),
            recorder,
        }
    }
}

/// All paths with their checks.
pub fn router(settings: &Settings, sources: Sources) -> Router {
    let token = Arc::new(settings.ops_token.clone());
    let limits = Limits::new(settings);
    let (paths, _) = paths().split_for_parts();
    paths
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(sources)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(
            token,
            auth::require_operator,
        ))
        .layer(middleware::from_fn_with_state(limits, limits::bound))
        .layer(middleware::from_fn(problem::render))
}

/// What is served, and what the document says of it: whatever is added here is in both.
fn paths() -> OpenApiRouter<Sources> {
    OpenApiRouter::with_openapi(document::frame())
        .routes(routes!(document::show))
        .routes(routes!(traces::list))
        .routes(routes!(traces::story))
        .routes(routes!(queue::summary))
        .routes(routes!(messages::list))
        .routes(routes!(messages::show, messages::cancel))
        .routes(routes!(messages::retry))
        .routes(routes!(desk::pauses, desk::pause))
        .routes(routes!(desk::resume))
        .routes(routes!(desk::schedules))
        .routes(routes!(desk::pause_schedule))
        .routes(routes!(desk::resume_schedule))
        .routes(routes!(desk::replays, desk::replay))
        .routes(routes!(desk::one_replay, desk::cancel_replay))
        .routes(routes!(dead::groups))
        .routes(routes!(dead::replay))
}

/// How the API ends.
#[derive(Debug, Clone, Default)]
pub struct Stops {
    /// Cancelled when another process accepts on the same socket: nothing new is accepted, and each answer ends its connection.
    pub leaving: CancellationToken,
    /// Cancelled when connections that are idle are to be closed.
    pub stop: CancellationToken,
}

/// Serves until told to stop, then lets the requests in flight end; each has its own deadline, so that is soon.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    settings: &Settings,
    sources: Sources,
    stops: Stops,
) -> std::io::Result<()> {
    let goodbye = middleware::from_fn_with_state(stops.leaving.clone(), leaving::say_goodbye);
    let router = router(settings, sources).layer(goodbye);
    axum::serve(UntilLeaving::new(listener, stops.leaving), router)
        .with_graceful_shutdown(stops.stop.cancelled_owned())
        .await
}

#[cfg(test)]
mod tests;
