//! Levers: faults that only the house itself can cause, such as killing a worker or taking Postgres away.
//!
//! The playground offers them on its page under "Break something" without knowing what they do: the binary hands them in, because only the binary holds
//! the processes. A lever that was not handed in is not shown.

use std::time::Duration;

use futures::future::BoxFuture;

/// One thing the binary can break on request.
pub trait Lever: Send + Sync {
    /// The stable name used in `POST /_/faults` (`{"target": "house", "lever": "postgres_away"}`).
    fn name(&self) -> &'static str;

    /// The words on the page's button.
    fn label(&self) -> &'static str;

    /// Breaks the thing for about `lasting`, then mends it; returns once it is broken. Cancel safe: dropping the future mends nothing.
    fn pull(&self, lasting: Duration) -> BoxFuture<'_, Result<(), LeverError>>;
}

/// Why a lever could not be pulled.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct LeverError {
    /// One sentence for the person at the page.
    pub reason: String,
}
