//! F25: clients that abuse HTTP/2 itself: frames that carry nothing, header blocks without an end, small ones that unpack to large ones,
//! requests that are taken back as soon as they are made.

use std::convert::Infallible;
use std::io;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::crowd::{self, Tls};
use crate::frames::{
    self, CONTINUATION, Connection, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PRIORITY,
    RST_STREAM, SETTINGS, UNKNOWN, WINDOW_UPDATE, frame, get,
};
use crate::front;
use crate::outfit::Doors;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;
use crate::vitals::{Memory, processor_time};

pub(crate) const ROW: Row = Row {
    id: "F25",
    fault: "HTTP/2: rapid resets, resets that the edge is made to send, CONTINUATION, SETTINGS, PING, PRIORITY, WINDOW_UPDATE, empty DATA, unknown frames, \
            an HPACK bomb; each from one client alone, then all from eight at once; header blocks that never end",
    allowed: "GOAWAY in 1 s; 20 % of a core for a second at most; good p99 < 200 ms; memory +50 MB at most; 100 streams and 64 KiB announced",
    duplicates: Duplicates::Never,
    run,
};

const GOAWAY_WITHIN: Duration = Duration::from_secs(1);
/// A fifth of a core for the second in which the flood must be over.
const PROCESSOR_MAX: Duration = Duration::from_millis(200);
/// A flood that was not ended by then is not ended at all.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that are written at a time.
const PIECE_BYTES: usize = 64 << 10;
const GROWTH_MAX: u64 = 50 << 20;
/// Clients of each kind that flood at the same time, and how often each comes again.
const FLOODERS: usize = 8;
const COME_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// A frame that is never finished must be given up in this time.
const UNFINISHED_WITHIN: Duration = Duration::from_secs(10);
/// The numbers of two settings (RFC 9113, section 6.5.2), and what the second is unless it is announced.
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const INITIAL_WINDOW_BYTES: u32 = 65_535;

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    flood(stage).boxed_local()
}

/// A way to flood: what opens it, and what is sent for ever after that, given the number of the stream to use.
struct Flood {
    name: &'static str,
    opening: fn() -> Vec<u8>,
    again: fn(u32) -> Vec<u8>,
}

const NOTHING: fn() -> Vec<u8> = Vec::new;

const FLOODS: [Flood; 12] = [
    Flood {
        name: "rapid reset",
        opening: NOTHING,
        again: |stream| {
            let mut bytes = get(stream, "/health/live");
            bytes.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
            bytes
        },
    },
    Flood {
        name: "resets that the edge is made to send",
        opening: NOTHING,
        again: |stream| {
            let mut bytes = get(stream, "/health/live");
            // A window that grows by nothing is an error of the stream.
            bytes.extend(frame(WINDOW_UPDATE, 0, stream, &[0; 4]));
            bytes
        },
    },
    Flood {
        name: "CONTINUATION",
        opening: || frame(HEADERS, END_STREAM, 1, &frames::block("GET", "/", &[])),
        again: |_| frame(CONTINUATION, 0, 1, &frames::field("x", "y")),
    },
    Flood {
        name: "empty CONTINUATION",
        opening: || frame(HEADERS, END_STREAM, 1, &frames::block("GET", "/", &[])),
        again: |_| frame(CONTINUATION, 0, 1, &[]),
    },
    Flood {
        name: "SETTINGS",
        opening: NOTHING,
        again: |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]),
    },
    Flood {
        name: "PING",
        opening: NOTHING,
        again: |_| frame(PING, 0, 0, b"anybody?"),
    },
    Flood {
        name: "PRIORITY",
        opening: NOTHING,
        again: |stream| frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 16]),
    },
    Flood {
        name: "WINDOW_UPDATE",
        opening: NOTHING,
        again: |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
    },
    Flood {
        name: "empty DATA",
        opening: || {
            let block = frames::block("POST", "/telegram/ops", &[]);
            frame(HEADERS, END_HEADERS, 1, &block)
        },
        again: |_| frame(DATA, 0, 1, &[]),
    },
    Flood {
        name: "unknown frames",
        opening: NOTHING,
        again: |_| frame(UNKNOWN, 0, 0, &[]),
    },
    Flood {
        name: "HPACK bomb",
        opening: || {
            let kept = frames::kept_field("x-bomb", &"y".repeat(3_900));
            let block = frames::block("GET", "/health/live", &kept);
            frame(HEADERS, END_STREAM | END_HEADERS, 1, &block)
        },
        // Each byte stands for the field of 3,900 bytes that the connection has kept: 16 KB for 60 MB.
        again: |stream| {
            let block = frames::block("GET", "/health/live", &[0xbe; 16_000]);
            frame(HEADERS, END_STREAM | END_HEADERS, stream + 2, &block)
        },
    },
    Flood {
        name: "streams beyond those announced",
        opening: NOTHING,
        again: |stream| {
            let block = frames::block("POST", "/telegram/ops", &[]);
            let mut bytes = frame(HEADERS, END_HEADERS, stream, &block);
            bytes.extend(frame(PING, 0, 0, b"anybody?"));
            bytes
        },
    },
];

