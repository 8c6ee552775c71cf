//! Who may knock at the page and at the control door: this machine's own browser and scripts, nobody's web page.
//!
//! A page elsewhere could make a visitor's browser post to 127.0.0.1 (and, by DNS rebinding, read the answers). So a foreign `Host` or `Origin` is refused,
//! changes need `Content-Type: application/json`, which such a page cannot send unasked, and every answer carries strict headers.

use std::sync::Arc;

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{FromRequest, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};
use validator::{Validate, ValidationErrors};

use crate::world::World;

/// A control request's body: an update's text and some fields.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// What every answer of the page and the control door carries.
const HEADERS: [(HeaderName, &str); 9] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "deny"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-embedder-policy"),
        "require-corp",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// Refuses strangers before anything is read, and adds the headers.
pub(crate) async fn guard(
    State(world): State<Arc<World>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match refusal(&world, request.method(), request.uri(), request.headers()) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refusal(world: &World, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Problem> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = uri.host().or_else(|| text(header::HOST).map(without_port));
    if !host.is_some_and(|host| is_ours(world, host)) {
        return Some(Problem::new(
            403,
            "Foreign host",
            "open the playground under 127.0.0.1 or localhost",
        ));
    }
    let origin = text(header::ORIGIN).map(|origin| {
        let host = origin.split_once("://").map(|(_, host)| without_port(host));
        host.is_some_and(|host| is_ours(world, host))
    });
    let cross_site =
        text(HeaderName::from_static("sec-fetch-site")).is_some_and(|site| site == "cross-site");
    if origin == Some(false) || (cross_site && method != Method::GET) {
        return Some(Problem::new(
            403,
            "Foreign origin",
            "only the playground's own page may ask this",
        ));
    }
    None
}

/// The host of `host:port` and `[v6]:port`.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn is_ours(world: &World, host: &str) -> bool {
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
        || world
            .settings
            .allowed_hosts
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(host))
}

/// An error of the control door: RFC 9457, with a pointer to each wrong field.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

#[derive(Debug, Serialize)]
struct FieldError {
    pointer: String,
    reason: String,
}

impl Problem {
    pub(crate) fn new(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            r#type: "about:blank",
            title,
            status,
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// 400 for one field.
    pub(crate) fn field(name: &str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let mut problem = Self::new(400, "The request is not valid", format!("{name} {reason}"));
        problem.errors.push(FieldError {
            pointer: format!("/{}", name.replace('.', "/")),
            reason,
        });
        problem
    }

    fn invalid(errors: &ValidationErrors) -> Self {
        let mut problem = Self::new(400, "The request is not valid", "");
        for (field, errors) in errors.field_errors() {
            let field = if field == "__all__" { "" } else { &*field };
            for error in errors {
                let reason = error.message.as_deref().unwrap_or(&error.code).to_owned();
                let pointer = if field.is_empty() {
                    String::new()
                } else {
                    format!("/{field}")
                };
                problem.errors.push(FieldError { pointer, reason });
            }
        }
        let sentence = |error: &FieldError| {
            format!("{} {}", error.pointer.trim_start_matches('/'), error.reason)
        };
        problem.detail = problem
            .errors
            .iter()
            .map(sentence)
            .collect::<Vec<_>>()
            .join("; ")
            .trim()
            .to_owned();
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

/// Reads a whole body, but never more than `bytes_max`; `None` when it is larger or breaks off.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the crate's bounded reader; its callers name their limits"
)]
pub(crate) async fn read_body(body: Body, bytes_max: usize) -> Option<Bytes> {
    axum::body::to_bytes(body, bytes_max).await.ok()
}

/// A JSON body that was read and found valid; every refusal names the field.
pub(crate) struct Checked<T>(pub(crate) T);

impl<T: DeserializeOwned + Validate, S: Send + Sync> FromRequest<S> for Checked<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        if !kind
            .split(';')
            .next()
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        {
            return Err(Problem::new(
                415,
                "Unsupported type",
                "send Content-Type: application/json",
            ));
        }
        let body = read_body(request.into_body(), BODY_BYTES_MAX).await;
        let body = body.ok_or_else(|| {
            Problem::new(413, "Too large", format!("at most {BODY_BYTES_MAX} bytes"))
        })?;
        let mut json = serde_json::Deserializer::from_slice(&body);
        let value: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let reason = error.inner().to_string();
            if path == "." {
                Problem::new(400, "The request is not valid", reason)
            } else {
                Problem::field(&path, reason)
            }
        })?;
        value
            .validate()
            .map_err(|errors| Problem::invalid(&errors))?;
        Ok(Self(value))
    }
}
