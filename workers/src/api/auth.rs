//! Who may ask: whoever knows the operator's token.
//!
//! The token is compared in constant time. Without one configured nobody may, rather than everybody.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use sallyport_security::{Secret, constant_time_eq};

use super::problem::Problem;

/// Lets a request through that carries the operator's token.
pub(super) async fn require_operator(
    State(token): State<Arc<Secret>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if token.is_empty() {
        return Err(Problem::not_authenticated(
            "No operator token is configured (OPS_TOKEN), so nobody may ask.",
        ));
    }
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .map(|value| value.as_bytes());
    match header.map(bearer) {
        Some(Some(sent)) if constant_time_eq(sent, token.expose().as_bytes()) => {
            Ok(next.run(request).await)
        }
        Some(Some(_)) => Err(Problem::not_authenticated(
            "The bearer token is not the operator's.",
        )),
        Some(None) => Err(Problem::not_authenticated(
            "Authorization must be of the form: Bearer <token>.",
        )),
        None => Err(Problem::not_authenticated(
            "Send the operator's token as Authorization: Bearer <token>.",
        )),
    }
}

/// The token of a header; its scheme is written in any case.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(b"Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then_some(token.trim_ascii())
}
