//! Starting the edge and stopping it.
//!
//! It exists as the one place where the parts meet: settings become a route table, limits and doors; a stop becomes a drain. When to
//! start and stop is for the binary.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pingora::apps::HttpServerOptions;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use sallyport_security::Redis;
use sallyport_telemetry::Health;
use sallyport_telemetry::trace::{KeepPolicy, SpanSink};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::Shelf;
use crate::acme::Challenges;
use crate::body::Pace;
use crate::cache::Purger;
use crate::edge::Edge;
use crate::events::Meters;
use crate::head::HeadLimits;
use crate::listeners::{self, Certificates, Connections, Doorway, Entrance, Linger, files};
use crate::recent;
use crate::rules::{Changes, CurrentRules, InvalidRules, Rules};
use crate::settings::{Door, Settings};
use crate::shedding;
use crate::upstreams::TRIES_MAX;

/// A patient drain closes idle connections this long before its deadline, so that none is cut in the middle of an answer.
const PATIENCE_MARGIN: Duration = Duration::from_secs(1);
/// How long connections that did not drain in time may take to notice that they were cut.
const CUT_DEADLINE: Duration = Duration::from_secs(1);

/// Why the edge did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A door could not be opened.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which door.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A TLS door without a certificate.
    #[error("a TLS address is set, but no certificate was given")]
    NoCertificate,
    /// The cryptography that is linked does not support what is configured.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// Settings that were never validated.
    #[error(transparent)]
    Rules(#[from] InvalidRules),
}

/// The edge.
pub struct Gateway;

/// A running edge.
pub struct GatewayHandle {
    http: Option<SocketAddr>,
    tls: Option<SocketAddr>,
    draining: CancellationToken,
    ended: CancellationToken,
    tracker: TaskTracker,
    drain_deadline: Duration,
    rules: CurrentRules,
    meters: Arc<Meters>,
    redis: Option<Redis>,
    /// What the rules of now were made of. Locked while new ones are made, so that two reloads do not mix.
    settings: Mutex<Settings>,
}

/// Everything that an edge works with.
pub struct Parts {
    /// Where limits are counted that several edges share; without it each counts for itself.
    pub redis: Option<Redis>,
    /// Where deliveries are stored.
    pub shelf: Arc<dyn Shelf>,
    /// What the health pages show.
    pub health: Health,
    /// Where traces go that no message carries away.
    pub sinks: Arc<dyn SpanSink>,
    /// Which traces are kept.
    pub keep: KeepPolicy,
    /// The certificates; needed when a TLS address is set. Whoever keeps a clone can exchange them while the edge runs.
    pub tls: Option<Certificates>,
    /// What an authority is shown that gives certificates.
    pub challenges: Challenges,
    /// The doors that somebody else opened and keeps open; the others the edge opens itself.
    pub doors: Doors,
    /// Cancelled, before the stop, when another process serves the same doors already. Then the drain is patient: an idle
    /// connection may stay until its next request, whose answer ends it, instead of being closed in the client's face.
    pub succeeded: CancellationToken,
}

/// Listening sockets that were opened outside the edge.
#[derive(Debug, Default)]
pub struct Doors {
    /// The socket of plain HTTP.
    pub http: Option<std::net::TcpListener>,
    /// The socket of TLS.
    pub tls: Option<std::net::TcpListener>,
}

