//! The thread that writes lines.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use super::queue::{LINES_MAX, Queue};
use crate::metrics::dropped;

/// A queue with a thread that writes what is put into it.
pub(super) struct Writer(Arc<Queue>);

impl Writer {
    /// Starts the thread. It lives until [`close`](Self::close).
    pub(super) fn start(mut to: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(LINES_MAX));
        let lines = Arc::clone(&queue);
        std::thread::Builder::new()
            .name("sallyport-logs".to_owned())
            .spawn(move || {
                while let Some(text) = lines.take() {
                    if to
                        .write_all(text.as_bytes())
                        .and_then(|()| to.flush())
                        .is_err()
                    {
                        dropped("logs", "write_failed", text.lines().count());
                    }
                }
            })?;
        Ok(Self(queue))
    }

    pub(super) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.0)
    }

    /// Ends the thread once everything queued is written, and waits for that at most so long.
    pub(super) fn close(&self, within: Duration) {
        let lost = self.0.close(within);
        dropped("logs", "shutdown", lost);
    }
}
