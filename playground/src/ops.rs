//! The page's window into the house: `/ops/*` and `/health/status` of the edge, asked with the token that only this server holds.
//!
//! Only these paths are passed on, only JSON, only with bounds on size and time. What the edge answers goes back as it came; when it cannot be reached
//! the page is told so, with the reason.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use crate::{inbound::Problem, world::World};

/// The page polls; an answer slower than this is no answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A story has at most a few thousand rows.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

const REQUEST_BYTES_MAX: usize = 64 * 1024;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/ops/traces", get(pass_on))
        .route("/ops/traces/{id}", get(pass_on))
        .route("/ops/queue", get(pass_on))
        .route("/ops/dead", get(pass_on))
        .route("/ops/dead/replay", post(pass_on))
        .route("/health/status", get(pass_on))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
}

/// A client for the edge: short deadlines, no redirects, no system proxy.
pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .timeout(ANSWER_TIMEOUT)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
}

async fn pass_on(
    State(world): State<Arc<World>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if method == Method::POST && !is_json {
        return Err(Problem::new(
            415,
            "Unsupported type",
            "send Content-Type: application/json",
        ));
    }
    let Some(edge) = &world.settings.ops_url else {
        return Err(Problem::new(
            503,
            "No server",
            "this playground was started without a server to look into",
        ));
    };
    let mut url = edge.clone();
    url.set_path(uri.path());
    url.set_query(uri.query());
    let mut request = world.ops_client.request(method, url);
    if let Some(token) = &world.settings.ops_token {
        request = request.bearer_auth(token.expose());
    }
    if !body.is_empty() {
        request = request
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
    }
    let away = |error: reqwest::Error| {
        Problem::new(502, "Server not reachable", error.without_url().to_string())
    };
    let mut answer = request.send().await.map_err(away)?;
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
    let mut content = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(away)? {
        if content.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(Problem::new(
                502,
                "Too large",
                "the server's answer is larger than the page can show",
            ));
        }
        content.extend_from_slice(&piece);
    }
    let kind = kind.unwrap_or(HeaderValue::from_static("application/json"));
    Ok((status, [(header::CONTENT_TYPE, kind)], content).into_response())
}
