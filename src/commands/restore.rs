//! `sallyport restore`: a moment comes back, into an empty folder. It never touches a running server.

use std::process::ExitCode;

use sallyport_recovery::{Request, Target, restore};

use crate::backups;
use crate::cli::{Places, RestoreArguments};
use crate::commands::say;
use crate::places;

/// The private server's cluster below the data folder, as `scripts/postgres` makes it.
const PRIVATE_CLUSTER: &str = "postgres/cluster";

pub(crate) async fn run(places: &Places, arguments: &RestoreArguments) -> anyhow::Result<ExitCode> {
    let mut settings = places::settings_after_a_loss(places)?;
    if let Some(from) = &arguments.from {
        settings.stores.backup.directory.clone_from(from);
    }
    let into = arguments.into.clone();
    let request = Request {
        target: arguments.to.map_or(Target::Latest, Target::At),
        into: into.unwrap_or_else(|| places.data.join(PRIVATE_CLUSTER)),
        backup: arguments.backup.clone(),
        timeline: arguments.timeline,
        more_log: arguments.wal.clone(),
        settings_into: arguments.settings.clone(),
    };
    let restored = restore(&backups::place(&settings, places), &request).await?;
    let last = restored.last_transaction.map_or_else(
        || "the moment of the backup".to_owned(),
        |at| at.to_string(),
    );
    say(&format!(
        "Restored from {} up to {last} into {} in {:.1} s (timeline {}).",
        restored.backup,
        request.into.display(),
        restored.took.as_secs_f64(),
        restored.timeline
    ))?;
    if let Some(folder) = &request.settings_into {
        say(&format!(
            "Settings and secrets are in {}.",
            folder.display()
        ))?;
    }
    say(
        "Its workers will wait: look at what would be sent again, then run `sallyport queue resume --everything --why …`.",
    )?;
    Ok(ExitCode::SUCCESS)
}
