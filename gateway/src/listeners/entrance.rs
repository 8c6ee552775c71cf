//! A door: from a socket to a stream on which requests can be read.
//!
//! It exists because doors differ in what comes before the first request: who it is that has connected, which a balancer may have to
//! say first, and TLS. Both together have one deadline. What follows is the same for all, and for [`super`].

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use pingora::listeners::tls::Acceptor;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::{GetSocketDigest, SocketDigest, Ssl, Stream};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::connections::Admitted;
use super::{Doorway, proxy_header};
use crate::events::Connected;

/// What a door asks of whoever comes in.
pub(crate) struct Entrance {
    /// TLS.
    pub(crate) tls: Option<Acceptor>,
    /// A header of the PROXY protocol, from a trusted peer.
    pub(crate) expects_proxy_header: bool,
}

impl Entrance {
    /// Makes Pingora's kind of stream of a socket, with TLS inside if the door has it.
    ///
    /// # Errors
    /// What became of the connection instead. It is closed without a word: nobody has been understood yet.
    pub(super) async fn open(
        &self,
        doorway: &Doorway,
        mut socket: TcpStream,
        peer: SocketAddr,
        admitted: &mut Admitted,
    ) -> Result<Stream, Connected> {
        let until = Instant::now() + doorway.handshake_deadline;
        prepare(&socket, doorway.write_deadline);
        let client = if self.expects_proxy_header {
            let _introducing = doorway.meters.states.handshake.hold();
            timeout_at(until, introduced(doorway, &mut socket, peer, admitted))
                .await
                .unwrap_or(Err(Connected::ProxyHeader))?
        } else {
            peer
        };
        let digest = SocketDigest::from_raw_fd(socket.as_raw_fd());
        // Set here, so that a peer who has left already still has an address. Nobody has set it before.
        digest.peer_addr.get_or_init(|| Some(client.into()));
        let mut stream = L4Stream::from(socket);
        stream.set_socket_digest(digest);
        let Some(acceptor) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let _handshaking = doorway.meters.states.handshake.hold();
        let began = Instant::now();
        // A handshake takes 7 KiB of state; in a box of its own they are given back when it is over, on all connections that idle then.
        let handshake = Box::pin(acceptor.tls_handshake(stream));
        let shaken = timeout_at(until, handshake).await;
        let told = |outcome, version: &str| {
            doorway.meters.handshake(began.elapsed(), outcome, version);
        };
        match shaken {
            Ok(Ok(stream)) => {
                let digest = stream.get_ssl_digest();
                let name = digest.as_ref().map_or("", |digest| &*digest.version);
                told("ok", version(name));
                Ok(Box::new(stream))
            }
            Ok(Err(_)) => {
                told("failed", "");
                Err(Connected::TlsError)
            }
            Err(_elapsed) => {
                told("timeout", "");
                Err(Connected::TlsError)
            }
        }
    }
}

/// How much of an answer may wait in the kernel to be sent. What is on its way is not part of it, so a fast reader is none the slower.
const UNSENT_BYTES_MAX: u32 = 128 * 1024;

/// Tells the kernel what a client may do with what we write. A socket on which that cannot be said has lost its peer, which the first
/// read will find.
fn prepare(socket: &TcpStream, write_deadline: Duration) {
    // Answers are written whole; waiting for more to send would only delay them.
    socket.set_nodelay(true).ok();
    let socket = SockRef::from(socket);
    // Otherwise megabytes may wait there for a client that reads nothing, and nobody here would know that they do.
    socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX).ok();
    // The rest of that answer: what is not taken ends the connection from the other side of the kernel, too.
    socket.set_tcp_user_timeout(Some(write_deadline)).ok();
}

/// A version as metrics have it, of the name that the library gives it.
fn version(name: &str) -> &'static str {
    match name {
        "TLSv1_2" => "1.2",
        "TLSv1_3" => "1.3",
        _ => "",
    }
}

/// For whom a trusted peer has connected. From here on the connection counts as the client's.
async fn introduced(
    doorway: &Doorway,
    socket: &mut TcpStream,
    peer: SocketAddr,
    admitted: &mut Admitted,
) -> Result<SocketAddr, Connected> {
    let rules = doorway.rules.load_full();
    if !rules.peers.trusts(peer.ip()) {
        return Err(Connected::ProxyHeader);
    }
    let header = proxy_header::read(socket).await.map_err(|error| {
        tracing::debug!(name: "edge.proxy_header_refused", { error = %error }, "A PROXY header is refused");
        Connected::ProxyHeader
    })?;
    let Some(client) = header else {
        return Ok(peer);
    };
    if rules.deny.denies(client.ip()) {
        return Err(Connected::Denied);
    }
    let is_ours = rules.peers.trusts(client.ip());
    if is_ours || admitted.belongs_to(client.ip()) {
        Ok(client)
    } else {
        Err(Connected::Limit)
    }
}