impl Gateway {
    /// Opens the doors. Requests are served from the moment this returns until `stop` is cancelled, which begins the drain.
    ///
    /// # Errors
    /// When a door cannot be opened; then none is.
    pub async fn start(
        settings: &Settings,
        mut parts: Parts,
        stop: CancellationToken,
    ) -> Result<GatewayHandle, StartError> {
        let given = std::mem::take(&mut parts.doors);
        let http = listen(settings.http, given.http).await?;
        let tls = listen(settings.tls, given.tls).await?;
        let origin = Instant::now();
        let rules = Rules::new(settings, parts.redis.as_ref(), origin, None)?;
        let rules: CurrentRules = Arc::new(ArcSwap::from_pointee(rules));
        let acceptor = match (&tls, &parts.tls) {
            (Some(_), Some(certificates)) => {
                let challenges = parts.challenges.clone();
                let acceptor = listeners::acceptor(certificates, challenges, settings, &rules);
                Some(acceptor.map_err(StartError::Tls)?)
            }
            (Some(_), None) => return Err(StartError::NoCertificate),
            (None, _) => None,
        };
        let meters = Meters::new(Arc::clone(&parts.sinks), parts.keep.clone(), origin)
            .map_err(InvalidRules::from)?;
        meters.expose(&rules.load().table);
        let handle = GatewayHandle {
            http: http
                .as_ref()
                .and_then(|listener| listener.local_addr().ok()),
            tls: tls.as_ref().and_then(|listener| listener.local_addr().ok()),
            // A token of its own: the drain may begin without the whole process stopping.
            draining: stop.child_token(),
            ended: CancellationToken::new(),
            tracker: TaskTracker::new(),
            drain_deadline: settings.drain_deadline(),
            rules,
            meters: Arc::new(meters),
            redis: parts.redis.take(),
            settings: Mutex::new(settings.clone()),
        };
        let upstreams = &handle.rules.load().upstreams;
        upstreams.keep(None, &handle.tracker, &handle.draining);
        // Not needed to be ready: an edge that turns somebody away serves all others.
        let capacity = parts.health.component("capacity", false);
        let rules = Arc::clone(&handle.rules);
        let watch = shedding::keep(rules, capacity, handle.draining.clone());
        handle.tracker.spawn(watch);
        let doorway = Arc::new(handle.doorway(settings, parts));
        for (door, listener, tls) in [(Door::Http, http, None), (Door::Tls, tls, acceptor)] {
            let expects_proxy_header = settings.proxy_protocol.contains(&door);
            let entrance = Entrance {
                tls,
                expects_proxy_header,
            };
            if let Some(listener) = listener {
                handle
                    .tracker
                    .spawn(Arc::clone(&doorway).keep_open(listener, entrance));
            }
        }
        tracing::info!(
            name: "edge.started",
            {
                http = handle.http.map(tracing::field::display),
                tls = handle.tls.map(tracing::field::display),
                routes = settings.routes.len(),
            },
            "Edge started"
        );
        Ok(handle)
    }
}

/// Pingora refuses CONNECT with an answer of its own that lacks every header of ours. With this the request reaches the checks
/// instead, and no route takes it.
fn no_bare_refusals() -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.allow_connect_method_proxying = true;
    options
}

async fn listen(
    address: Option<SocketAddr>,
    given: Option<std::net::TcpListener>,
) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = address else {
        return Ok(None);
    };
    let listener = match given {
        Some(socket) => socket
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(socket)),
        None => TcpListener::bind(address).await,
    };
    listener
        .map(Some)
        .map_err(|source| StartError::Listen { address, source })
}

