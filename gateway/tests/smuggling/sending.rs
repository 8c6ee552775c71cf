//! Sends every case through an edge to one origin, and says which of them did not meet their fate.
//!
//! Behind each case goes a probe, on a connection of its own to the edge: it takes the connection to the origin that the case may have
//! left something on, and would arrive as something else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::origins::Origin;
use super::{Case, Fate, Over, PATH, cases};

/// Nothing takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where an edge is.
pub(crate) struct Doors<'d> {
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
    /// Whom to believe that it is `localhost`, as PEM.
    pub(crate) authority: &'d [u8],
}

/// How the bytes of a case leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// In one piece, so that the edge has them all when it reads first.
    AtOnce,
    /// The head alone, and the rest when it was surely read.
    InPieces,
}

/// How soon a head was surely read.
const SURELY_READ: Duration = Duration::from_millis(3);

/// What whoever sent a case was told.
#[derive(Debug, Default)]
struct Reply {
    status: Option<u16>,
    /// Whether anything came behind the answer.
    has_more: bool,
    /// Whether the edge ended the connection; of a case that is fine, nobody asks.
    is_closed: bool,
}

/// One pass of all cases: to an origin of its own, in one manner.
pub(crate) struct Pass {
    /// The edge has to hand on what lies below this letter.
    pub(crate) letter: char,
    pub(crate) origin: Origin,
    pub(crate) manner: Manner,
}

/// Both origins in both manners.
pub(crate) async fn passes() -> [Pass; 4] {
    let pass = |letter, origin, manner| Pass {
        letter,
        origin,
        manner,
    };
    [
        pass('h', Origin::hyper().await, Manner::AtOnce),
        pass('i', Origin::hyper().await, Manner::InPieces),
        pass('n', Origin::node().await, Manner::AtOnce),
        pass('o', Origin::node().await, Manner::InPieces),
    ]
}

/// Sends all cases, and tells of each that came to anything else than its fate.
pub(crate) async fn mistakes(doors: &Doors<'_>, pass: &Pass) -> Vec<String> {
    let Pass {
        letter,
        ref origin,
        manner,
    } = *pass;
    let mut cases = cases();
    // Behind a head without a body the rest is another request, which is answered when it comes on time.
    cases.retain(|case| manner == Manner::AtOnce || case.fate != Fate::One(""));
    let paths: Vec<String> = (0..cases.len())
        .map(|number| format!("/{letter}/{number:04}"))
        .collect();
    let mut replies = Vec::new();
    for (case, path) in cases.iter().zip(&paths) {
        let bytes = addressed(&case.bytes, path);
        replies.push(match case.over {
            Over::Plain => ask(doors.plain, &bytes, case.fate, manner).await,
            Over::Http2 => ask_http_2(doors, &bytes).await,
        });
        let probe = format!("GET {path}/probe HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n");
        let probed = ask(doors.plain, probe.as_bytes(), Fate::One(""), Manner::AtOnce).await;
        assert_eq!(probed.status, Some(200), "the probe behind {}", case.name);
    }
    if let Some(last) = paths.last() {
        origin.tells_of(&format!("{last}/probe")).await;
    }
    let (begun, whole) = (origin.begun(), origin.whole());
    let arrived = |path: &str| Arrived::of(path, &begun, &whole);
    cases
        .iter()
        .zip(&paths)
        .zip(&replies)
        .filter_map(|((case, path), reply)| wrong(case, manner, path, reply, &arrived(path)))
        .map(|mistake| format!("{}, {manner:?}: {mistake}", origin.name))
        .collect()
}

/// What an origin has of one case.
#[derive(Debug)]
struct Arrived {
    begun: Vec<String>,
    whole: Vec<(String, String)>,
    probes: usize,
}

impl Arrived {
    fn of(path: &str, begun: &[String], whole: &[(String, String)]) -> Self {
        let probe = format!("{path}/probe");
        let is_of_it = |known: &String| known.starts_with(path) && *known != probe;
        Self {
            begun: begun
                .iter()
                .filter(|known| is_of_it(known))
                .cloned()
                .collect(),
            whole: whole
                .iter()
                .filter(|(known, _)| is_of_it(known))
                .cloned()
                .collect(),
            probes: whole
                .iter()
                .filter(|(known, body)| *known == probe && body.is_empty())
                .count(),
        }
    }
}

