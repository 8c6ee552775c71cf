//! What happens here, as events. The gauges are set from what lies on the shelf, so that whoever runs the schedule also
//! exports what a person did by hand.

use std::time::{SystemTime, UNIX_EPOCH};

use sallyport_telemetry::metrics::{Gauge, Gauges, gauge};
use sallyport_telemetry::{Chain, Event, Metric};

use crate::drill::Report;
use crate::manifest::Manifest;
use crate::shelf::Standing;

/// Label of a backup of the database.
const BASE: &str = "base";
/// Label of the archive of the log.
const WAL: &str = "wal";
/// Label of the drill.
const DRILL: &str = "restore_drill";

/// What is exported.
pub(crate) struct Meters {
    last_success: Gauges,
    bytes: Gauges,
    duration: Gauges,
    rpo: Gauge,
    rto: Gauge,
    findings: Gauge,
}

impl Meters {
    pub(crate) fn new() -> Self {
        Self {
            last_success: Gauges::with(Metric::BackupLastSuccess, [[BASE], [WAL], [DRILL]]),
            bytes: Gauges::with(Metric::BackupBytes, [[BASE], [WAL]]),
            duration: Gauges::with(Metric::BackupDuration, [[BASE], [DRILL]]),
            rpo: gauge(Metric::RestoreDrillRpo, &[]),
            rto: gauge(Metric::RestoreDrillRto, &[]),
            findings: gauge(Metric::RestoreDrillFindings, &[]),
        }
    }

    /// Shows what stands on the shelf.
    pub(crate) fn show(&self, standing: &Standing) {
        if let Some(manifest) = &standing.newest {
            self.base(manifest);
        }
        if let Some(at) = standing.archived_at {
            self.last_success.of(&[WAL]).set(unix(at));
            self.bytes.of(&[WAL]).set(float(standing.archive_bytes));
        }
        if let Some(report) = &standing.drill {
            self.drilled(report);
        }
    }

    fn base(&self, manifest: &Manifest) {
        let at = SystemTime::from(manifest.ended_at);
        self.last_success.of(&[BASE]).set(unix(at));
        self.bytes.of(&[BASE]).set(float(manifest.bytes));
        self.duration
            .of(&[BASE])
            .set(float(manifest.took_ms) / 1000.0);
    }

    fn drilled(&self, report: &Report) {
        let findings = u64::try_from(report.findings.len()).unwrap_or(u64::MAX);
        self.findings.set(float(findings));
        if !report.passed() {
            return;
        }
        self.last_success
            .of(&[DRILL])
            .set(unix(SystemTime::from(report.at)));
        self.duration.of(&[DRILL]).set(report.took_seconds);
        self.rto.set(report.rto_seconds);
        self.rpo.set(report.rpo_seconds);
    }
}

fn unix(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float, and these numbers are far below 2^53"
)]
fn float(number: u64) -> f64 {
    number as f64
}

/// A backup is on disk.
pub(crate) struct MadeBackup<'a> {
    pub(crate) manifest: &'a Manifest,
}

impl Event for MadeBackup<'_> {
    type Meters = Meters;

    fn emit(&self, meters: &Meters) {
        let manifest = self.manifest;
        meters.base(manifest);
        let (id, bytes, duration_ms) = (&manifest.id, manifest.bytes, manifest.took_ms);
        tracing::info!(name: "backup.made", { backup.id = id, bytes, duration_ms, archived = manifest.archived, settings = manifest.has_settings() }, "A backup was made");
        if !manifest.archived {
            tracing::warn!(name: "backup.not_archived", { backup.id = id }, "The log is not archived: only the moment of the backup can be restored");
        }
        if !manifest.has_settings() {
            tracing::warn!(name: "backup.settings_left_out", { backup.id = id }, "No backup password is set: settings and secrets were not kept");
        }
    }
}

/// The rows could not be counted; the backup is good without.
pub(crate) struct CountsMissing<'a> {
    pub(crate) error: &'a (dyn std::error::Error + 'static),
}

impl Event for CountsMissing<'_> {
    type Meters = ();

    fn emit(&self, (): &()) {
        tracing::warn!(name: "backup.counts_missing", { error = %Chain(self.error) }, "The rows of a backup could not be counted");
    }
}

/// What was older than it had to be is gone.
pub(crate) struct Pruned {
    pub(crate) backups: usize,
    pub(crate) segments: usize,
}

impl Event for Pruned {
    type Meters = Meters;

    fn emit(&self, _: &Meters) {
        let Self { backups, segments } = *self;
        if backups + segments > 0 {
            tracing::info!(name: "backup.pruned", backups, segments, "Old backups were removed");
        }
    }
}

/// A scheduled backup or drill failed; it is tried again later.
pub(crate) struct Failed<'a> {
    pub(crate) what: &'static str,
    pub(crate) error: &'a (dyn std::error::Error + 'static),
}

impl Event for Failed<'_> {
    type Meters = Meters;

    fn emit(&self, _: &Meters) {
        tracing::error!(name: "backup.failed", { what = self.what, error = %Chain(self.error) }, "A backup or its proof failed");
    }
}

/// A drill ended.
pub(crate) struct Drilled<'a> {
    pub(crate) report: &'a Report,
}

impl Event for Drilled<'_> {
    type Meters = Meters;

    fn emit(&self, meters: &Meters) {
        let report = self.report;
        meters.drilled(report);
        if report.passed() {
            tracing::info!(name: "backup.drilled", { backup.id = report.backup, rpo_s = report.rpo_seconds, rto_s = report.rto_seconds }, "The newest backup was restored and is sound");
        } else {
            let findings = report.findings.join("; ");
            tracing::error!(name: "backup.drill_failed", { backup.id = report.backup, findings }, "The newest backup cannot be relied on");
        }
    }
}

/// A database was restored.
pub(crate) struct RestoredDatabase<'a> {
    pub(crate) id: &'a str,
    pub(crate) timeline: u32,
    pub(crate) took_ms: u64,
}

impl Event for RestoredDatabase<'_> {
    type Meters = ();

    fn emit(&self, (): &()) {
        tracing::warn!(name: "backup.restored", { backup.id = self.id, timeline = self.timeline, duration_ms = self.took_ms }, "A database was restored; its workers wait for a resume");
    }
}
