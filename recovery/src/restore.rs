//! Restoring a moment into an empty folder: everything is checked first, the copy is brought to its moment and opened once
//! by a server that nobody reaches, the house is made to wait (law L15), and the folder is left stopped and ready to start.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sallyport_postgres::{GroundError, check_ground};
use sallyport_telemetry::Event;
use tokio_postgres::Client;

use crate::disk;
use crate::error::Trouble;
use crate::events::RestoredDatabase;
use crate::kept::{self, KeptFile};
use crate::manifest::DATA;
use crate::plan::{self, PlanError, Target, Way};
use crate::programs::{self, Programs};
use crate::scratch::{Over, Scratch, Sources, Until};
use crate::settings::Place;
use crate::shelf::Shelf;

/// Copied last: without it no server starts over a copy that was cut off.
const CONTROL_FILE: &str = "global/pg_control";
/// How far back a quiet archive is searched for its last transaction.
const SEARCHED_SEGMENTS_MAX: usize = 64;
const WALDUMP_DEADLINE: Duration = Duration::from_secs(120);

/// What to restore, and where to.
#[derive(Debug, Clone)]
pub struct Request {
    /// The moment.
    pub target: Target,
    /// The folder of the new cluster: empty, or not there.
    pub into: PathBuf,
    /// A certain backup; else the newest before the target.
    pub backup: Option<String>,
    /// A certain line of history; else the newest that was written on.
    pub timeline: Option<u32>,
    /// A folder of bare segments beside the archive, such as `pg_wal` of a broken cluster.
    pub more_log: Option<PathBuf>,
    /// Where to unpack the settings that went along; empty, or not there.
    pub settings_into: Option<PathBuf>,
}

impl Request {
    /// The same with paths that hold in every working folder.
    fn absolute(&self) -> Self {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        Self {
            into: absolute(&self.into),
            more_log: self.more_log.as_ref().map(absolute),
            settings_into: self.settings_into.as_ref().map(absolute),
            ..self.clone()
        }
    }
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// From which backup.
    pub backup: String,
    /// When the last transaction in it ended.
    pub last_transaction: Option<Timestamp>,
    /// The new branch of history.
    pub timeline: u32,
    /// How long it took.
    pub took: Duration,
}

/// Why nothing was restored. The source is never touched; a folder that was begun is said so.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// See there.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A server runs over the target.
    #[error("a server is running over {}; stop it first, and restore into an empty folder", into.display())]
    Running {
        /// The target.
        into: PathBuf,
    },
    /// There is something in the target.
    #[error("{} is not empty; move it away first, it may be needed", into.display())]
    NotEmpty {
        /// The target.
        into: PathBuf,
    },
    /// Settings were asked for that were not kept.
    #[error("the backup {id} holds no settings: no backup password was set when it was made")]
    NoSettings {
        /// The backup.
        id: String,
    },
    /// Something went wrong after the copying had begun.
    #[error("the restore into {} was not finished; remove that folder before trying again", into.display())]
    Unfinished {
        /// The target.
        into: PathBuf,
        /// What happened.
        #[source]
        source: Trouble,
    },
    /// The restored server is not one that the house may stand on.
    #[error("the restored database is not fit for use")]
    Ground(#[source] GroundError),
}

impl From<Trouble> for RestoreError {
    fn from(trouble: Trouble) -> Self {
        Self::Plan(trouble.into())
    }
}

/// Restores. Takes as long as copying the backup and replaying the log do.
///
/// # Errors
/// See [`RestoreError`]. Before the first byte is written, everything on the way was compared with its checksum.
pub async fn restore(place: &Place, request: &Request) -> Result<Restored, RestoreError> {
    let started = Instant::now();
    let request = &request.absolute();
    is_free(&request.into)?;
    let shelf = Shelf::at(&place.settings.directory);
    let _lock = shelf.lock()?;
    let way = plan::find(
        &shelf,
        request.target,
        request.backup.as_deref(),
        request.timeline,
    )?;
    let way = checked(way).await?;
    let programs = Programs::find(&place.programs, way.manifest.server.major()).await?;
    let until = until(&programs, &way, request).await?;
    let files = settings_of(place, &way, request).await?;

    let into = request.into.clone();
    let unfinished = |source| RestoreError::Unfinished { into, source };
    copy(&way, &request.into).await.map_err(unfinished)?;
    let restored = bring_up(&shelf, &programs, &way, (request, &until)).await?;
    if let (Some(folder), Some(files)) = (&request.settings_into, &files) {
        kept::unpack(files, folder)?;
    }
    let took = started.elapsed();
    RestoredDatabase {
        id: &way.manifest.id,
        timeline: restored.1,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    }
    .emit(&());
    Ok(Restored {
        backup: way.manifest.id,
        last_transaction: restored.0,
        timeline: restored.1,
        took,
    })
}

