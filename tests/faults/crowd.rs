//! Clients in their thousands, from many addresses of this machine, so that the edge's cap per address is not what stops them.
//!
//! It exists for the rows that press against the edge's front. Opening connections is all it knows; what is done on one, and what that
//! says about the edge, is for the rows.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Connections of one address: well below the cap of the edge (512).
pub(crate) const PER_ADDRESS: usize = 200;
/// How long a connection may take to be there. The edge's queue of those that it has not accepted yet is finite.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
/// Files of this process that are no connection of a crowd.
const OTHER_FILES: usize = 1_000;

/// A member of a crowd with its own address: 127.50.0.1, 127.50.0.2 and so on, so many members each.
fn address_of(member: usize) -> Ipv4Addr {
    let group = u16::try_from(member / PER_ADDRESS).unwrap();
    let [high, low] = (group + 1).to_be_bytes();
    Ipv4Addr::new(127, 50, high, low)
}

/// Connects as this member. A narrow connection takes in no more than a few kilobytes that nobody has read yet.
pub(crate) async fn dial(member: usize, port: u16, is_narrow: bool) -> io::Result<TcpStream> {
    dial_from(address_of(member), port, is_narrow).await
}

/// Connects from this address.
pub(crate) async fn dial_from(
    address: Ipv4Addr,
    port: u16,
    is_narrow: bool,
) -> io::Result<TcpStream> {
    const NARROW_BYTES: u32 = 4_096;
    let socket = TcpSocket::new_v4()?;
    if is_narrow {
        socket.set_recv_buffer_size(NARROW_BYTES)?;
    }
    socket.bind(SocketAddr::from((address, 0)))?;
    let edge = SocketAddr::from(([127, 0, 0, 1], port));
    tokio::time::timeout(CONNECTED_WITHIN, socket.connect(edge))
        .await
        .map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Has every member of a crowd live its life. They begin one after the other, so many in a second.
pub(crate) async fn assemble<T: Send + 'static, L>(
    count: usize,
    per_second: u32,
    life: impl Fn(usize) -> L,
) -> Vec<T>
where
    L: Future<Output = T> + Send + 'static,
{
    let (began, gap) = (Instant::now(), Duration::from_secs(1) / per_second);
    let mut lives = JoinSet::new();
    for member in 0..count {
        let due = began + gap * u32::try_from(member).unwrap();
        tokio::time::sleep_until(due.into()).await;
        lives.spawn(life(member));
    }
    lives.join_all().await
}

/// How many connections a crowd may have here, of so many that are wanted, when each takes so many files of this process. Raises the
/// soft limit to the hard one first.
pub(crate) fn affordable(wanted: usize, files_each: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let files = raised.current.map_or(usize::MAX, |files| files as usize);
    wanted.min(files.saturating_sub(OTHER_FILES) / files_each)
}

/// How TLS is begun with the edge of a house that shows its development certificate.
#[derive(Clone)]
pub(crate) struct Tls(TlsConnector);

impl Tls {
    /// Trusts the authority in this folder of a house's data, and asks for this protocol. Nothing is resumed: each handshake is a whole
    /// one, over X25519 in TLS 1.3.
    pub(crate) fn trusting(data: &Path, protocol: &[u8]) -> Self {
        let authority = CertificateDer::from_pem_file(data.join("tls/ca.pem")).unwrap();
        Self::to(authority, protocol)
    }

    /// The same for another authority.
    pub(crate) fn to(authority: CertificateDer<'_>, protocol: &[u8]) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority).unwrap();
        let mut provider = rustls::crypto::ring::default_provider();
        provider.kx_groups = vec![rustls::crypto::ring::kx_group::X25519];
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Self(TlsConnector::from(Arc::new(config)))
    }

    /// Shakes hands.
    pub(crate) async fn shake(&self, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        self.0.connect(name, socket).await
    }
}
