//! The process's health, for those who ask from outside: may it be sent work, and, with a token, everything.
//!
//! It exists because balancers and people reach the edge and not the admin port. What is healthy is decided in
//! [`sallyport_telemetry::health`]; here it only gets its status and its body.

use http::StatusCode;
use sallyport_telemetry::Health;
use serde_json::json;

use crate::answer::Answer;
use crate::settings::HealthPage;

/// A page for everybody.
pub(crate) fn page(page: HealthPage, health: &Health) -> Answer {
    match page {
        HealthPage::Live => verdict(health.live(), "live", "stuck"),
        HealthPage::Ready => verdict(health.ready(), "ready", "not_ready"),
        HealthPage::Status => status(health),
    }
}

/// The page for those who hold a token.
pub(crate) fn status(health: &Health) -> Answer {
    let body = serde_json::to_vec(&health.status()).unwrap_or_default();
    Answer::json(code(health.ready()), body)
}

fn verdict(good: bool, yes: &str, no: &str) -> Answer {
    let word = if good { yes } else { no };
    Answer::json(code(good), json!({ "status": word }).to_string())
}

fn code(good: bool) -> StatusCode {
    if good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}
