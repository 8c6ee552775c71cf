//! The shapes of the OpenAI-compatible wire: requests as far as they are read, errors as the real server words them.

use axum::{
    Json,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// A request for a completion. What is not here is accepted and ignored.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    pub(super) model: Option<String>,
    pub(super) messages: Option<Vec<Message>>,
    #[serde(default)]
    pub(super) stream: bool,
    pub(super) stream_options: Option<StreamOptions>,
    pub(super) max_tokens: Option<u32>,
    pub(super) max_completion_tokens: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StreamOptions {
    #[serde(default)]
    pub(super) include_usage: bool,
}

/// One turn of the conversation; content is text or a list of parts.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) role: String,
    #[serde(default)]
    pub(super) content: Value,
}

impl Message {
    /// The text of a turn, its parts joined.
    pub(super) fn text(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => parts
                .iter()
                .filter_map(|part| part.get("text")?.as_str())
                .collect::<Vec<_>>()
                .join(" "),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
        }
    }
}

/// An error in the provider's shape.
pub(super) fn error(
    status: u16,
    message: &str,
    kind: &str,
    param: Option<&str>,
    code: Option<&str>,
) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({"error": {"message": message, "type": kind, "param": param, "code": code}});
    (status, Json(body)).into_response()
}

pub(super) fn invalid(message: &str, param: &str) -> Response {
    error(400, message, "invalid_request_error", Some(param), None)
}

pub(super) fn no_such_model(name: &str) -> Response {
    let message = format!("The model `{name}` does not exist or you do not have access to it.");
    error(
        404,
        &message,
        "invalid_request_error",
        None,
        Some("model_not_found"),
    )
}

/// The refusal of a request that brings no key at all; any key will do.
pub(super) fn unauthorized(headers: &HeaderMap) -> Option<Response> {
    if headers.contains_key(header::AUTHORIZATION) {
        return None;
    }
    let message = "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth.";
    Some(error(
        401,
        message,
        "invalid_request_error",
        None,
        Some("invalid_api_key"),
    ))
}

/// The refusal that a fault asked for.
pub(super) fn of_status(
    status: u16,
    description: Option<&str>,
    retry_after: Option<u32>,
) -> Response {
    let (message, kind, code) = match status {
        401 => (
            "Incorrect API key provided.",
            "invalid_request_error",
            Some("invalid_api_key"),
        ),
        429 => (
            "Rate limit reached for requests.",
            "requests",
            Some("rate_limit_exceeded"),
        ),
        400..=499 => (
            "The request was refused on purpose.",
            "invalid_request_error",
            None,
        ),
        _ => (
            "The server had an error while processing your request. Sorry about that!",
            "server_error",
            None,
        ),
    };
    let mut response = error(status, description.unwrap_or(message), kind, None, code);
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
