//! The way in: a message is accepted when it is on disk, and many share one commit (laws L1 and L2).
//!
//! The caller waits for its receipt while a committer gathers messages for about a millisecond and stores them with one
//! statement. Nobody's bytes can fail a neighbour: a batch that the database refuses is tried again one by one. While Postgres
//! is away, the disk of this edge takes the messages and a replay brings them back in order (law L3).

mod committer;
mod put;
mod record;
pub(crate) mod replay;
mod spooling;

use std::sync::Arc;
use std::time::Duration;

use sallyport_postgres::Pools;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::AcceptError;
use crate::events::IntakeEvents;
use crate::message::{Accepted, NewMessage};
use crate::settings::Settings;
use crate::unique::Uniques;
use crate::wake::Bell;

use self::committer::{Committer, Waiting};

pub(crate) use self::spooling::Spooling;

/// Takes messages in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    waiting: mpsc::Sender<Waiting>,
    limits: Arc<Limits>,
    uniques: Uniques,
}

#[derive(Debug)]
struct Limits {
    payload_bytes_max: usize,
    deadline: Duration,
    retry_after: Duration,
}

impl Intake {
    /// Starts the committer on `tasks`. It ends at `stop`, or when every intake is gone; what it had taken is answered.
    pub(crate) fn start(
        pools: Pools,
        settings: &Settings,
        spooling: Option<Arc<Spooling>>,
        bell: Bell,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let (waiting, incoming) = mpsc::channel(settings.accept_waiting_max);
        let limits = Limits {
            payload_bytes_max: settings.payload_bytes_max,
            deadline: Duration::from_millis(settings.accept_deadline_ms),
            retry_after: Duration::from_secs(settings.accept_retry_after_seconds),
        };
        let uniques = Uniques::new(pools.clone(), bell.clone(), limits.retry_after);
        tasks.spawn(
            Committer::new(pools, settings, spooling, bell, tasks.clone(), stop).run(incoming),
        );
        Self {
            waiting,
            limits: Arc::new(limits),
            uniques,
        }
    }

    /// Stores the message. When this returns `Ok`, the message is on disk; a delivery that had been accepted before is stored
    /// no second time and gets the first one's number and trace, now or when the spool is replayed.
    ///
    /// # Errors
    /// [`AcceptError::Unavailable`] when nothing durable takes it in time; the other variants blame the message.
    ///
    /// # Cancel safety
    /// A dropped call may still store the message; a repeat with the same delivery id finds out.
    pub async fn accept(&self, mut message: NewMessage) -> Result<Accepted, AcceptError> {
        let bytes = message.payload.len();
        if bytes > self.limits.payload_bytes_max {
            return Err(AcceptError::TooLarge {
                bytes,
                bytes_max: self.limits.payload_bytes_max,
            });
        }
        message.check()?;
        if message.unique.is_some() {
            return self
                .uniques
                .accept(&IntakeEvents::resolve(), &message)
                .await
                .map(Accepted::Stored);
        }
        if message.delivery_id.is_none() {
            message.delivery_id = Some(own_id());
        }
        let unavailable = AcceptError::Unavailable {
            retry_after: self.limits.retry_after,
        };
        let (answer, answered) = oneshot::channel();
        let came = tokio::time::Instant::now();
        let deadline = came + self.limits.deadline;
        if self
            .waiting
            .try_send(Waiting {
                message,
                came,
                deadline,
                answer,
            })
            .is_err()
        {
            return Err(unavailable);
        }
        match tokio::time::timeout_at(deadline, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(unavailable),
        }
    }
}

/// An id for a message whose source gives none. Nobody else has it, so it makes no message a repeat of another (law L2); but
/// a commit whose answer got lost, and a record that is replayed twice, can tell that it is the same one.
fn own_id() -> String {
    format!("~{:032x}", rand::random::<u128>())
}
