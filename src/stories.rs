//! The stories of traces, for subcommands that run beside the processes that made them.

use anyhow::{Context, bail};
use sallyport_postgres::{Pools, ProcessRole};
use sallyport_queue::Queue;
use sallyport_recorder::Recorder;
use sallyport_workers::story::{Reference, Story, StoryTeller, Told};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::settings::Settings;

/// The queue and what was recorded about it.
pub(crate) struct Stories {
    pub(crate) queue: Queue,
    teller: StoryTeller,
    stop: CancellationToken,
}

impl Stories {
    pub(crate) async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let pools = Pools::open(&settings.stores.postgres, ProcessRole::Workers)
            .context("preparing the connections to Postgres")?;
        let queue = Queue::open(pools.clone(), settings.stores.queue.clone())
            .await
            .context("opening the queue")?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let recorder = Recorder::start(&pools, &settings.monitoring.traces.recorder, &tasks, &stop);
        let teller = StoryTeller::new(queue.inspect(), recorder);
        Ok(Self {
            queue,
            teller,
            stop,
        })
    }

    /// The one story that is meant; `None` when nothing was kept about it.
    ///
    /// # Errors
    /// It cannot be told, or several traces share the code.
    pub(crate) async fn tell(&self, reference: Reference) -> anyhow::Result<Option<Box<Story>>> {
        match self.teller.tell(reference).await? {
            Told::Story(story) => Ok(Some(story)),
            Told::Several(traces) => {
                let traces: Vec<String> = traces.iter().map(ToString::to_string).collect();
                bail!(
                    "several traces share this code; name one: {}",
                    traces.join(", ")
                )
            }
            Told::Nothing => Ok(None),
        }
    }

    pub(crate) async fn close(self) {
        self.stop.cancel();
        self.queue.close().await;
    }
}
