//! `sallyport replay CODE…`: puts dead letters back into the queue, by support code, trace id or message id.

use std::process::ExitCode;

use anyhow::{Context, bail};
use sallyport_postgres::{Pools, ProcessRole};
use sallyport_queue::{DeadLetters, MessageId, Queue};
use sallyport_recorder::Recorder;
use sallyport_workers::story::{Reference, StoryTeller, Told};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::{Places, ReplayArguments};
use crate::commands::{complain, say};
use crate::places;

pub(crate) async fn run(places: &Places, arguments: &ReplayArguments) -> anyhow::Result<ExitCode> {
    let (settings, _) = places::settings(places)?;
    let pools = Pools::open(&settings.stores.postgres, ProcessRole::Workers)
        .context("preparing the connections to Postgres")?;
    let queue = Queue::open(pools.clone(), settings.stores.queue.clone())
        .await
        .context("opening the queue")?;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let recorder = Recorder::start(&pools, &settings.monitoring.traces.recorder, &tasks, &stop);
    let teller = StoryTeller::new(queue.inspect(), recorder);
    let letters = queue.dead_letters();
    let mut outcome = ExitCode::SUCCESS;
    for reference in &arguments.references {
        match replay(&letters, &teller, reference).await {
            Ok(count) => say(&format!("{reference}: {count} put back"))?,
            Err(error) => outcome = complain(&format!("{reference}: {error:#}")),
        }
    }
    stop.cancel();
    queue.close().await;
    Ok(outcome)
}

/// Puts back what a reference names. Returns how many messages that were.
async fn replay(
    letters: &DeadLetters,
    teller: &StoryTeller,
    reference: &str,
) -> anyhow::Result<usize> {
    let dead = match reference.parse::<i64>() {
        Ok(id) => vec![MessageId(id)],
        Err(_) => dead_of(teller, reference.parse::<Reference>()?).await?,
    };
    let replayed = letters.replay(&dead).await?;
    anyhow::ensure!(
        !replayed.is_empty(),
        "no dead letter there, or it was put back already"
    );
    Ok(replayed.len())
}

async fn dead_of(teller: &StoryTeller, reference: Reference) -> anyhow::Result<Vec<MessageId>> {
    match teller.tell(reference).await? {
        Told::Story(story) => Ok(story.dead_messages()),
        Told::Several(traces) => {
            let traces: Vec<String> = traces.iter().map(ToString::to_string).collect();
            bail!(
                "several traces share this code; name one: {}",
                traces.join(", ")
            )
        }
        Told::Nothing => Ok(Vec::new()),
    }
}