/// Compares everything on the way with its checksum, off the runtime's threads.
pub(crate) async fn checked(way: Way) -> Result<Way, Trouble> {
    let work = move || way.verify().map(|()| way);
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Trouble::Bug("taking checksums was cut off"))?
}

/// Copies the backup for a server, off the runtime's threads.
pub(crate) async fn copy(way: &Way, into: &Path) -> Result<(), Trouble> {
    let (from, into) = (way.folder.join(DATA), into.to_owned());
    let work = move || disk::copy_tree(&from, &into, Path::new(CONTROL_FILE));
    let copied = tokio::task::spawn_blocking(work).await;
    Ok(copied.map_err(|_| Trouble::Bug("copying was cut off"))??)
}

fn is_free(into: &Path) -> Result<(), RestoreError> {
    if disk::entries(into).map_err(Trouble::from)?.is_empty() {
        return Ok(());
    }
    let into = into.to_owned();
    match into.join("postmaster.pid").exists() {
        true => Err(RestoreError::Running { into }),
        false => Err(RestoreError::NotEmpty { into }),
    }
}

/// The settings of the backup, opened before anything is written: a wrong password changes nothing.
async fn settings_of(
    place: &Place,
    way: &Way,
    request: &Request,
) -> Result<Option<Vec<KeptFile>>, RestoreError> {
    let asked = request.settings_into.is_some();
    if let Some(folder) = &request.settings_into {
        is_free(folder)?;
    }
    if !way.manifest.has_settings() {
        return match asked {
            true => Err(RestoreError::NoSettings {
                id: way.manifest.id.clone(),
            }),
            false => Ok(None),
        };
    }
    let password = &place.settings.password;
    if password.is_empty() && !asked {
        return Ok(None);
    }
    let files = kept::open(password, &way.manifest, &way.folder).await?;
    Ok(Some(files))
}

/// Where replaying is to stop. Refuses a moment that the log does not reach, before an hour is spent on finding out.
async fn until(programs: &Programs, way: &Way, request: &Request) -> Result<Until, RestoreError> {
    let Target::At(asked) = request.target else {
        return Ok(Until::End);
    };
    if request.more_log.is_some() {
        return Ok(Until::Moment(asked));
    }
    let found = last_transaction(programs, way).await?;
    let latest = found.unwrap_or(way.manifest.ended_at);
    match asked.cmp(&latest) {
        Ordering::Less => Ok(Until::Moment(asked)),
        // Postgres stops at the first transaction behind a moment, and there is none.
        Ordering::Equal => Ok(Until::End),
        Ordering::Greater => Err(PlanError::TooLate { asked, latest }.into()),
    }
}

/// When the last transaction ended that the archive knows of.
pub(crate) async fn last_transaction(
    programs: &Programs,
    way: &Way,
) -> Result<Option<Timestamp>, Trouble> {
    let folder =
        tempfile::tempdir().map_err(disk::failed("make a folder in", Path::new("/tmp")))?;
    for archived in way.segments.iter().rev().take(SEARCHED_SEGMENTS_MAX) {
        let segment = folder.path().join(&archived.name);
        let content = archived.open()?;
        std::fs::write(&segment, content).map_err(disk::failed("write", &segment))?;
        let mut command = programs.command("pg_waldump");
        command.arg("--rmgr=Transaction").arg(&segment);
        // It always complains in the end, because the next segment is not there.
        let output = programs::run(command, "pg_waldump", WALDUMP_DEADLINE).await?;
        let last = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(ended_at)
            .max();
        disk::remove_file(&segment)?;
        if last.is_some() {
            return Ok(last);
        }
    }
    Ok(None)
}

