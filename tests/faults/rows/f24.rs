//! F24: heads without an end, with ten thousand fields, or with one enormous one, in HTTP/1.1 and HTTP/2.

use std::io;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::crowd::{self, Tls};
use crate::frames::{self, CONTINUATION, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM};
use crate::front::{self, Clients};
use crate::latency::Times;
use crate::outfit::Doors;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::vitals::Memory;

pub(crate) const ROW: Row = Row {
    id: "F24",
    fault: "1,000 clients of each kind: heads of 1 MiB without an end, 10,000 fields, a cookie of 64 KiB; the last two over HTTP/2 as well",
    allowed: "431 (HTTP/2: that, or the end of stream or connection) after 32 KiB or 100 fields, within 3 s; memory +50 MB at most; good p99 < 200 ms",
    duplicates: Duplicates::Never,
    run,
};

const CLIENTS: usize = 1_000;
const SHORT_CLIENTS: usize = 60;
const PER_SECOND: u32 = 500;
/// Handshakes take their time on both sides.
const PER_SECOND_TLS: u32 = 200;
const GROWTH_MAX: u64 = 50 << 20;
/// From the first byte to the end of the connection; the edge gives a second to read why.
const ENDED_WITHIN: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(15);
const CONNECTIONS: &str = "total_max: 16384";

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    overfill(stage).boxed_local()
}

/// What is sent.
#[derive(Clone, Copy)]
enum Head {
    Endless,
    ManyFields,
    LargeCookie,
}

/// What became of it.
struct End {
    is_refused: bool,
    took: Duration,
}

async fn overfill(stage: &mut Stage) -> Outcome {
    let (site, _folder) = front::open(stage, CONNECTIONS, None).await;
    let clients = Clients::of(stage, CLIENTS, SHORT_CLIENTS, 1);
    let load = site.load(stage.base);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let doors = &site.outfit.doors;
    let tls = Tls::trusting(site.outfit.home.path(), frames::PROTOCOL);
    let memory = Memory::watch(site.gateway.process());
    let mut told = Vec::new();
    for (name, head, is_h2) in [
        ("heads without an end", Head::Endless, false),
        ("10,000 fields", Head::ManyFields, false),
        ("a cookie of 64 KiB", Head::LargeCookie, false),
        ("10,000 fields over HTTP/2", Head::ManyFields, true),
        ("a cookie of 64 KiB over HTTP/2", Head::LargeCookie, true),
    ] {
        let from = load.now();
        let ends = if is_h2 {
            crowd::assemble(clients.count, PER_SECOND_TLS, |member| {
                over_h2(member, head, doors.tls, tls.clone())
            })
            .await
        } else {
            crowd::assemble(clients.count, PER_SECOND, |member| {
                over_h1(member, head, doors.clone())
            })
            .await
        };
        told.push((name, ends, from, load.now()));
    }
    let grown = memory.grown();

    let mut outcome = Outcome::of(site.evidence(load).await);
    clients.check(&mut outcome);
    for (name, ends, from, to) in told {
        let refused = ends.iter().filter(|end| end.is_refused).count();
        let times: Times = ends.iter().map(|end| end.took).collect();
        let longest = times.longest();
        outcome.check(
            format!(
                "{name}: {refused} of {} refused, ended after {} at the latest (3 s)",
                ends.len(),
                spell(longest)
            ),
            refused == ends.len() && longest.is_some_and(|longest| longest < ENDED_WITHIN),
        );
        front::check_neighbours(&mut outcome, name, from, to);
    }
    outcome.check(
        format!("the edge grew by {} MB at most (50 MB)", grown >> 20),
        grown < GROWTH_MAX,
    );
    outcome
}

