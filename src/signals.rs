//! Two signals, two meanings: the first asks for a soft stop, the second for a hard one. SIGQUIT as the first adds that a successor
//! serves already, so that leaving may take its time (nginx reads it the same way).

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the signals turn into.
#[derive(Debug, Clone)]
pub(crate) struct Stops {
    /// Accept nothing new, finish what runs.
    pub(crate) soft: CancellationToken,
    /// Leave now.
    pub(crate) hard: CancellationToken,
    /// Cancelled before `soft` when another process has taken over our doors.
    pub(crate) succeeded: CancellationToken,
}

/// SIGINT, SIGTERM and SIGQUIT, listened to from the moment this is made: a signal that comes while the start is still busy is not lost.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    stops: Stops,
}

impl Signals {
    /// Installs the handlers.
    pub(crate) fn install() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            stops: Stops {
                soft: CancellationToken::new(),
                hard: CancellationToken::new(),
                succeeded: CancellationToken::new(),
            },
        })
    }

    /// The tokens that the signals cancel.
    pub(crate) fn stops(&self) -> Stops {
        self.stops.clone()
    }

    /// Listens for signals while `work` serves and, after the soft stop, drains. `None` when a hard stop cut that off.
    pub(crate) async fn serve<T>(self, work: impl Future<Output = T>) -> Option<T> {
        let hard = self.stops.hard.clone();
        // A tracker of its own: it listens for the second signal while everything else is being waited for.
        let listening = TaskTracker::new().spawn(self.listen());
        let done = hard.run_until_cancelled(work).await;
        listening.abort();
        done
    }

    /// Turns signals into stops, until the hard one.
    pub(crate) async fn listen(mut self) {
        self.next().await;
        tracing::info!(name: "process.stopping", "Stopping; a second signal stops at once");
        self.stops.soft.cancel();
        self.next().await;
        tracing::warn!(name: "process.stopping_at_once", "Stopping at once");
        self.stops.hard.cancel();
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.quit.recv() => self.stops.succeeded.cancel(),
        }
    }
}
