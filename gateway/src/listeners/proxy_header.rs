//! The PROXY protocol: a load balancer says, before anything else, for whom it has opened a connection.
//!
//! It exists because a balancer that only moves bytes cannot write `X-Forwarded-For`. Both versions are read as HAProxy's
//! specification (`proxy-protocol.txt`) has them, and exactly: on a door that expects a header nothing is guessed, since whoever may
//! leave it out may also make one up. Whose header is believed is for [`super`].

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use self::ProxyHeaderError::{Malformed, Missing};

/// How a header of version 2 begins.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// How one of version 1 begins.
const WORD: &[u8] = b"PROXY ";
/// The longest line of version 1, its line end included, by the specification.
const LINE_BYTES_MAX: usize = 107;
/// Bytes of addresses and extensions in version 2. Real ones stay below a few hundred; the length field would allow 65,535.
const PAYLOAD_BYTES_MAX: usize = 4_096;

/// Why a connection that should begin with a header is closed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProxyHeaderError {
    /// It does not begin with a header.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    /// The header breaks the specification.
    #[error("the PROXY header is malformed: {0}")]
    Malformed(&'static str),
    /// The connection ended before the header did.
    #[error("the connection ended in its PROXY header")]
    Cut,
}

impl From<io::Error> for ProxyHeaderError {
    fn from(_: io::Error) -> Self {
        Self::Cut
    }
}

/// Reads the header and not a byte beyond it. `None`: the balancer speaks for itself, as it does to see whether we live.
///
/// # Errors
/// When there is none, or not a whole and sound one.
pub(super) async fn read(socket: &mut TcpStream) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    // The shortest header of all is longer than this.
    let mut start = [0_u8; SIGNATURE.len()];
    socket.read_exact(&mut start).await?;
    if start == SIGNATURE {
        return read_binary(socket).await;
    }
    if start.starts_with(WORD) {
        return read_line(socket, &start).await;
    }
    Err(Missing)
}

async fn read_binary(socket: &mut TcpStream) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let mut fixed = [0_u8; 4];
    socket.read_exact(&mut fixed).await?;
    let [command, family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > PAYLOAD_BYTES_MAX {
        return Err(Malformed("it is too long"));
    }
    let mut payload = vec![0_u8; length];
    socket.read_exact(&mut payload).await?;
    binary(command, family, &payload)
}

/// The client of a header of version 2.
fn binary(command: u8, family: u8, payload: &[u8]) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    const UNSPECIFIED: u8 = 0x00;
    const TCP_OVER_IPV4: u8 = 0x11;
    const TCP_OVER_IPV6: u8 = 0x21;
    match (command, family) {
        (LOCAL, _) | (PROXY, UNSPECIFIED) => Ok(None),
        (PROXY, TCP_OVER_IPV4) => client::<4, 12>(payload, |ip| Ipv4Addr::from(ip).into()),
        (PROXY, TCP_OVER_IPV6) => client::<16, 36>(payload, |ip| Ipv6Addr::from(ip).into()),
        (PROXY, _) => Err(Malformed("it is not about TCP")),
        _ => Err(Malformed("its version or command is unknown")),
    }
}

/// Two addresses of `N` bytes, then their two ports; extensions may follow and are not needed.
fn client<const N: usize, const ALL: usize>(
    payload: &[u8],
    ip: impl Fn([u8; N]) -> IpAddr,
) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let addresses: Option<&[u8; ALL]> = payload.first_chunk();
    let parts = addresses.and_then(|all| {
        let source: &[u8; N] = all.first_chunk()?;
        let ports: &[u8; 4] = all.last_chunk()?;
        let port: &[u8; 2] = ports.first_chunk()?;
        Some(SocketAddr::new(ip(*source), u16::from_be_bytes(*port)))
    });
    parts
        .map(Some)
        .ok_or(Malformed("its addresses are cut off"))
}

async fn read_line(
    socket: &mut TcpStream,
    start: &[u8],
) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let mut line = start.to_vec();
    while line.len() < LINE_BYTES_MAX {
        // Looking first, because what follows the line is not ours to take.
        let mut ahead = [0_u8; LINE_BYTES_MAX];
        let room = LINE_BYTES_MAX.saturating_sub(line.len());
        let window = ahead.get_mut(..room).unwrap_or_default();
        let there = socket.peek(window).await?;
        let seen = window.get(..there).unwrap_or_default();
        let end = seen.iter().position(|byte| *byte == b'\n');
        let take = end.map_or(there, |end| end.saturating_add(1));
        if take == 0 {
            return Err(ProxyHeaderError::Cut);
        }
        line.extend_from_slice(seen.get(..take).unwrap_or_default());
        let mut taken = [0_u8; LINE_BYTES_MAX];
        socket
            .read_exact(taken.get_mut(..take).unwrap_or_default())
            .await?;
        if end.is_some() {
            return text(&line);
        }
    }
    Err(Malformed("its line does not end"))
}

/// The client of a header of version 1, its line end included.
fn text(line: &[u8]) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let line = line
        .strip_suffix(b"\r\n")
        .ok_or(Malformed("its line ends without carriage return"))?;
    let line = std::str::from_utf8(line).map_err(|_| Malformed("it is no text"))?;
    let mut words = line.split(' ').skip(1);
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        return Ok(None);
    }
    let (Some(source), Some(destination), Some(port), Some(to_port), None) = (
        words.next(),
        words.next(),
        words.next(),
        words.next(),
        words.next(),
    ) else {
        return Err(Malformed("it has not two addresses and two ports"));
    };
    number(to_port)?;
    let address = SocketAddr::new(address(source)?, number(port)?);
    let same_family = address.is_ipv4() == self::address(destination)?.is_ipv4();
    match family {
        "TCP4" if same_family && address.is_ipv4() => Ok(Some(address)),
        "TCP6" if same_family && address.is_ipv6() => Ok(Some(address)),
        "TCP4" | "TCP6" => Err(Malformed("its addresses are of another family")),
        _ => Err(Malformed("it is not about TCP")),
    }
}

fn address(text: &str) -> Result<IpAddr, ProxyHeaderError> {
    text.parse()
        .map_err(|_| Malformed("an address cannot be read"))
}

/// Digits alone, without zeros in front.
fn number(text: &str) -> Result<u16, ProxyHeaderError> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let port = plain.then(|| text.parse().ok()).flatten();
    port.ok_or(Malformed("a port cannot be read"))
}

#[cfg(test)]
mod tests;