impl Head {
    /// As lines of HTTP/1.1.
    fn lines(self) -> Vec<u8> {
        let fields = match self {
            Self::Endless => format!("X-Long: {}", "y".repeat(1 << 20)),
            Self::ManyFields => "X-More: y\r\n".repeat(10_000) + "\r\n",
            Self::LargeCookie => format!("Cookie: {}\r\n\r\n", "c=1; ".repeat((64 << 10) / 5)),
        };
        format!("GET /health/live HTTP/1.1\r\nHost: edge\r\n{fields}").into_bytes()
    }

    /// As a header block.
    fn block(self) -> Vec<u8> {
        let more = match self {
            Self::Endless => Vec::new(),
            Self::ManyFields => frames::field("x-more", "y").repeat(10_000),
            Self::LargeCookie => frames::field("cookie", &"c=1; ".repeat((64 << 10) / 5)),
        };
        frames::block("GET", "/health/live", &more)
    }
}

/// One connection: everything is sent as fast as it is taken, and the answer read meanwhile.
async fn over_h1(member: usize, head: Head, doors: Doors) -> End {
    let began = Instant::now();
    let asking = async {
        let mut stream = crowd::dial(member, doors.http, false).await?;
        let (mut from, mut to) = stream.split();
        let bytes = head.lines();
        let mut answer = Vec::new();
        let reading = async {
            while from.read_buf(&mut answer).await? > 0 {}
            io::Result::Ok(())
        };
        // The answer is what counts. Whether all was taken does not, nor how the connection ended after it.
        let (_sent, _read) = tokio::join!(to.write_all(&bytes), reading);
        io::Result::Ok(answer.starts_with(b"HTTP/1.1 431 "))
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await;
    End {
        is_refused: matches!(asked, Ok(Ok(true))),
        took: began.elapsed(),
    }
}

/// The same over HTTP/2. Its first bytes are those of the block, behind the handshake.
async fn over_h2(member: usize, head: Head, port: u16, tls: Tls) -> End {
    let mut began = Instant::now();
    let asking = async {
        let socket = crowd::dial(member, port, false).await?;
        let mut connection = frames::Connection::begin(&tls, socket).await?;
        began = Instant::now();
        let (mut from, mut to) = tokio::io::split(&mut connection.stream);
        let bytes = in_frames(&head.block());
        let refused = async {
            loop {
                match frames::read(&mut from).await {
                    Ok(frame) if frame.kind == HEADERS => return says_431(&frame.payload),
                    Ok(frame) if matches!(frame.kind, RST_STREAM | GOAWAY) => return true,
                    Ok(_) => {}
                    // It was closed without another word.
                    Err(_closed) => return true,
                }
            }
        };
        let (_sent, refused) = tokio::join!(to.write_all(&bytes), refused);
        io::Result::Ok(refused)
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await;
    End {
        is_refused: matches!(asked, Ok(Ok(true))),
        took: began.elapsed(),
    }
}

/// Whether a header block begins with the status 431, spelled out.
fn says_431(block: &[u8]) -> bool {
    const STATUS: &[u8] = b"431";
    // The edge's library spells numbers in Huffman's code, in which these begin so.
    const IN_HUFFMAN_CODE: &[u8] = &[0x69, 0x90];
    let start = &block[..block.len().min(8)];
    [STATUS, IN_HUFFMAN_CODE]
        .iter()
        .any(|spelling| start.windows(spelling.len()).any(|part| part == *spelling))
}

/// A block in a HEADERS frame and as many CONTINUATION frames as it takes.
fn in_frames(block: &[u8]) -> Vec<u8> {
    let pieces: Vec<&[u8]> = block.chunks(16_000).collect();
    let last = pieces.len() - 1;
    let frames = pieces.iter().enumerate().map(|(number, piece)| {
        let kind = if number == 0 { HEADERS } else { CONTINUATION };
        let mut flags = if number == 0 { END_STREAM } else { 0 };
        if number == last {
            flags |= END_HEADERS;
        }
        frames::frame(kind, flags, 1, piece)
    });
    frames.flatten().collect()
}
