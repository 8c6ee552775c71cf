//! Somebody who watches beside a row, until nobody holds the watch any more.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Work that goes on until this is dropped or stopped.
pub(crate) struct Background(CancellationToken);

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Background {
    /// Begins. The work is dropped where it waits when it is to end.
    pub(crate) fn start(work: impl Future + Send + 'static) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        TaskTracker::new().spawn(async move { stopped.run_until_cancelled(work).await.is_some() });
        Self(stop)
    }

    /// Ends it before its time.
    pub(crate) fn stop(&self) {
        self.0.cancel();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }
}
