//! `sallyport replay CODE…`: puts dead letters back into the queue, by support code, trace id or message id.

use std::process::ExitCode;

use sallyport_queue::MessageId;
use sallyport_workers::story::Reference;

use crate::cli::{Places, ReplayArguments};
use crate::commands::{complain, say};
use crate::places;
use crate::stories::Stories;

pub(crate) async fn run(places: &Places, arguments: &ReplayArguments) -> anyhow::Result<ExitCode> {
    let (settings, _) = places::settings(places)?;
    let stories = Stories::open(&settings).await?;
    let mut outcome = ExitCode::SUCCESS;
    for reference in &arguments.references {
        match replay(&stories, reference).await {
            Ok(count) => say(&format!("{reference}: {count} put back"))?,
            Err(error) => outcome = complain(&format!("{reference}: {error:#}")),
        }
    }
    stories.close().await;
    Ok(outcome)
}

/// Puts back what a reference names. Returns how many messages that were.
async fn replay(stories: &Stories, reference: &str) -> anyhow::Result<usize> {
    let dead = match reference.parse::<i64>() {
        Ok(id) => vec![MessageId(id)],
        Err(_) => {
            let story = stories.tell(reference.parse::<Reference>()?).await?;
            story.map_or_else(Vec::new, |story| story.dead_messages())
        }
    };
    let replayed = stories.queue.dead_letters().replay(&dead).await?;
    anyhow::ensure!(
        !replayed.is_empty(),
        "no dead letter there, or it was put back already"
    );
    Ok(replayed.len())
}