/// What is wrong with what a case came to, if anything is.
fn wrong(
    case: &Case,
    manner: Manner,
    path: &str,
    reply: &Reply,
    arrived: &Arrived,
) -> Option<String> {
    let is_ended = reply.is_closed && !reply.has_more;
    let holds = match case.fate {
        Fate::Refused(status) => {
            reply.status == Some(status) && is_ended && arrived.begun.is_empty()
        }
        Fate::Cut => reply.status == Some(400) && is_ended && arrived.whole.is_empty(),
        Fate::One(body) => {
            let only = [(path.to_owned(), body.to_owned())];
            let is_answered = reply.status == Some(200) && !reply.has_more && arrived.whole == only;
            // Whoever goes on talking before the answer came may be cut off.
            let is_cut_off = manner == Manner::InPieces && reply.status == Some(400) && is_ended;
            is_answered || (is_cut_off && only.starts_with(&arrived.whole))
        }
        Fate::Reset => !matches!(reply.status, Some(200..300)) && arrived.whole.is_empty(),
        Fate::ResetBehind(body) => {
            let only = [(path.to_owned(), body.to_owned())];
            !matches!(reply.status, Some(200..300)) && only.starts_with(&arrived.whole)
        }
    };
    let is_alone = arrived.begun.len() <= 1 && arrived.probes == 1;
    (!holds || !is_alone).then(|| {
        format!(
            "{}: {:?} expected, {reply:?}, {arrived:?}",
            case.name, case.fate
        )
    })
}

/// The bytes of a case with a path of its own.
fn addressed(bytes: &[u8], path: &str) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> = bytes
        .windows(PATH.len())
        .enumerate()
        .filter(|(_, window)| *window == PATH.as_bytes())
        .map(|(place, _)| place)
        .collect();
    for place in places {
        bytes[place..place + PATH.len()].copy_from_slice(path.as_bytes());
    }
    bytes
}

/// Sends bytes on a plain connection and reads what comes.
async fn ask(door: SocketAddr, bytes: &[u8], fate: Fate, manner: Manner) -> Reply {
    let mut stream = TcpStream::connect(door).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, rest) = match (manner, end) {
        (Manner::InPieces, Some(end)) => bytes.split_at(end + 4),
        (Manner::AtOnce, _) | (Manner::InPieces, None) => (bytes, [].as_slice()),
    };
    // Who refuses early may not take it all.
    stream.write_all(head).await.ok();
    if !rest.is_empty() {
        tokio::time::sleep(SURELY_READ).await;
        stream.write_all(rest).await.ok();
    }
    let mut got = Vec::new();
    let length = timeout(
        PATIENCE,
        answer(&mut stream, &mut got, bytes.starts_with(b"HEAD ")),
    )
    .await
    .unwrap_or_default();
    if matches!(fate, Fate::One(_)) || manner == Manner::InPieces {
        // It may well wait: for the next request, or for what is left of a body that it does not want.
        stream.shutdown().await.ok();
    }
    let is_closed = timeout(PATIENCE, stream.read_to_end(&mut got))
        .await
        .is_ok();
    Reply {
        status: length.map(|(status, _)| status),
        has_more: length.is_some_and(|(_, length)| got.len() > length),
        is_closed,
    }
}

/// Reads until a whole answer is there: its status, and how long it and what came before it are.
async fn answer(
    stream: &mut TcpStream,
    got: &mut Vec<u8>,
    is_bodiless: bool,
) -> Option<(u16, usize)> {
    loop {
        if let Some(found) = whole_answer(got, is_bodiless) {
            return Some(found);
        }
        if stream.read_buf(got).await.ok()? == 0 {
            return None;
        }
    }
}

fn whole_answer(got: &[u8], is_bodiless: bool) -> Option<(u16, usize)> {
    let mut from = 0;
    loop {
        let rest = got.get(from..)?;
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&rest[..end]).ok()?.to_ascii_lowercase();
        let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
        from += end;
        if status < 200 {
            continue;
        }
        let announced = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = announced.map_or(0, |digits| digits.parse().unwrap());
        let whole = from + if is_bodiless { 0 } else { length };
        return (got.len() >= whole).then_some((status, whole));
    }
}

/// Sends bytes on a TLS connection that speaks HTTP/2, and reads frames until the first stream or the connection ends.
async fn ask_http_2(doors: &Doors<'_>, bytes: &[u8]) -> Reply {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(doors.authority) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let socket = TcpStream::connect(doors.tls).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
        .unwrap();
    let mut status = None;
    let asking = async {
        stream.write_all(bytes).await?;
        stream.flush().await?;
        frames(&mut stream, &mut status).await
    };
    // However it ends, what was said until then counts.
    let is_closed = timeout(PATIENCE, asking).await.is_ok();
    Reply {
        status,
        has_more: false,
        is_closed,
    }
}

async fn frames(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    status: &mut Option<u16>,
) -> std::io::Result<()> {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const RESET: u8 = 3;
    const GOAWAY: u8 = 7;
    const END_STREAM: u8 = 1;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let [high, middle, low, kind, flags, ..] = head;
        let length = u32::from_be_bytes([0, high, middle, low]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await?;
        if kind == HEADERS {
            *status = payload.first().copied().map(status_of);
        }
        let ends_stream = matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
        if ends_stream || matches!(kind, RESET | GOAWAY) {
            return Ok(());
        }
    }
}

/// The status that the first byte of an answer's fields stands for, where HPACK's static table has it. Any other is not 200.
fn status_of(first: u8) -> u16 {
    match first {
        0x88 => 200,
        0x89 => 204,
        0x8a => 206,
        0x8b => 304,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        _ => 0,
    }
}
