//! The drill: the newest backup is restored into a scratch server and questioned. A backup that nobody restored is a hope.
//!
//! The server stops twice: at the restore point, where every count must be exactly that of the manifest, and at the end of
//! the archive, where the queue must fit together and the clock is read: how much would be lost (RPO), how long it took (RTO).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use sallyport_telemetry::{Chain, Event};
use serde::{Deserialize, Serialize};

use crate::consistency;
use crate::counts;
use crate::disk;
use crate::error::Trouble;
use crate::events::{Drilled, Meters};
use crate::kept;
use crate::plan::{self, PlanError, Target, Way};
use crate::programs::Programs;
use crate::restore::{checked, copy, last_replayed, last_transaction};
use crate::scratch::{Over, Scratch, Sources, Until};
use crate::settings::Place;
use crate::shelf::Shelf;

/// How folders of drills begin; one that a kill left behind is removed by the next backup.
pub(crate) const SCRATCH: &str = "drill-";

/// What a drill found. Kept in `drill.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Which backup; empty when there was none that could be read.
    pub backup: String,
    /// When the drill ended.
    pub at: Timestamp,
    /// What is wrong, in words. Nothing, when the backup can be relied on.
    pub findings: Vec<String>,
    /// Tables whose rows were compared with the manifest.
    pub tables_compared: usize,
    /// Rows of these tables.
    pub rows_compared: i64,
    /// Files of settings that were decrypted; absent when none were kept or no password is set.
    pub settings_decrypted: Option<usize>,
    /// Age of the newest transaction that could be restored, in seconds; without any, of the backup.
    pub rpo_seconds: f64,
    /// From the beginning of the restore, checksums included, until the server was ready, in seconds.
    pub rto_seconds: f64,
    /// The whole drill, in seconds.
    pub took_seconds: f64,
}

impl Report {
    /// Whether the backup can be relied on.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Why there was no drill. A backup that fails one is not an error of the drill: it is in the report.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// See there.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl From<Trouble> for DrillError {
    fn from(trouble: Trouble) -> Self {
        Self::Plan(trouble.into())
    }
}

/// Restores the newest backup beside everything else, questions it, and throws it away. The report is kept either way.
///
/// # Errors
/// There is no backup, or somebody else is at work in the folder. Everything else is a finding.
pub async fn drill(place: &Place) -> Result<Report, DrillError> {
    let started = Instant::now();
    let shelf = Shelf::at(&place.settings.directory);
    let _lock = shelf.lock()?;
    let mut report = Report::default();
    match run(place, &shelf, &mut report, started).await {
        Ok(()) => {}
        Err(PlanError::NoBackup { directory }) => {
            return Err(PlanError::NoBackup { directory }.into());
        }
        Err(error) => report.findings.push(Chain(&error).to_string()),
    }
    report.at = Timestamp::now();
    report.took_seconds = started.elapsed().as_secs_f64();
    shelf.keep_report(&report)?;
    Drilled { report: &report }.emit(&Meters::new());
    Ok(report)
}

async fn run(
    place: &Place,
    shelf: &Shelf,
    report: &mut Report,
    started: Instant,
) -> Result<(), PlanError> {
    report.backup = shelf.ids()?.pop().unwrap_or_default();
    let way = plan::find(shelf, Target::Latest, None, None)?;
    report.backup.clone_from(&way.manifest.id);
    let way = checked(way).await?;
    let programs = Programs::find(&place.programs, way.manifest.server.major()).await?;
    let scratch = tempfile::Builder::new()
        .prefix(SCRATCH)
        .tempdir_in(shelf.root())
        .map_err(disk::failed("make a folder in", shelf.root()))
        .map_err(Trouble::from)?;
    disk::give_to_server(scratch.path()).map_err(Trouble::from)?;
    let data = scratch.path().join("data");
    copy(&way, &data).await?;
    question(shelf, &programs, &way, &data, report, started).await?;
    decrypt(place, &way, report).await?;
    Ok(())
}

async fn question(
    shelf: &Shelf,
    programs: &Programs,
    way: &Way,
    data: &Path,
    report: &mut Report,
    started: Instant,
) -> Result<(), Trouble> {
    let sources = Sources {
        archive: shelf.archive().root().to_owned(),
        stream: shelf.stream_for_server()?,
        more: None,
    };
    let over = Over {
        programs,
        data,
        server: &way.manifest.server,
        timeline: way.line.timeline,
        sources: &sources,
    };
    // The restore point lies behind the copy, so without an archive there is no way to it.
    if let Some(point) = way
        .manifest
        .restore_point
        .clone()
        .filter(|_| way.manifest.archived)
    {
        let until = Until::Point(point);
        let mut server = Scratch::start(&over, &until)?;
        let session = server.ready(&until).await?;
        let found = counts::count(&session.client).await?;
        compare(&way.manifest.counts, &found, report);
        drop(session);
        server.stop().await?;
    }
    let mut server = Scratch::start(&over, &Until::End)?;
    let session = server.ready(&Until::End).await?;
    report.rto_seconds = started.elapsed().as_secs_f64();
    let replayed = last_replayed(&session.client).await?;
    let archived = last_transaction(programs, way).await?;
    // What was replayed at the first stop is not told at the second, and a copy alone replays no transaction.
    let newest = replayed.max(archived).unwrap_or(way.manifest.ended_at);
    report.rpo_seconds = Timestamp::now().duration_since(newest).as_secs_f64();
    report
        .findings
        .extend(consistency::look(&session.client).await?);
    drop(session);
    server.stop().await
}

fn compare(wanted: &BTreeMap<String, i64>, found: &BTreeMap<String, i64>, report: &mut Report) {
    report.tables_compared = wanted.len();
    report.rows_compared = wanted.values().sum();
    for (table, rows) in wanted {
        match found.get(table) {
            Some(there) if there == rows => {}
            Some(there) => report
                .findings
                .push(format!("{table} has {there} rows and should have {rows}")),
            None => report.findings.push(format!("{table} is missing")),
        }
    }
}

async fn decrypt(place: &Place, way: &Way, report: &mut Report) -> Result<(), Trouble> {
    if place.settings.password.is_empty() || !way.manifest.has_settings() {
        return Ok(());
    }
    let files = kept::open(&place.settings.password, &way.manifest, &way.folder).await?;
    report.settings_decrypted = Some(files.len());
    Ok(())
}
