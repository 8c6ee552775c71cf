//! A stand-in for an OpenAI-compatible server: prepared texts that say what they are, streamed word by word.
//!
//! It answers `chat/completions` whole and as server-sent events, lists two models, and refuses what the real one refuses in the same shape. It thinks
//! nothing; [`answers`] holds every word it can say.

mod answers;
mod completions;
mod wire;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use crate::world::World;

/// The models it lists; any other name is answered too, since a house may call its models as it likes.
const MODELS: [&str; 2] = ["stand-in-fast", "stand-in-smart"];

/// The one name that does not exist, so that a wrong model can be tried.
const MISSING_MODEL: &str = "no-such-model";

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/openai/v1/chat/completions", post(completions::answer))
        .route("/openai/v1/models", get(models))
        .route("/openai/v1/models/{model}", get(model))
        .route("/openai/v1/{*rest}", get(unknown).post(unknown))
}

fn described(name: &str) -> serde_json::Value {
    json!({"id": name, "object": "model", "created": 1_760_000_000, "owned_by": "sallyport-playground"})
}

async fn models(State(_): State<Arc<World>>, headers: HeaderMap) -> Response {
    if let Some(refusal) = wire::unauthorized(&headers) {
        return refusal;
    }
    Json(json!({"object": "list", "data": MODELS.map(described)})).into_response()
}

async fn model(headers: HeaderMap, Path(name): Path<String>) -> Response {
    if let Some(refusal) = wire::unauthorized(&headers) {
        return refusal;
    }
    if name == MISSING_MODEL {
        wire::no_such_model(&name)
    } else {
        Json(described(&name)).into_response()
    }
}

async fn unknown(Path(rest): Path<String>) -> Response {
    wire::error(
        404,
        &format!("Invalid URL (/v1/{rest})"),
        "invalid_request_error",
        None,
        None,
    )
}
