//! The pool: owns a share of the partitions, claims their messages, runs their handlers, settles what they came to.
//!
//! It exists so that a handler's author thinks of one message at a time: order per key, retries, deadlines, panics,
//! stopping, traces and metrics are dealt with here, by laws L4–L14. It knows no kind of message by name; the
//! composition hands it one [`Handler`] per kind. Which message runs next is `queue::mailboxes`', what a row looks like
//! is the store's.
//!
//! One task, the driver, keeps all the books, so nothing here is locked. Handlers, claims and settlements are tasks
//! beside it that report to it.

mod attempt;
mod driver;
mod events;
mod handler;
mod kinds;
mod meters;
mod partitions;
mod run;
mod settings;
mod tale;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_queue::Queue;
use sallyport_queue::membership::Membership;
use sallyport_telemetry::trace::{KeepPolicy, SpanSink};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use driver::{Command, Driver, House};
pub use handler::{Handled, Handler, Handlers, KindPolicy, KindTaken, Limits};
pub use run::Run;
pub use settings::PoolSettings;

/// The pool's entrance.
#[derive(Debug)]
pub struct Pool;

/// A pool that gives no sign of life to its membership for so long does not work any more, and others should. It gives several
/// in this time, also when there is nothing to do and when Postgres is away.
pub const SILENCE_MAX: Duration = Duration::from_secs(20);

/// How many orders may wait for the driver; they are rare.
const COMMANDS_MAX: usize = 16;

impl Pool {
    /// Starts to work: from now on messages of the partitions that `membership` gains are claimed and handled.
    #[must_use]
    pub fn start(
        queue: &Queue,
        membership: Arc<Membership>,
        handlers: &Handlers,
        settings: &PoolSettings,
        sinks: Arc<dyn SpanSink>,
        keep: KeepPolicy,
    ) -> PoolHandle {
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let house = House {
            store: queue.store(membership.me()),
            membership: Arc::clone(&membership),
            kinds: kinds::Kinds::of(handlers),
            meters: meters::Meters::new(settings.slots.get()),
            tale: tale::Teller::new(sinks, keep),
            settings: settings.clone(),
            progress: Arc::default(),
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        let (commands, orders) = mpsc::channel(COMMANDS_MAX);
        let driver = Driver::new(Arc::new(house), queue.wakeups(), queue.orders(), orders);
        tasks.spawn(driver.run());
        tasks.close();
        PoolHandle {
            commands,
            tasks,
            stop,
            membership,
        }
    }
}

/// A running pool. Dropping it lets the pool run on; only [`PoolHandle::drain`] ends it.
#[derive(Debug)]
pub struct PoolHandle {
    commands: mpsc::Sender<Command>,
    tasks: TaskTracker,
    stop: CancellationToken,
    membership: Arc<Membership>,
}

impl PoolHandle {
    /// Starts nothing new until [`PoolHandle::resume`]; what runs goes on.
    pub async fn pause(&self) {
        self.order(Command::Pause).await;
    }

    /// Ends a pause.
    pub async fn resume(&self) {
        self.order(Command::Resume).await;
    }

    /// Stops in order: nothing new is begun, what runs may end until `deadline` from now, the rest is cut off and given
    /// back uncounted. Then the leases are released and the heartbeat is stopped. A second call waits for the first.
    ///
    /// The store may need some seconds beyond the deadline; when it does not answer, the leases expire by themselves.
    pub async fn drain(&self, deadline: Duration) {
        let (done, drained) = oneshot::channel();
        let until = Instant::now() + deadline;
        self.membership.leave().await;
        self.order(Command::Drain { until, done }).await;
        let patience = deadline + driver::LAST_WORDS;
        if tokio::time::timeout(patience, drained).await.is_err() {
            events::drain_given_up();
        }
        self.stop.cancel();
        if tokio::time::timeout(driver::LAST_WORDS, self.tasks.wait())
            .await
            .is_err()
        {
            events::drain_given_up();
        }
        self.membership.stop().await;
    }

    /// What a `kill -9` does to a worker, for trying it out: what runs is dropped unsettled, no lease is released, the
    /// heartbeat falls silent. Another worker takes over when the lease is out, and counts what was begun (law L5).
    pub async fn kill(&self) {
        self.stop.cancel();
        self.membership.fall_silent().await;
        self.tasks.wait().await;
    }

    async fn order(&self, command: Command) {
        // A driver that is gone has nothing to pause and nothing to drain.
        self.commands.send(command).await.ok();
    }
}

#[cfg(test)]
mod tests;
