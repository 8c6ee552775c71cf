//! From a listening socket to a request: the accept loop around Pingora's proxy.
//!
//! It exists because Pingora's own server bounds neither heads nor handshakes nor connections as a front door must, and cannot be
//! drained under our own clock. Each connection is counted before it costs anything, serves its requests one protocol at a
//! time ([`http1`], [`http2`]), and is waited for at the end. What a request means is for [`crate::edge`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::protocols::ALPN;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::edge::Edge;
use crate::events::{Connected, Meters};
use crate::head::HeadLimits;
use crate::rules::CurrentRules;

mod connections;
mod entrance;
pub(crate) mod files;
mod frames;
mod gathered;
mod http1;
mod http2;
mod patience;
mod proxy_header;
mod tls;

use connections::Admitted;
pub(crate) use connections::Connections;
pub(crate) use entrance::Entrance;
pub(crate) use http2::options as h2_options;
use patience::Patience;
pub(crate) use patience::Waiting;
pub use tls::{
    CertificateChanges, CertificateFacts, CertificateFault, CertificateRefused, Certificates,
    PemPair, PemSet, TlsProfile,
};
pub(crate) use tls::{ClientChain, acceptor, dns_names, facts_of};

/// How long the loop rests when the kernel refuses to hand over a connection, mostly for want of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// What every connection needs.
pub(crate) struct Doorway {
    pub(crate) proxy: Arc<HttpProxy<Edge>>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) rules: CurrentRules,
    pub(crate) head: HeadLimits,
    pub(crate) head_deadline: Duration,
    pub(crate) handshake_deadline: Duration,
    pub(crate) idle: Duration,
    pub(crate) write_deadline: Duration,
    /// Clients, of all connections, that do not take what is written.
    pub(crate) stalled: Arc<Waiting>,
    pub(crate) control_frames_per_second_max: u32,
    pub(crate) linger: Linger,
    pub(crate) tracker: TaskTracker,
    /// Cancelled when the drain begins.
    pub(crate) draining: CancellationToken,
    /// Cancelled when the drain's deadline has passed.
    pub(crate) ended: CancellationToken,
    /// The same as `draining`, as Pingora wants to hear it.
    pub(crate) shutdown: ShutdownWatch,
}

/// How long an idle connection is kept when the drain has begun.
pub(crate) struct Linger {
    /// Cancelled when a successor serves the same doors.
    pub(crate) succeeded: CancellationToken,
    /// How long a connection may stay idle then.
    pub(crate) patient: Duration,
}

/// Without a successor nobody else would answer: a request that is on its way still arrives within this time.
const SHORT_LINGER: Duration = Duration::from_millis(500);

impl Linger {
    fn lasts(&self) -> Duration {
        if self.succeeded.is_cancelled() {
            self.patient.max(SHORT_LINGER)
        } else {
            SHORT_LINGER
        }
    }
}

impl Doorway {
    /// Accepts connections until the drain begins.
    pub(crate) async fn keep_open(self: Arc<Self>, listener: TcpListener, entrance: Entrance) {
        let entrance = Arc::new(entrance);
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.draining.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => self.admit(socket, peer, &entrance),
                Err(error) => {
                    tracing::warn!(name: "edge.accept_failed", { error = %error }, "Accepting a connection failed");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, socket: TcpStream, peer: SocketAddr, entrance: &Arc<Entrance>) {
        let rules = self.rules.load();
        if rules.deny.denies(peer.ip()) {
            self.meters.connection(Connected::Denied);
            return;
        }
        let is_ours = rules.peers.trusts(peer.ip());
        let Some(mut admitted) = self.connections.admit(peer.ip(), is_ours) else {
            self.meters.connection(Connected::Limit);
            return;
        };
        let doorway = Arc::clone(self);
        let entrance = Arc::clone(entrance);
        self.tracker.spawn(async move {
            let ended = doorway.ended.clone();
            tokio::select! {
                biased;
                () = ended.cancelled() => {}
                () = doorway.serve(&entrance, socket, peer, &mut admitted) => {}
            }
            drop(admitted);
        });
    }

    /// The patience with a client that does not take what is written.
    fn writing(&self) -> Patience {
        Patience::shared(self.write_deadline, Arc::clone(&self.stalled))
    }

    async fn serve(
        &self,
        entrance: &Entrance,
        socket: TcpStream,
        peer: SocketAddr,
        admitted: &mut Admitted,
    ) {
        let stream = match entrance.open(self, socket, peer, admitted).await {
            Ok(stream) => stream,
            Err(outcome) => return self.meters.connection(outcome),
        };
        self.meters.connection(Connected::Accepted);
        match stream.selected_alpn_proto() {
            // In a box, so that those who speak HTTP/1 keep no room for it.
            Some(ALPN::H2) => Box::pin(http2::serve(self, stream)).await,
            // An authority has seen what it wanted in the handshake, and says nothing more.
            Some(ALPN::Custom(_)) => {}
            Some(ALPN::H1 | ALPN::H2H1) | None => {
                http1::serve(self, stream).await;
            }
        }
    }
}
