//! Patience at the start: who needs Postgres waits for it instead of giving up.
//!
//! It exists because a machine starts its services in any order, and a supervisor that restarts what has ended would only add noise to
//! an outage. What waiting cannot mend (a wrong password, missing tables, an address that cannot be read) still ends the process at
//! once with its sentence. Health tells meanwhile that Postgres is away; that is for `ground`.

use std::fmt;
use std::time::Duration;

use sallyport_postgres::may_pass;
use tokio_util::sync::CancellationToken;

/// The first pause between two tries; it doubles up to the last.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(2);

/// The process was told to stop while it waited: an end like any other.
#[derive(Debug)]
pub(crate) struct StoppedWaiting;

impl fmt::Display for StoppedWaiting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("told to stop before Postgres was there")
    }
}

impl std::error::Error for StoppedWaiting {}

/// Tries again while the fault is one that passes.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    stop: CancellationToken,
}

impl Patience {
    /// Until `stop`.
    pub(crate) fn until(stop: CancellationToken) -> Self {
        Self { stop }
    }

    /// Does `step` until it is done, or fails in a way that no waiting mends.
    ///
    /// # Errors
    /// That failure, or [`StoppedWaiting`].
    pub(crate) async fn insist<T>(
        &self,
        step: impl AsyncFn() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut again_after = AGAIN_AFTER;
        loop {
            let tried = self.stop.run_until_cancelled(step());
            let Some(tried) = tried.await else {
                return Err(StoppedWaiting.into());
            };
            match tried {
                Err(error) if may_pass(error.as_ref()) => {
                    tracing::warn!(name: "process.waits_for_postgres", { error = format!("{error:#}"), again_ms = again_after.as_millis() as u64 }, "Postgres is away; the start waits for it");
                }
                done => return done,
            }
            let pause = tokio::time::sleep(again_after);
            if self.stop.run_until_cancelled(pause).await.is_none() {
                return Err(StoppedWaiting.into());
            }
            again_after = (again_after * 2).min(AGAIN_AFTER_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use anyhow::anyhow;
    use sallyport_postgres::{PoolError, PoolName};

    use super::*;

    fn busy() -> anyhow::Error {
        PoolError::Busy {
            pool: PoolName::Read,
        }
        .into()
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_waited_for_and_what_does_not_ends_the_start() {
        let tries = AtomicUsize::new(0);
        let patience = Patience::until(CancellationToken::new());

        let done: anyhow::Result<usize> = patience
            .insist(async || match tries.fetch_add(1, Ordering::Relaxed) {
                0..5 => Err(busy().context("opening the queue")),
                _ => Ok(7),
            })
            .await;
        assert_eq!(done.unwrap(), 7);

        let failed: anyhow::Result<()> = patience
            .insist(async || Err(anyhow!("the tables of the queue are missing")))
            .await;
        assert!(failed.unwrap_err().to_string().contains("missing"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_only_slow_is_waited_for() {
        let tries = AtomicUsize::new(0);
        let patience = Patience::until(CancellationToken::new());

        let done = patience
            .insist(async || {
                if tries.fetch_add(1, Ordering::Relaxed) == 3 {
                    return Ok(());
                }
                let late = tokio::time::timeout(Duration::ZERO, std::future::pending::<()>());
                Err(anyhow::Error::from(late.await.unwrap_err()).context("the first heartbeat"))
            })
            .await;

        assert!(done.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_wait() {
        let stop = CancellationToken::new();
        let patience = Patience::until(stop.clone());

        let waiting = patience.insist(async || -> anyhow::Result<()> {
            stop.cancel();
            Err(busy())
        });

        assert!(waiting.await.unwrap_err().is::<StoppedWaiting>());
    }
}