/// What became of a flood.
struct End {
    /// How long it took until GOAWAY, or the connection's end, was there.
    goaway: Option<Duration>,
    /// Whether it was GOAWAY.
    in_words: bool,
    sent: usize,
}

async fn flood(stage: &mut Stage) -> Outcome {
    let (site, _folder) = front::open(stage, "total_max: 16384", None).await;
    let tls = Tls::trusting(site.outfit.home.path(), frames::PROTOCOL);
    let mut outcomes = Outcome::default();
    announced(&mut outcomes, &site, &tls).await;
    // Alone, while nobody else asks anything of the edge.
    let memory = Memory::watch(site.gateway.process());
    for (number, flood) in FLOODS.iter().enumerate() {
        alone(&mut outcomes, &site, &tls, number, flood).await;
    }
    unfinished(&mut outcomes, &site, &tls).await;

    let load = site.load(stage.base);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (from, edge) = (load.now(), site.gateway.process());
    let (began, before) = (Instant::now(), processor_time(edge));
    tokio::time::sleep(stage.lasting / 6).await;
    let quiet = share(before, edge, began);
    let (began, before) = (Instant::now(), processor_time(edge));
    let over = CancellationToken::new();
    let flooding = crowd::assemble(FLOODERS * FLOODS.len(), 200, |member| {
        again_and_again(member, site.outfit.doors.clone(), tls.clone(), over.clone())
    });
    let stopping = async {
        tokio::time::sleep(stage.lasting / 2).await;
        over.cancel();
    };
    let (floods, ()) = tokio::join!(flooding, stopping);
    let flooded = share(before, edge, began);
    let to = load.now();
    let grown = memory.grown();

    let mut outcome = Outcome::of(site.evidence(load).await);
    outcome.facts.append(&mut outcomes.facts);
    outcome.checks.append(&mut outcomes.checks);
    let connections: usize = floods.iter().sum();
    outcome.fact(format!(
        "{} clients flooded {connections} connections: {flooded:.0} % of a core, {quiet:.0} % without them",
        FLOODERS * FLOODS.len()
    ));
    front::check_neighbours(&mut outcome, "in all floods at once", from, to);
    outcome.check(
        format!("the edge grew by {} MB at most (50 MB)", grown >> 20),
        grown < GROWTH_MAX,
    );
    outcome
}

/// What the edge says that a client may do.
async fn announced(outcome: &mut Outcome, site: &Site, tls: &Tls) {
    let connection = begin(site.outfit.doors.tls, tls, 0).await.unwrap();
    let streams = connection.setting(MAX_CONCURRENT_STREAMS);
    let window = connection.setting(INITIAL_WINDOW_SIZE);
    let window = window.unwrap_or(INITIAL_WINDOW_BYTES);
    outcome.check(
        format!("announced: {streams:?} streams, windows of {window} bytes"),
        streams == Some(100) && window == INITIAL_WINDOW_BYTES,
    );
}

async fn begin(port: u16, tls: &Tls, member: usize) -> io::Result<Connection> {
    let socket = crowd::dial(member, port, false).await?;
    Connection::begin(tls, socket).await
}