/// Reads `… desc: COMMIT 2026-11-21 01:50:15.123456 UTC; …`.
fn ended_at(line: &str) -> Option<Timestamp> {
    let (_, what) = line.split_once("desc: ")?;
    let when = what
        .strip_prefix("COMMIT ")
        .or_else(|| what.strip_prefix("ABORT "))?;
    let (moment, _) = when.split_once(" UTC")?;
    format!("{}Z", moment.replacen(' ', "T", 1)).parse().ok()
}

/// Brings the copy to its moment, makes the house wait, and stops it. Returns its last transaction and its timeline.
async fn bring_up(
    shelf: &Shelf,
    programs: &Programs,
    way: &Way,
    (request, until): (&Request, &Until),
) -> Result<(Option<Timestamp>, u32), RestoreError> {
    let unfinished = |source| RestoreError::Unfinished {
        into: request.into.clone(),
        source,
    };
    let sources = Sources {
        archive: shelf.archive().root().to_owned(),
        stream: shelf.stream_for_server().map_err(unfinished)?,
        more: request.more_log.clone(),
    };
    let over = Over {
        programs,
        data: &request.into,
        server: &way.manifest.server,
        timeline: way.line.timeline,
        sources: &sources,
    };
    let mut scratch = Scratch::start(&over, until).map_err(unfinished)?;
    let session = scratch.ready(until).await.map_err(unfinished)?;
    let last = last_replayed(&session.client).await.map_err(unfinished)?;
    let timeline = make_wait(&session.client).await?;
    drop(session);
    scratch.stop().await.map_err(unfinished)?;
    // The archive has to know this branch, or the next restore would give its number away again.
    let history = format!("{timeline:08X}.history");
    let file = request.into.join("pg_wal").join(&history);
    if file.exists() {
        shelf.archive().add(&history, &file).map_err(unfinished)?;
    }
    Ok((last, timeline))
}

/// When the last replayed transaction had ended.
pub(crate) async fn last_replayed(client: &Client) -> Result<Option<Timestamp>, Trouble> {
    let row = client
        .query_one("SELECT pg_last_xact_replay_timestamp()", &[])
        .await
        .map_err(Trouble::postgres("how far was replayed"))?;
    Ok(row.get(0))
}

/// Law L15: leases are cleared, and workers wait until a person says "resume", because messages that were sent come back.
async fn make_wait(client: &Client) -> Result<u32, RestoreError> {
    let failed = || Trouble::postgres("making the workers wait");
    // The checkpoint writes the new timeline to where it is read from.
    client.batch_execute("CHECKPOINT").await.map_err(failed())?;
    let row = client
        .query_one(
            "SELECT timeline_id, to_regclass('public.house') IS NOT NULL FROM pg_control_checkpoint()",
            &[],
        )
        .await
        .map_err(failed())?;
    let timeline = u32::try_from(row.get::<_, i32>(0)).unwrap_or_default();
    if row.get(1) {
        let history = check_ground(client)
            .await
            .map_err(RestoreError::Ground)?
            .history;
        client
            .batch_execute(&format!(
                "BEGIN;
                 UPDATE leases SET owner = NULL, token = token + 1 WHERE owner IS NOT NULL;
                 DELETE FROM workers;
                 INSERT INTO house (name, value) VALUES ('paused', 'true'), ('history', '{history}')
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value;
                 DO $$ BEGIN
                   IF to_regclass('public.pauses') IS NOT NULL THEN
                     INSERT INTO pauses (kind, paused_by, reason)
                     VALUES ('', 'sallyport restore', 'the database was restored: what was sent since may come back as unsent')
                     ON CONFLICT (kind) DO NOTHING;
                   END IF;
                 END $$;
                 COMMIT;
                 CHECKPOINT;"
            ))
            .await
            .map_err(failed())?;
    }
    Ok(timeline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_transaction_is_read_from_the_log() {
        let line = "rmgr: Transaction len (rec/tot):     34/    34, tx:        735, lsn: 0/03000060, prev 0/03000028, desc: COMMIT 2026-11-21 01:50:15.123456 UTC; inval msgs";

        assert_eq!(
            ended_at(line),
            Some("2026-11-21T01:50:15.123456Z".parse().unwrap())
        );
        assert_eq!(ended_at("rmgr: Transaction desc: ASSIGNMENT xtop 7"), None);
    }
}
