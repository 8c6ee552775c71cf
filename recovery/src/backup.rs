//! Making a backup: a physical copy, the settings beside it, the counts of its restore point, and last of all the manifest.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sallyport_postgres::DatabaseUrl;
use sallyport_telemetry::Event;

use crate::archive::Archive;
use crate::cluster;
use crate::counts::{self, Counts};
use crate::disk;
use crate::error::Trouble;
use crate::events::{CountsMissing, MadeBackup, Meters, Pruned};
use crate::kept::{self, KeptFile};
use crate::manifest::{self, DATA, FORMAT, MANIFEST, Manifest, Server};
use crate::programs::{self, Programs};
use crate::retention::{self, Kept};
use crate::session::{self, Session};
use crate::settings::Place;
use crate::shelf::{Shelf, id_of};
use crate::wal::{Lsn, Segment};

/// A copy that takes longer is stuck; 1 TB at 50 MB/s takes less.
const COPY_DEADLINE: Duration = Duration::from_secs(6 * 60 * 60);
/// A segment is archived within a minute (`archive_timeout`) and the time it takes to compress it.
const ARCHIVE_DEADLINE: Duration = Duration::from_secs(90);
const ARCHIVE_POLL: Duration = Duration::from_millis(200);

/// Why there is no backup. What was begun is removed by the next one.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// See there.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// Nobody said where to.
    #[error(
        "no folder for backups is configured: set backup.directory in stores.yaml, or SALLYPORT_BACKUP_DIRECTORY"
    )]
    NotConfigured,
    /// The copy would leave out what lies elsewhere.
    #[error(
        "the database has {count} tablespaces outside its data folder, which this does not back up"
    )]
    Tablespaces {
        /// How many.
        count: i64,
    },
}

/// A backup that was made.
#[derive(Debug)]
pub struct Made {
    /// What it is.
    pub manifest: Manifest,
    /// Older backups that were removed.
    pub expired: Vec<String>,
    /// Segments of the log that were removed with them.
    pub segments_removed: usize,
}

/// Makes a backup of the database and of `files`, then removes what is older than it has to be.
///
/// Dropping the future leaves a folder without a manifest, which counts as nothing and is removed by the next backup.
///
/// # Errors
/// See [`BackupError`]. Older backups stay as they are.
pub async fn backup(place: &Place, files: &[KeptFile]) -> Result<Made, BackupError> {
    if !place.settings.is_on() {
        return Err(BackupError::NotConfigured);
    }
    let shelf = Shelf::at(&place.settings.directory);
    let _lock = shelf.lock()?;
    clear(&shelf)?;
    let manifest = make(place, &shelf, files).await?;
    let meters = Meters::new();
    MadeBackup {
        manifest: &manifest,
    }
    .emit(&meters);
    let (expired, segments_removed) = prune(place, &shelf, manifest.ended_at)?;
    Pruned {
        backups: expired.len(),
        segments: segments_removed,
    }
    .emit(&meters);
    Ok(Made {
        manifest,
        expired,
        segments_removed,
    })
}

/// Removes what a killed backup or drill left.
fn clear(shelf: &Shelf) -> Result<(), Trouble> {
    for folder in shelf.unfinished()? {
        disk::remove_tree(&disk::set_aside(&folder)?)?;
    }
    for (name, is_folder) in disk::entries(shelf.root())? {
        if is_folder && name.starts_with(crate::drill::SCRATCH) {
            disk::remove_tree(&shelf.root().join(name))?;
        }
    }
    Ok(())
}

async fn make(place: &Place, shelf: &Shelf, files: &[KeptFile]) -> Result<Manifest, BackupError> {
    let started = Instant::now();
    let session = Session::open(&place.url).await?;
    let server = cluster::look(&session.client).await?;
    let count = cluster::foreign_tablespaces(&session.client).await?;
    if count > 0 {
        return Err(BackupError::Tablespaces { count });
    }
    let programs = Programs::find(&place.programs, server.major()).await?;
    let begun_at = cluster::now(&session.client).await?;
    let id = id_of(begun_at);
    let folder = shelf.folder(&id);
    disk::make_folder(&folder, 0o700).map_err(Trouble::from)?;

    copy(&programs, &place.url, &id, &folder.join(DATA)).await?;
    let ended_at = cluster::now(&session.client).await?;
    let (counts, archived) = hold(place, shelf, &session, &server, &id).await?;
    if !place.settings.password.is_empty() {
        kept::seal(&place.settings.password, &id, files, &folder).await?;
    }
    let parts = Parts {
        place,
        id,
        server,
        begun_at,
        ended_at,
        counts,
        archived,
        started,
    };
    Ok(finish(parts, &folder).await?)
}

