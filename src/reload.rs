//! New settings for a running edge: on SIGHUP, and when a file that they are read from has changed.
//!
//! It exists so that a route, a limit or a secret changes without a restart. The whole of the settings is read and checked again;
//! with one mistake anywhere everything stays as it was, and a log line and a gauge say so. What the edge makes of
//! sound settings is its own affair ([`GatewayHandle::reload`]); settings of other rooms wait for the next start.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use sallyport_gateway::{Changes, GatewayHandle};
use sallyport_telemetry::metrics::{Gauge, gauge};
use sallyport_telemetry::{Event, Metric};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Places;
use crate::file_watch::FileWatch;
use crate::settings::Settings;
use crate::{places, settings};

/// Listens for new settings.
pub(crate) struct Reloads {
    places: Places,
    hangups: Signal,
    /// Those that are always looked at; files that the settings name come on top.
    files: Vec<PathBuf>,
    meters: Meters,
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
        let mut named = named_files(&settings.gateway);
        let mut watch = self.watch(&named);
        loop {
            let asked = tokio::select! {
                hangup = self.hangups.recv() => hangup.is_some(),
                () = watch.changed() => false,
            };
            let next = self.reload(edge, asked);
            if let Some(next) = next.filter(|next| *next != named) {
                watch = self.watch(&next);
                named = next;
            }
        }
    }

    fn watch(&self, named: &[PathBuf]) -> FileWatch {
        FileWatch::over([self.files.as_slice(), named].concat())
    }

    /// Returns the files that the new settings name, if they are in force.
    fn reload(&self, edge: &GatewayHandle, asked: bool) -> Option<Vec<PathBuf>> {
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
                Some(named_files(&settings))
            }
            Err(error) => {
                Refused { error: &error }.emit(&self.meters);
                None
            }
        }
    }
}

/// Files beside the settings that belong to them: the deny list, the authorities of client certificates, and the documents of APIs.
fn named_files(settings: &sallyport_gateway::Settings) -> Vec<PathBuf> {
    let asked = settings.routes.iter();
    let asked = asked.filter_map(|route| route.client_certificate.as_ref());
    let authorities = asked.map(|asked| asked.authorities.clone());
    let forwards = settings
        .routes
        .iter()
        .filter_map(|route| route.forward.as_ref());
    let described = forwards.filter_map(|forward| forward.openapi.as_ref());
    let documents = described.map(|described| described.document.clone());
    std::iter::once(settings.addresses.deny_file.clone())
        .chain(authorities)
        .chain(documents.filter(|path| !places::is_built_in(path)))
        .collect()
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
