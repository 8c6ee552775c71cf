//! Stories with a real Redis: the shared one of the tests, or one of a story's own that is killed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a story that cannot go on has failed"
)]

mod away;
mod channel;
mod limits;
mod live;

use std::time::{Duration, Instant};

/// Waits for what must become true, a bounded time; the condition is asked again and again.
pub(crate) async fn wait_until<F: Future<Output = bool>>(
    what: &str,
    within: Duration,
    mut condition: impl FnMut() -> F,
) {
    let began = Instant::now();
    while !condition().await {
        assert!(
            began.elapsed() < within,
            "{what} did not become true in {within:?}"
        );
        tokio::task::yield_now().await;
    }
}