async fn copy(
    programs: &Programs,
    url: &DatabaseUrl,
    id: &str,
    data: &Path,
) -> Result<(), Trouble> {
    let mut command = programs.command("pg_basebackup");
    command
        .arg("--pgdata")
        .arg(data)
        .args(["--wal-method=stream", "--checkpoint=fast"])
        .args(["--manifest-checksums=SHA256", "--no-password"])
        .arg(format!("--label=sallyport {id}"));
    session::hand_over(url, &mut command)?;
    programs::succeed(command, "pg_basebackup", COPY_DEADLINE).await?;
    Ok(())
}

/// Takes the counts and waits until the log up to them is in the archive. A backup without either is still a backup.
async fn hold(
    place: &Place,
    shelf: &Shelf,
    session: &Session,
    server: &Server,
    id: &str,
) -> Result<(Option<Counts>, bool), Trouble> {
    let counts = match counts::take(&place.url, &format!("sallyport {id}")).await {
        Ok(counts) => Some(counts),
        Err(error) => {
            CountsMissing { error: &error }.emit(&());
            None
        }
    };
    if !shelf.archive().root().exists() {
        return Ok((counts, false));
    }
    // Whoever may not switch waits for archive_timeout instead.
    let position = "SELECT pg_current_wal_insert_lsn()::text";
    let position = session.client.query_one(position, &[]).await;
    let position = position.map_err(Trouble::postgres("where does the log end"))?;
    let position: Lsn = position
        .get::<_, String>(0)
        .parse()
        .map_err(|()| Trouble::Bug("a position in the log cannot be read"))?;
    // At the very beginning of a segment, what was written lies in the one before.
    let position = Lsn(position.0.saturating_sub(1));
    drop(session.client.query("SELECT pg_switch_wal()", &[]).await);
    let segment = Segment::at(server.timeline, position, server.segment_bytes);
    let name = segment.name(server.segment_bytes);
    Ok((counts, appears(&shelf.archive(), &name).await?))
}

/// Waits until a segment is archived; false when that takes too long.
async fn appears(archive: &Archive, name: &str) -> Result<bool, Trouble> {
    let started = Instant::now();
    while started.elapsed() < ARCHIVE_DEADLINE {
        if archive.list()?.iter().any(|one| one.name == name) {
            return Ok(true);
        }
        tokio::time::sleep(ARCHIVE_POLL).await;
    }
    Ok(false)
}

/// What the manifest is made of.
struct Parts<'a> {
    place: &'a Place,
    id: String,
    server: Server,
    begun_at: Timestamp,
    ended_at: Timestamp,
    counts: Option<Counts>,
    archived: bool,
    started: Instant,
}

async fn finish(parts: Parts<'_>, folder: &Path) -> Result<Manifest, Trouble> {
    let (sums, range) = {
        let folder = folder.to_owned();
        let work = move || {
            Ok::<_, Trouble>((
                manifest::sums_of_the_rest(&folder)?,
                manifest::postgres(&folder)?.1,
            ))
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Trouble::Bug("taking checksums was cut off"))??
    };
    let (files, bytes) = sums;
    let counts = parts.counts;
    let manifest = Manifest {
        format: FORMAT,
        id: parts.id,
        sallyport: parts.place.version.clone(),
        server: Server {
            timeline: range.timeline,
            ..parts.server
        },
        begun_at: parts.begun_at,
        ended_at: parts.ended_at,
        start: range.start,
        end: range.end,
        restore_point: counts.as_ref().map(|counts| counts.restore_point.clone()),
        counts: counts.map(|counts| counts.rows).unwrap_or_default(),
        archived: parts.archived,
        files,
        bytes,
        took_ms: u64::try_from(parts.started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    manifest.write(folder)?;
    folder.parent().map_or(Ok(()), disk::sync)?;
    Ok(manifest)
}

/// Removes what may go, the manifest first: half a backup must not look like one.
fn prune(place: &Place, shelf: &Shelf, now: Timestamp) -> Result<(Vec<String>, usize), Trouble> {
    let mut good = Vec::new();
    let mut segment_bytes = 0;
    for (id, manifest) in shelf.list()? {
        let Ok(manifest) = manifest else { continue };
        segment_bytes = manifest.server.segment_bytes;
        let first = Segment::at(manifest.server.timeline, manifest.start()?, segment_bytes);
        good.push(Kept {
            id,
            ended_at: manifest.ended_at,
            first_segment: first.number,
        });
    }
    let settings = &place.settings;
    let expired = retention::decide(&good, now, settings.keep_days, settings.keep_count_min);
    for id in &expired.ids {
        let folder = shelf.folder(id);
        disk::remove_file(&folder.join(MANIFEST))?;
        disk::sync(&folder)?;
        disk::remove_tree(&folder)?;
    }
    let mut removed = 0;
    for (segment, archived) in shelf.archive().segments(segment_bytes)? {
        if segment.number < expired.segments_below {
            disk::remove_file(&archived.path)?;
            removed += 1;
        }
    }
    Ok((expired.ids, removed))
}