impl GatewayHandle {
    /// Where plain HTTP is served.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where TLS is served.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls
    }

    /// Takes no new connection, answers what is in flight, and returns when all connections are closed or the drain's
    /// deadline has passed. Says whether everything was answered. Twice is fine.
    ///
    /// Not cancel safe in one sense only: dropped halfway, the drain goes on without its deadline.
    pub async fn drain(&self) -> bool {
        self.draining.cancel();
        self.tracker.close();
        if timeout(self.drain_deadline, self.tracker.wait())
            .await
            .is_ok()
        {
            return true;
        }
        let cut = self.tracker.len();
        self.ended.cancel();
        tracing::warn!(name: "edge.drain_cut", { tasks = cut }, "Drain deadline passed, connections were cut");
        // They only have to be polled once more. Whether they made it in time changes nothing any more.
        drop(timeout(CUT_DEADLINE, self.tracker.wait()).await);
        false
    }

    /// Goes by these settings from now on: routes, limits and trusted peers. All of them or, with an error, none; requests in flight
    /// end under the rules under which they began. A limit that has not changed keeps what it has counted.
    ///
    /// Doors, connections and the drain's deadline stay as they are until the next start; the returned changes name them.
    ///
    /// # Errors
    /// When something was never validated and makes no sense.
    pub fn reload(&self, settings: &Settings) -> Result<Changes, InvalidRules> {
        let mut current = self.settings.lock();
        let changes = Changes::between(&current, settings);
        if changes.applied.is_empty() {
            return Ok(changes);
        }
        let before = self.rules.load_full();
        let rules = Rules::new(settings, self.redis.as_ref(), Instant::now(), Some(&before))?;
        self.meters.expose(&rules.table);
        let known = Some(&before.upstreams);
        rules.upstreams.keep(known, &self.tracker, &self.draining);
        rules.table.take_over_from(&before.table);
        rules.shedding.take_over_from(&before.shedding);
        self.rules.store(Arc::new(rules));
        *current = settings.clone();
        Ok(changes)
    }

    /// What answers the pages of the edge that are for its own people, by their paths, as JSON: `/hooks/{name}/deliveries`, the last 100
    /// deliveries of a hook and the last 100 that were refused, as this edge saw them since it started. Nothing for other paths.
    pub fn pages(&self) -> impl Fn(&str) -> Option<String> + Send + Sync + 'static + use<> {
        let rules = Arc::clone(&self.rules);
        move |path| recent::page(&rules.load().table, path)
    }

    /// Who forgets kept answers, for whoever may order that.
    pub fn purger(&self) -> Purger {
        Purger::of(&self.rules)
    }

    fn doorway(&self, settings: &Settings, parts: Parts) -> Doorway {
        let limits = &settings.connections;
        let head = HeadLimits::of(limits);
        let edge = Edge {
            rules: Arc::clone(&self.rules),
            pace: Pace::new(limits),
            fields_max: limits.head_fields_max,
            write_deadline: Duration::from_millis(limits.write_deadline_ms),
            shelf: parts.shelf,
            challenges: parts.challenges,
            health: parts.health,
            meters: Arc::clone(&self.meters),
            draining: self.draining.clone(),
            tracker: self.tracker.clone(),
        };
        let conf = ServerConf {
            max_retries: TRIES_MAX,
            ..ServerConf::default()
        };
        let mut proxy = http_proxy(&Arc::new(conf), edge);
        proxy.server_options = Some(no_bare_refusals());
        proxy.h2_options = Some(listeners::h2_options(head, limits.streams_max));
        Doorway {
            proxy: Arc::new(proxy),
            meters: Arc::clone(&self.meters),
            connections: Connections::new(
                files::room_for(limits.total_max),
                limits.per_address_max,
            ),
            rules: Arc::clone(&self.rules),
            head,
            head_deadline: Duration::from_millis(limits.head_deadline_ms),
            handshake_deadline: Duration::from_millis(limits.handshake_deadline_ms),
            idle: Duration::from_millis(limits.idle_ms),
            write_deadline: Duration::from_millis(limits.write_deadline_ms),
            stalled: Arc::default(),
            control_frames_per_second_max: limits.control_frames_per_second_max,
            linger: Linger {
                succeeded: parts.succeeded,
                patient: settings.drain_deadline().saturating_sub(PATIENCE_MARGIN),
            },
            tracker: self.tracker.clone(),
            draining: self.draining.clone(),
            ended: self.ended.clone(),
            shutdown: self.shutdown_watch(),
        }
    }

    /// The beginning of the drain, in the form in which Pingora listens for it.
    fn shutdown_watch(&self) -> watch::Receiver<bool> {
        let (announce, watch) = watch::channel(self.draining.is_cancelled());
        let draining = self.draining.clone();
        self.tracker.spawn(async move {
            draining.cancelled().await;
            announce.send_replace(true);
        });
        watch
    }
}
