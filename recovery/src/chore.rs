//! The schedule: one process of the house backs up daily, drills weekly, and shows both.
//!
//! Who does it is decided by the folder's lock, so several may run this over one folder. What was done is read from what lies
//! there, so a restart forgets nothing and a backup that a person made counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sallyport_telemetry::Event;
use sallyport_telemetry::health::ComponentHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::backup::{BackupError, backup};
use crate::cluster;
use crate::drill::{DrillError, drill};
use crate::error::Trouble;
use crate::events::{Failed, Meters};
use crate::follow::follow;
use crate::kept::KeptFile;
use crate::plan::PlanError;
use crate::settings::Place;
use crate::shelf::{Shelf, Standing};
use crate::timetable;

/// How often is looked whether anything is due.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long after a failure is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(15 * 60);
/// How long after its end the receiving of the log is begun again.
const FOLLOW_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Gathers the files that go along with a backup, as they are now.
pub type Keeper = Arc<dyn Fn() -> std::io::Result<Vec<KeptFile>> + Send + Sync>;

/// What the schedule works with.
pub struct Chore {
    /// The settings and the database.
    pub place: Place,
    /// Gathers what goes along.
    pub keeper: Keeper,
    /// The component `backup` on the health page.
    pub component: ComponentHandle,
}

impl Chore {
    /// Keeps to the schedule until `stop`; receives the log meanwhile, if that is configured. A backup that is under way
    /// then is given up.
    pub async fn run(self, stop: CancellationToken) {
        if !self.place.settings.is_on() {
            self.component.not_configured();
            return;
        }
        let both = async { tokio::join!(self.keep(), self.receive()) };
        stop.run_until_cancelled(both).await;
    }

    async fn keep(&self) {
        let shelf = Shelf::at(&self.place.settings.directory);
        let meters = Meters::new();
        let mut turns = tokio::time::interval(LOOK_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed: Option<Instant> = None;
        loop {
            turns.tick().await;
            if failed.is_none_or(|at| at.elapsed() >= RETRY_AFTER) {
                failed = self.do_what_is_due(&shelf, &meters).await.err();
            }
            match shelf.standing() {
                Ok(standing) => {
                    meters.show(&standing);
                    self.tell(&standing, failed.is_some());
                }
                Err(error) => self.component.down(error.to_string()),
            }
        }
    }

    /// Backs up and drills, if either is due. The error is when it failed.
    async fn do_what_is_due(&self, shelf: &Shelf, meters: &Meters) -> Result<(), Instant> {
        let settings = &self.place.settings;
        let gave_up = |what: &'static str, error: &(dyn std::error::Error + 'static)| {
            Failed { what, error }.emit(meters);
            Instant::now()
        };
        let look = || shelf.standing().map_err(|error| gave_up("shelf", &error));
        let (at, zone) = settings.daily();
        let newest = |standing: &Standing| standing.newest.as_ref().map(|newest| newest.begun_at);
        let standing = look()?;
        if timetable::is_backup_due(Timestamp::now(), newest(&standing), at, &zone)
            || self.is_on_a_new_line(&standing).await
        {
            let files = (self.keeper)().map_err(|error| gave_up("settings", &error))?;
            match Box::pin(backup(&self.place, &files)).await {
                // Somebody else is at it, which is just as well.
                Ok(_) | Err(BackupError::Trouble(Trouble::Busy { .. })) => {}
                Err(error) => return Err(gave_up("backup", &error)),
            }
        }
        let standing = look()?;
        let (last, every) = (standing.drill.as_ref(), settings.drill_every_days);
        if timetable::is_drill_due(Timestamp::now(), newest(&standing), last, every) {
            match Box::pin(drill(&self.place)).await {
                Ok(_) | Err(DrillError::Plan(PlanError::Trouble(Trouble::Busy { .. }))) => {}
                Err(error) => return Err(gave_up("drill", &error)),
            }
        }
        Ok(())
    }

    /// Whether the database goes on where no backup stands yet: after a restore or a failover. Until there is one, a restore
    /// leads over an old backup and all the log since, and has a gap where the log came from a broken server's own folder.
    /// Somebody else's server may archive into this folder, too, so the archive only says when to ask.
    async fn is_on_a_new_line(&self, standing: &Standing) -> bool {
        let Some(newest) = &standing.newest else {
            return false;
        };
        let backed_up = newest.server.timeline;
        if standing.line.is_none_or(|line| line <= backed_up) {
            return false;
        }
        match cluster::timeline(&self.place.url).await {
            Ok(timeline) => timeline > backed_up,
            Err(_) => false, // The database is away, which others tell; asked again at the next look.
        }
    }

    fn tell(&self, standing: &Standing, failed: bool) {
        let Some(newest) = &standing.newest else {
            // Before the first one has failed, it is merely under way.
            if failed {
                self.component.down("there is no backup");
            }
            return;
        };
        let hours = Timestamp::now().duration_since(newest.ended_at).as_hours();
        let failed_drill = standing.drill.as_ref().filter(|report| !report.passed());
        if hours >= i64::from(self.place.settings.stale_after_hours) {
            self.component
                .down(format!("the newest backup is {hours} hours old"));
        } else if let Some(report) = failed_drill {
            self.component.down(format!(
                "the last drill failed: {}",
                report.findings.join("; ")
            ));
        } else {
            self.component.up(Duration::from_millis(newest.took_ms));
        }
    }

    async fn receive(&self) {
        if !self.place.settings.stream {
            return;
        }
        loop {
            if let Err(error) = follow(&self.place).await {
                let what = "receiving the log";
                Failed {
                    what,
                    error: &error,
                }
                .emit(&Meters::new());
            }
            tokio::time::sleep(FOLLOW_AGAIN_AFTER).await;
        }
    }
}
