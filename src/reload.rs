//! New settings for a running edge: on SIGHUP, and when a file that they are read from has changed.
//!
//! It exists so that a route, a limit or a secret changes without a restart. The whole of the settings is read and checked again;
//! with one mistake anywhere everything stays as it was, and a log line and a gauge say so. What the edge makes of
//! sound settings is its own affair ([`GatewayHandle::reload`]); settings of other rooms wait for the next start.

use std::convert::Infallible;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sallyport_gateway::{Changes, GatewayHandle};
use sallyport_telemetry::metrics::{Gauge, gauge};
use sallyport_telemetry::{Event, Metric};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::cli::Places;
use crate::settings::Settings;
use crate::{places, settings};

/// How often the files are looked at. A change applies once it has stood still for as long, so that nobody reads half of it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Listens for new settings.
pub(crate) struct Reloads {
    places: Places,
    hangups: Signal,
    /// Those that are always looked at; a deny list that the settings name comes on top.
    files: Vec<PathBuf>,
    meters: Meters,
}

/// What tells one state of the files from another; nothing for a file that is not there.
type Fingerprint = Vec<Option<Look>>;

/// One file, as it was seen.
#[derive(Clone, PartialEq, Eq)]
struct Look {
    bytes: u64,
    inode: u64,
    content_changed: (i64, i64),
    inode_changed: (i64, i64),
}

impl Reloads {
    /// Listens from now on: a SIGHUP that comes before [`Self::serve`] is not lost.
    ///
    /// # Errors
    /// When the signal cannot be listened to.
    pub(crate) fn install(places: &Places) -> std::io::Result<Self> {
        let own = places.config.iter();
        let own = own.flat_map(|folder| settings::FILES.map(|name| folder.join(name)));
        Ok(Self {
            hangups: signal(SignalKind::hangup())?,
            files: own.chain(places::dotenv_files(places)).collect(),
            places: places.clone(),
            meters: Meters::new(),
        })
    }

    /// Has `edge` go by new settings whenever there are some. Never ends by itself; dropped, it has left nothing half done.
    pub(crate) async fn serve(mut self, edge: &GatewayHandle, settings: &Settings) -> Infallible {
        let mut deny_file = settings.gateway.addresses.deny_file.clone();
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut applied = self.fingerprint(&deny_file);
        let mut seen = applied.clone();
        loop {
            let asked = tokio::select! {
                hangup = self.hangups.recv() => hangup.is_some(),
                _ = ticks.tick() => false,
            };
            let now = self.fingerprint(&deny_file);
            let stands_still = now == seen;
            seen.clone_from(&now);
            if asked || (stands_still && now != applied) {
                if let Some(named) = self.reload(edge, asked) {
                    deny_file = named;
                }
                // A file that the new settings name stands as it was just read.
                applied = self.fingerprint(&deny_file);
            }
        }
    }

    /// Returns the deny list that the new settings name, if they are in force.
    fn reload(&self, edge: &GatewayHandle, asked: bool) -> Option<PathBuf> {
        let read = places::settings(&self.places);
        let applied = read.and_then(|(settings, _)| {
            let changes = edge.reload(&settings.gateway)?;
            Ok((changes, settings.gateway))
        });
        match applied {
            Ok((changes, settings)) => {
                if asked || !changes.is_empty() {
                    let routes = settings.routes.len();
                    Reloaded { changes, routes }.emit(&self.meters);
                }
                Some(settings.addresses.deny_file)
            }
            Err(error) => {
                Refused { error: &error }.emit(&self.meters);
                None
            }
        }
    }

    fn fingerprint(&self, deny_file: &PathBuf) -> Fingerprint {
        self.files
            .iter()
            .chain([deny_file])
            .map(looked_at)
            .collect()
    }
}

fn looked_at(file: &PathBuf) -> Option<Look> {
    let found = std::fs::metadata(file).ok()?;
    Some(Look {
        bytes: found.len(),
        inode: found.ino(),
        content_changed: (found.mtime(), found.mtime_nsec()),
        inode_changed: (found.ctime(), found.ctime_nsec()),
    })
}

/// What is exported about reloads.
struct Meters {
    successful: Gauge,
    succeeded_at: Gauge,
}

impl Meters {
    /// The settings of the start count as a successful reload: they are what is in force.
    fn new() -> Self {
        let meters = Self {
            successful: gauge(Metric::ConfigLastReloadSuccessful, &[]),
            succeeded_at: gauge(Metric::ConfigLastReloadSuccess, &[]),
        };
        meters.succeeded();
        meters
    }

    fn succeeded(&self) {
        self.successful.set(1.0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.succeeded_at.set(now.unwrap_or_default().as_secs_f64());
    }
}

/// The edge goes by new settings.
struct Reloaded {
    changes: Changes,
    routes: usize,
}

impl Event for Reloaded {
    type Meters = Meters;

    fn emit(&self, meters: &Meters) {
        meters.succeeded();
        let Self { changes, routes } = self;
        tracing::info!(name: "config.reloaded", { changes = %changes, routes = *routes }, "Settings were reloaded");
    }
}

/// The new settings are not used.
struct Refused<'a> {
    error: &'a anyhow::Error,
}

impl Event for Refused<'_> {
    type Meters = Meters;

    fn emit(&self, meters: &Meters) {
        meters.successful.set(0.0);
        tracing::error!(name: "config.refused", { error = format!("{:#}", self.error) }, "New settings were refused; the old ones stay in force");
    }
}
