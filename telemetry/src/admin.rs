//! The admin door: `/metrics`, the health pages and the purging of kept answers, for Prometheus, the supervisor and the engineers behind them.
//!
//! It is served by a thread and a runtime of its own, because "the runtime is stuck" is exactly what it has to be able to say.
//! Other rooms may have pages there, too, which only the token opens. It is meant for a loopback or cluster-internal address; what of it the public may see goes through the edge.

mod listener;
mod pages;
mod purge;

pub use pages::Pages;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::Health;
use crate::metrics::Exposition;
use listener::Capped;

pub use purge::Purges;

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";
const BEARER: &str = "Bearer ";

/// Decides whether a bearer token opens `/health/status` and `/cache/purge`. The comparison, in constant time, is the caller's.
#[derive(Clone)]
pub struct StatusToken(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl StatusToken {
    /// A gate that asks this function about the token that was presented.
    pub fn checked_by(opens: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(opens))
    }

    /// Whether an `Authorization` header opens the gate.
    pub fn opens(&self, authorization: Option<&str>) -> bool {
        authorization
            .and_then(|value| value.strip_prefix(BEARER))
            .is_some_and(|token| (self.0)(token))
    }
}

/// Why the admin door is not, or no longer, open.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Its thread or runtime could not be started.
    #[error("the admin door could not be opened")]
    Start(#[source] std::io::Error),
    /// Its server ended without being told to.
    #[error("the admin door closed by itself")]
    Ended,
}

#[derive(Clone)]
struct Admin {
    exposition: Exposition,
    health: Health,
    status_token: Option<StatusToken>,
    rooms: Rooms,
}

impl Admin {
    /// Whether whoever sends this may read what is not for everybody.
    fn opens(&self, headers: &HeaderMap) -> bool {
        let authorization = headers.get(header::AUTHORIZATION);
        let authorization = authorization.and_then(|value| value.to_str().ok());
        let token = self.status_token.as_ref();
        token.is_some_and(|token| token.opens(authorization))
    }
}

/// What other rooms have behind the door. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub struct Rooms {
    /// What they show.
    pub pages: Pages,
    /// Who keeps answers and may be told to forget them.
    pub purges: Purges,
}

/// Serves `/metrics`, `/health/live`, `/health/ready`, `/health/status`, `/cache/purge` and the pages of other rooms until told to stop.
/// Without a token nobody may use the last three.
///
/// Dropping the future does not close the door, cancelling `stop` does.
pub async fn serve(
    listener: TcpListener,
    exposition: Exposition,
    health: Health,
    status_token: Option<StatusToken>,
    rooms: Rooms,
    stop: CancellationToken,
) -> Result<(), AdminError> {
    let listener = listener.into_std().map_err(AdminError::Start)?;
    let routes = routes(Admin {
        exposition,
        health,
        status_token,
        rooms,
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(AdminError::Start)?;
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new()
        .name("sallyport-admin".to_owned())
        .spawn(move || {
            let outcome = runtime.block_on(run(listener, routes, stop));
            // Nobody listens when the caller has been dropped, and then nobody needs to know.
            let _nobody = ended.send(outcome);
        })
        .map_err(AdminError::Start)?;
    end.await.map_err(|_| AdminError::Ended)?
}

async fn run(
    listener: std::net::TcpListener,
    routes: Router,
    stop: CancellationToken,
) -> Result<(), AdminError> {
    let listener = TcpListener::from_std(listener).map_err(AdminError::Start)?;
    // A scrape takes milliseconds: there is nothing to drain that is worth waiting for.
    tokio::select! {
        outcome = async { axum::serve(Capped::new(listener), routes).await } => outcome.map_err(AdminError::Start).and(Err(AdminError::Ended)),
        () = stop.cancelled() => Ok(()),
    }
}

fn routes(admin: Admin) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/health/status", get(status))
        .route("/cache/purge", post(purge::purge))
        .fallback(get(page))
        .with_state(admin)
}

async fn metrics(State(admin): State<Admin>) -> Response {
    (
        [(header::CONTENT_TYPE, PROMETHEUS)],
        admin.exposition.render(),
    )
        .into_response()
}

async fn live(State(admin): State<Admin>) -> Response {
    match admin.health.live() {
        true => word(StatusCode::OK, "live"),
        false => word(StatusCode::SERVICE_UNAVAILABLE, "stuck"),
    }
}

async fn ready(State(admin): State<Admin>) -> Response {
    let verdict = admin.health.verdict();
    let status = if verdict.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    word(status, verdict.as_str())
}

async fn status(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    if !admin.opens(&headers) {
        return unauthorized();
    }
    (
        [(header::CACHE_CONTROL, "no-store")],
        Json(admin.health.status()),
    )
        .into_response()
}

/// What other rooms show. Whoever may not read it does not learn what there is.
async fn page(State(admin): State<Admin>, headers: HeaderMap, uri: Uri) -> Response {
    if !admin.opens(&headers) {
        return unauthorized();
    }
    match admin.rooms.pages.json(uri.path()) {
        Some(json) => {
            let fields = [
                (header::CONTENT_TYPE, JSON),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (fields, json).into_response()
        }
        None => word(StatusCode::NOT_FOUND, "not found"),
    }
}

fn unauthorized() -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (challenge, word(StatusCode::UNAUTHORIZED, "unauthorized")).into_response()
}

fn word(status: StatusCode, word: &'static str) -> Response {
    (
        status,
        [(header::CACHE_CONTROL, "no-store")],
        format!("{word}\n"),
    )
        .into_response()
}

#[cfg(test)]
mod tests;
