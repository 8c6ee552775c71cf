//! Receiving the log of a server whose `archive_command` is not ours to set: `pg_receivewal` over a replication slot.
//!
//! The slot makes the server keep what we have not received yet, so no gap can arise; a house that stops following for good
//! must drop the slot, or the server's disk fills (`max_slot_wal_keep_size` bounds that). Finished segments move into the
//! archive; the unfinished one stays in `stream/`, where a restore finds it, so that seconds are lost at most.

use std::time::Duration;

use crate::cluster;
use crate::disk;
use crate::error::Trouble;
use crate::programs::{self, Programs, tail};
use crate::session::{self, Session};
use crate::settings::Place;
use crate::shelf::Shelf;
use crate::wal::Segment;

/// The name of the slot on the server.
const SLOT: &str = "sallyport_backup";
const SLOT_DEADLINE: Duration = Duration::from_secs(30);
/// How often finished segments are moved into the archive.
const MOVE_EVERY: Duration = Duration::from_secs(1);

/// Why the log is not received any more.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// See there.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// Nobody said where to.
    #[error(
        "no folder for backups is configured: set backup.directory in stores.yaml, or SALLYPORT_BACKUP_DIRECTORY"
    )]
    NotConfigured,
}

/// Receives until the server goes away or the future is dropped, which loses nothing: the slot remembers.
///
/// # Errors
/// The login may not replicate, the slot is in use by another follower, the server went away.
pub async fn follow(place: &Place) -> Result<(), FollowError> {
    if !place.settings.is_on() {
        return Err(FollowError::NotConfigured);
    }
    let shelf = Shelf::at(&place.settings.directory);
    let session = Session::open(&place.url).await?;
    let server = cluster::look(&session.client).await?;
    drop(session);
    let programs = Programs::find(&place.programs, server.major()).await?;
    disk::make_folder(shelf.root(), 0o711).map_err(Trouble::from)?;
    for folder in [shelf.stream(), shelf.archive().root().to_owned()] {
        disk::make_folder(&folder, 0o711).map_err(Trouble::from)?;
    }
    let mut slot = programs.command("pg_receivewal");
    slot.args(["--create-slot", "--if-not-exists", "--no-password"])
        .arg(format!("--slot={SLOT}"));
    session::hand_over(&place.url, &mut slot)?;
    programs::succeed(slot, "pg_receivewal --create-slot", SLOT_DEADLINE).await?;

    let mut receiver = programs.command("pg_receivewal");
    receiver
        .arg("--directory")
        .arg(shelf.stream())
        .args(["--synchronous", "--no-loop", "--no-password"])
        .arg(format!("--slot={SLOT}"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped());
    session::hand_over(&place.url, &mut receiver)?;
    let receiver = receiver.spawn().map_err(|source| Trouble::Start {
        program: "pg_receivewal".to_owned(),
        source,
    })?;
    let ended = tokio::select! {
        output = receiver.wait_with_output() => output,
        moved = keep_moving(&shelf, server.segment_bytes) => return Ok(moved?),
    };
    let said = ended.map_or_else(
        |error| error.to_string(),
        |output| tail(&String::from_utf8_lossy(&output.stderr)),
    );
    Err(Trouble::Program {
        program: "pg_receivewal".to_owned(),
        said,
    }
    .into())
}

async fn keep_moving(shelf: &Shelf, segment_bytes: u64) -> Result<(), Trouble> {
    let mut turns = tokio::time::interval(MOVE_EVERY);
    loop {
        turns.tick().await;
        let (shelf, work) = (shelf.clone(), segment_bytes);
        tokio::task::spawn_blocking(move || move_finished(&shelf, work))
            .await
            .map_err(|_| Trouble::Bug("moving segments was cut off"))??;
    }
}

/// Moves finished segments and histories into the archive: archived first, removed afterwards.
fn move_finished(shelf: &Shelf, segment_bytes: u64) -> Result<(), Trouble> {
    for (name, _) in disk::entries(&shelf.stream())? {
        let file = shelf.stream().join(&name);
        let is_segment = Segment::parse(&name, segment_bytes).is_some();
        if is_segment || name.ends_with(".history") {
            shelf.archive().add(&name, &file)?;
        }
        if is_segment {
            disk::remove_file(&file)?;
        }
    }
    Ok(())
}
