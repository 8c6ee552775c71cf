//! HTTP/2 by hand: frames that no library would send, and the few that a client needs to begin.
//!
//! It exists for the rows that flood the edge with frames, or leave them unfinished. What they say about the edge is for the rows.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::crowd::Tls;

/// The protocol's name in a TLS handshake.
pub(crate) const PROTOCOL: &[u8] = b"h2";
/// What a client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// No frame of the edge's is longer than this (RFC 9113, section 4.2).
const PAYLOAD_MAX: usize = 16_384;

/// The kinds of frames (RFC 9113, section 6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
/// A kind that nobody has defined.
pub(crate) const UNKNOWN: u8 = 0xbe;

/// The flags of those frames.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// A frame that was read.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) payload: Vec<u8>,
}

/// A frame as it goes over the wire.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The next frame of the edge's.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let [high, middle, low, kind, ..] = head;
    let length = u32::from_be_bytes([0, high, middle, low]) as usize;
    if length > PAYLOAD_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok(Frame { kind, payload })
}

/// A field of a header block, spelled out and kept in no table (RFC 7541, section 6.2.2).
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        number(&mut bytes, 0, 7, text.len());
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// The same field, to be kept in the table of the connection (section 6.2.1).
pub(crate) fn kept_field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = field(name, value);
    bytes[0] = 0x40;
    bytes
}

/// A number with so many bits in its first byte, the others of which are these (section 5.1).
fn number(bytes: &mut Vec<u8>, first: u8, bits: u8, mut value: usize) {
    let most = (1_usize << bits) - 1;
    if value < most {
        bytes.push(first | u8::try_from(value).unwrap());
        return;
    }
    bytes.push(first | u8::try_from(most).unwrap());
    value -= most;
    while value >= 128 {
        bytes.push(u8::try_from(value % 128).unwrap() | 128);
        value /= 128;
    }
    bytes.push(u8::try_from(value).unwrap());
}

/// The header block of a request, with more fields behind those that each has.
pub(crate) fn block(method: &str, path: &str, more: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in [
        (":method", method),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
    ] {
        bytes.extend(field(name, value));
    }
    bytes.extend(more);
    bytes
}

/// A request that has nothing more to say.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    let flags = END_STREAM | END_HEADERS;
    frame(HEADERS, flags, stream, &block("GET", path, &[]))
}

/// A connection on which both sides have said their settings.
pub(crate) struct Connection {
    pub(crate) stream: TlsStream<TcpStream>,
    /// What the edge has announced, as it stands in its frame.
    pub(crate) settings: Vec<u8>,
}

impl Connection {
    /// Begins HTTP/2 on this socket.
    pub(crate) async fn begin(tls: &Tls, socket: TcpStream) -> io::Result<Self> {
        let mut stream = tls.shake(socket).await?;
        let mut opening = PREFACE.to_vec();
        opening.extend(frame(SETTINGS, 0, 0, &[]));
        stream.write_all(&opening).await?;
        let settings = read(&mut stream).await?;
        if settings.kind != SETTINGS {
            return Err(io::ErrorKind::InvalidData.into());
        }
        stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await?;
        Ok(Self {
            stream,
            settings: settings.payload,
        })
    }

    /// Asks for a page and waits until its answer has begun.
    pub(crate) async fn ask(&mut self, stream: u32, path: &str) -> io::Result<()> {
        self.stream.write_all(&get(stream, path)).await?;
        while read(&mut self.stream).await?.kind != HEADERS {}
        Ok(())
    }

    /// What the edge has announced under this number.
    pub(crate) fn setting(&self, wanted: u16) -> Option<u32> {
        self.settings.chunks_exact(6).find_map(|entry| {
            let (id, value) = entry.split_first_chunk::<2>()?;
            let value = u32::from_be_bytes(value.try_into().ok()?);
            (u16::from_be_bytes(*id) == wanted).then_some(value)
        })
    }
}
