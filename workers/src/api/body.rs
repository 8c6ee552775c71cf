//! Reads the body of a request: JSON of one shape, all mistakes told at once.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use validator::Validate;

use super::BODY_BYTES_MAX;
use super::problem::{FieldError, Problem};
use super::query::field_errors;

/// The body as a `T`.
pub(super) fn read<T: DeserializeOwned + Validate>(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<T, Problem> {
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(Problem::unsupported_type());
    }
    let body = body.map_err(|_| Problem::too_large(BODY_BYTES_MAX))?;
    let read: T = serde_json::from_slice(&body).map_err(|error| {
        Problem::invalid_body(vec![FieldError {
            pointer: String::new(),
            reason: error.to_string(),
        }])
    })?;
    read.validate()
        .map_err(|errors| Problem::invalid_body(field_errors(&errors, "/")))?;
    Ok(read)
}
