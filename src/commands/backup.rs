//! `sallyport backup`: a backup now, the list of those that there are, or the receiving of the log.

use std::process::ExitCode;

use anyhow::Context;
use sallyport_recovery::{BackupError, Made, Manifest, Place, Shelf, backup, follow};

use crate::backups;
use crate::cli::{BackupArguments, Places};
use crate::commands::{complain, say};
use crate::ground;
use crate::places;
use crate::signals::Signals;

const MEGABYTE: u64 = 1_000_000;

pub(crate) async fn run(places: &Places, arguments: &BackupArguments) -> anyhow::Result<ExitCode> {
    let (settings, _) = places::settings(places)?;
    let place = backups::place(&settings, places);
    if arguments.list {
        if !place.settings.is_on() {
            return Err(BackupError::NotConfigured.into());
        }
        return list(&place);
    }
    if arguments.follow {
        let (_, _log) = ground::start_log(&settings)?;
        return Box::pin(receive(&place)).await;
    }
    let files = backups::keeper(places)().context("gathering settings and secrets")?;
    let made = backup(&place, &files).await?;
    tell(&made)?;
    Ok(ExitCode::SUCCESS)
}

fn tell(made: &Made) -> anyhow::Result<()> {
    let manifest = &made.manifest;
    say(&line(manifest))?;
    if !manifest.archived {
        complain(
            "The log is not archived: only the moment of this backup can be restored. docs/recovery.md says how to archive it.",
        );
    }
    if !manifest.has_settings() {
        complain("SALLYPORT_BACKUP_PASSWORD is not set: settings and secrets were not kept.");
    }
    if manifest.counts.is_empty() {
        complain("The rows could not be counted, so a drill has nothing to compare them with.");
    }
    if !made.expired.is_empty() {
        say(&format!(
            "Removed: {} and {} segments of the log",
            made.expired.join(", "),
            made.segments_removed
        ))?;
    }
    Ok(())
}

fn line(manifest: &Manifest) -> String {
    let rows: i64 = manifest.counts.values().sum();
    format!(
        "{}: restorable from {}, {}.{} MB, {} rows in {} tables, {} ms",
        manifest.id,
        manifest.ended_at,
        manifest.bytes / MEGABYTE,
        manifest.bytes % MEGABYTE / (MEGABYTE / 10),
        rows,
        manifest.counts.len(),
        manifest.took_ms
    )
}

fn list(place: &Place) -> anyhow::Result<ExitCode> {
    let mut outcome = ExitCode::SUCCESS;
    for (id, manifest) in Shelf::at(&place.settings.directory).list()? {
        match manifest {
            Ok(manifest) => say(&line(&manifest))?,
            Err(error) => outcome = complain(&format!("{id}: {error}")),
        }
    }
    Ok(outcome)
}

/// Receives until a signal. Nothing is lost in between: the server keeps what was not received.
async fn receive(place: &Place) -> anyhow::Result<ExitCode> {
    let signals = Signals::install()?;
    let soft = signals.stops().soft;
    let work = async { soft.run_until_cancelled(follow(place)).await };
    match signals.serve(Box::pin(work)).await.flatten() {
        Some(ended) => ended.map(|()| ExitCode::SUCCESS).map_err(Into::into),
        None => Ok(ExitCode::SUCCESS),
    }
}
