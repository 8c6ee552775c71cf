//! How many requests run at once, and for how long each.
//!
//! It exists because every look at the queue takes a database connection: a page that polls too eagerly must not take
//! them from the workers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Semaphore;

use super::Settings;
use super::problem::Problem;

/// When to come back after having been refused; one second is what a page waits anyway.
const COME_BACK: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct Limits {
    places: Arc<Semaphore>,
    deadline: Duration,
}

impl Limits {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            places: Arc::new(Semaphore::new(settings.concurrent_max)),
            deadline: Duration::from_millis(settings.request_ms),
        }
    }
}

/// Runs a request if there is a place for it, and drops it at its deadline.
pub(super) async fn bound(
    State(limits): State<Limits>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Ok(_place) = limits.places.try_acquire() else {
        return Err(Problem::unavailable(
            "Too many requests are being answered.",
            COME_BACK,
        ));
    };
    tokio::time::timeout(limits.deadline, next.run(request))
        .await
        .map_err(|_| Problem::too_slow(limits.deadline))
}