/// One client floods and nobody else asks: how soon it was told to go, and what it cost.
async fn alone(outcome: &mut Outcome, site: &Site, tls: &Tls, number: usize, flood: &Flood) {
    let connection = begin(site.outfit.doors.tls, tls, number).await.unwrap();
    let edge = site.gateway.process();
    let before = processor_time(edge);
    let end = flood.run(connection).await;
    // What its last bytes still cost.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let cost = processor_time(edge).saturating_sub(before);
    let word = if end.in_words { "GOAWAY" } else { "closed" };
    outcome.check(
        format!(
            "{}: {word} after {} (1 s) and {} KB; {} ms of a core (200 ms)",
            flood.name,
            spell(end.goaway),
            end.sent >> 10,
            cost.as_millis()
        ),
        end.goaway.is_some_and(|goaway| goaway < GOAWAY_WITHIN) && cost < PROCESSOR_MAX,
    );
}

impl Flood {
    /// Floods a connection until the edge ends it.
    async fn run(&self, connection: Connection) -> End {
        let (mut from, mut to) = tokio::io::split(connection.stream);
        let began = Instant::now();
        let mut sent = 0;
        let pouring = self.pour(&mut to, &mut sent);
        let told = async {
            loop {
                match frames::read(&mut from).await {
                    Ok(frame) if frame.kind == GOAWAY => return true,
                    Ok(_) => {}
                    Err(_closed) => return false,
                }
            }
        };
        tokio::pin!(told);
        let heard = async {
            tokio::select! {
                in_words = &mut told => in_words,
                // It cannot go on; what was said before may still be heard.
                _broken = pouring => told.await,
            }
        };
        let in_words = tokio::time::timeout(PATIENCE, heard).await;
        End {
            goaway: in_words.is_ok().then(|| began.elapsed()),
            in_words: in_words.unwrap_or(false),
            sent,
        }
    }

    /// Sends for as long as the connection takes it.
    async fn pour(
        &self,
        to: &mut (impl AsyncWrite + Unpin),
        sent: &mut usize,
    ) -> io::Result<Infallible> {
        to.write_all(&(self.opening)()).await?;
        // A client's streams have odd numbers that grow.
        let mut stream = 1;
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            while piece.len() < PIECE_BYTES {
                piece.extend((self.again)(stream));
                stream += 2;
            }
            to.write_all(&piece).await?;
            *sent += piece.len();
        }
    }
}

/// A header block that is never finished, though a byte of it comes every now and then.
async fn unfinished(outcome: &mut Outcome, site: &Site, tls: &Tls) {
    let mut connection = begin(site.outfit.doors.tls, tls, 0).await.unwrap();
    let began = Instant::now();
    let block = frames::block("GET", "/health/live", &[]);
    let start = frame(HEADERS, END_STREAM, 1, &block);
    let (start, rest) = start.split_at(20);
    connection.stream.write_all(start).await.unwrap();
    let (mut from, mut to) = tokio::io::split(connection.stream);
    let dribbling = async {
        for byte in rest.iter().cycle() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if to.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    };
    let closed = async { while frames::read(&mut from).await.is_ok() {} };
    let ended = async {
        tokio::select! {
            () = closed => {}
            () = dribbling => {}
        }
    };
    let in_time = tokio::time::timeout(UNFINISHED_WITHIN * 2, ended).await;
    let ended = in_time.is_ok().then(|| began.elapsed());
    outcome.check(
        format!(
            "a header block at a byte a second: closed after {} (10 s)",
            spell(ended)
        ),
        ended.is_some_and(|ended| ended < UNFINISHED_WITHIN),
    );
}

/// Floods, and comes again when it was sent away: how often.
async fn again_and_again(member: usize, doors: Doors, tls: Tls, over: CancellationToken) -> usize {
    let flood = &FLOODS[member % FLOODS.len()];
    let mut connections = 0;
    let flooding = async {
        loop {
            if let Ok(connection) = begin(doors.tls, &tls, member * 7).await {
                connections += 1;
                flood.run(connection).await;
            }
            tokio::time::sleep(COME_AGAIN_AFTER).await;
        }
    };
    over.run_until_cancelled(flooding).await.unwrap_or(());
    connections
}

/// The share of a core that a process took since then, in hundredths.
fn share(before: Duration, process: u32, since: Instant) -> f64 {
    let taken = processor_time(process).saturating_sub(before);
    100.0 * taken.as_secs_f64() / since.elapsed().as_secs_f64()
}
