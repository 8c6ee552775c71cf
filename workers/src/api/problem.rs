//! Every failure of the API as `application/problem+json`, in one place.
//!
//! Handlers return a [`Problem`]; [`render`] writes it out with the trace of the request, which the edge hands on as
//! `traceparent`. The names in `type` are those of the edge's pages. What a caller cannot act on is told without
//! particulars and logged once, here.

use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sallyport_telemetry::Chain;
use sallyport_telemetry::trace::SpanContext;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::schema::{SupportCodeText, TraceIdText};

/// What a caller is told instead of an answer.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    name: &'static str,
    title: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
}

/// What is wrong with one field of the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct FieldError {
    /// Which: `?over` for a parameter of the query, `/ids/0` for a place in the body.
    pub(super) pointer: String,
    /// Why.
    pub(super) reason: String,
}

/// What is written instead of an answer.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Body<'a> {
    /// A page about problems of its kind, below `/problems/`.
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[schema(value_type = Option<TraceIdText>)]
    trace_id: Option<String>,
    #[schema(value_type = Option<SupportCodeText>)]
    code: Option<String>,
    errors: &'a [FieldError],
    /// When to come back, in seconds.
    retry_after: Option<u64>,
}

/// What any path may answer instead.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "named by the document alone")]
pub(super) enum Always {
    /// The operator's token is missing or another one
    #[response(
        status = 401,
        content_type = "application/problem+json",
        headers(("WWW-Authenticate" = String, description = "`Bearer`")),
    )]
    NotAuthenticated(Body<'static>),
    /// The store could not be reached in time, or too many requests are being answered
    #[response(
        status = 503,
        content_type = "application/problem+json",
        headers(("Retry-After" = u64, description = "When to come back, in seconds")),
    )]
    Unavailable(Body<'static>),
    /// There was no answer in time
    #[response(
        status = 504,
        content_type = "application/problem+json",
        headers(("Retry-After" = u64, description = "When to come back, in seconds")),
    )]
    TooSlow(Body<'static>),
}

/// What is answered to a wrong query.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "named by the document alone")]
pub(super) enum InvalidQuery {
    /// Parameters of the query are not what they should be
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Body<'static>),
}

/// What is answered to a wrong body.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "named by the document alone")]
pub(super) enum InvalidBody {
    /// The body is not what this path takes
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Body<'static>),
    /// The body is larger than 65536 bytes
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Body<'static>),
    /// The body is not said to be `application/json`
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedType(Body<'static>),
}

/// What is answered when there is nothing of that name.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "named by the document alone")]
pub(super) enum NotFound {
    /// Nothing is known of it: there was none, or it is older than what is kept
    #[response(status = 404, content_type = "application/problem+json")]
    Nothing(Body<'static>),
}

/// What is answered when it cannot be done as things stand.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "named by the document alone")]
pub(super) enum Conflict {
    /// Not as things stand; `detail` says why
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Body<'static>),
}

impl Problem {
    fn new(
        status: StatusCode,
        name: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            name,
            title,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    pub(super) fn not_authenticated(detail: &str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "not-authenticated",
            "Not authenticated",
            detail,
        )
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    pub(super) fn invalid_query(errors: Vec<FieldError>) -> Self {
        let detail = "Parameters of the query are not what they should be; see errors.";
        Self {
            errors,
            ..Self::new(
                StatusCode::BAD_REQUEST,
                "invalid-query",
                "Invalid query",
                detail,
            )
        }
    }

    pub(super) fn invalid_body(errors: Vec<FieldError>) -> Self {
        let detail = "The body is not what this path takes; see errors.";
        Self {
            errors,
            ..Self::new(
                StatusCode::BAD_REQUEST,
                "invalid-body",
                "Invalid body",
                detail,
            )
        }
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "conflict",
            "Not as things stand",
            detail,
        )
    }

    pub(super) fn unsupported_type() -> Self {
        let detail = "Send the body as application/json.";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-type",
            "Unsupported media type",
            detail,
        )
    }

    pub(super) fn too_large(bytes_max: usize) -> Self {
        let detail = format!("The body may have at most {bytes_max} bytes.");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            "Body too large",
            detail,
        )
    }

    pub(super) fn unavailable(detail: &str, retry_after: Duration) -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Temporarily unavailable",
            detail,
        );
        Self {
            retry_after: Some(retry_after),
            ..problem
        }
    }

    pub(super) fn too_slow(deadline: Duration) -> Self {
        let detail = format!("There was no answer within {} ms.", deadline.as_millis());
        let problem = Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "unavailable",
            "Temporarily unavailable",
            detail,
        );
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..problem
        }
    }

    /// What could not be read or written: the caller comes back, the log keeps why.
    pub(super) fn store(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::warn!(name: "api.store_failed", { error = %Chain(error) }, "The API could not reach the store");
        Self::unavailable(
            "The store could not be reached in time.",
            Duration::from_secs(2),
        )
    }

    fn write(&self, trace: Option<SpanContext>) -> Response {
        let seconds = self.retry_after.map(|wait| wait.as_secs().max(1));
        let body = Body {
            r#type: format!("/problems/{}", self.name),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            trace_id: trace.map(|trace| trace.trace_id.to_string()),
            code: trace.map(|trace| trace.trace_id.support_code().to_string()),
            errors: &self.errors,
            retry_after: seconds,
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Problem {
    /// A bare status that carries the problem to [`render`].
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes out the problem that an answer carries, if any. Nothing of the API may be kept by a cache.
pub(super) async fn render(request: Request, next: Next) -> Response {
    let trace = request
        .headers()
        .get("traceparent")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| SpanContext::parse(value).ok());
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let allow = response.headers_mut().remove(ALLOW);
        response = problem.write(trace);
        response
            .headers_mut()
            .extend(allow.map(|methods| (ALLOW, methods)));
    }
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) async fn not_found() -> Problem {
    Problem::not_found("Nothing lives at this path.")
}

pub(super) async fn method_not_allowed() -> Problem {
    let detail = "The Allow field lists the methods that this path takes.";
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "Method not allowed",
        detail,
    )
}
