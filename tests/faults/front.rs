//! What the rows that press against the edge's front have in common: its settings, somebody behind it, and what its good clients felt.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::background::Background;
use crate::checker::Moment;
use crate::crowd;
use crate::row::{Outcome, Stage, spell};
use crate::site::Site;

/// What good clients may feel of a flood.
pub(crate) const P99_MAX: Duration = Duration::from_millis(200);
/// What the stand-in behind the edge answers with under `/slow/large`: more than sockets and buffers on the way hold.
pub(crate) const LARGE_BYTES: usize = 1 << 20;

/// What the kernel takes of such an answer ahead of its reader.
const SENT_AHEAD_BYTES: u32 = 64 << 10;
/// How many may wait until they are accepted.
const BACKLOG: u32 = 4_096;

/// The routes of these rows: the bot's webhook, life, and what lies behind the edge.
const ROUTES: &str = "routes:
  - path: /telegram/{bot}
    accept:
      source: telegram
      body_bytes_max: 1048576
      body_deadline_ms: 10000
      limit: { requests: 50000, window_seconds: 1 }
      bots:
        - { name: ops, tenant: house, secrets: [\"${TELEGRAM_OPS_WEBHOOK_SECRET}\"], limit: { requests: 20000, window_seconds: 1 } }
  - { path: /health/live, health: live }
  - { path: /health/ready, health: ready }
";

/// A house whose edge has these settings, ready; the folder that they are in must outlive it.
pub(crate) async fn open(
    stage: &mut Stage,
    connections: &str,
    behind: Option<SocketAddr>,
) -> (Site, TempDir) {
    let folder = settings(connections, behind);
    let path = folder.path().to_str().unwrap();
    let site = stage.open_with(&[("SALLYPORT_CONFIG", path)]).await;
    (site, folder)
}

/// How many clients a row wants, and how many it can have.
#[derive(Clone, Copy)]
pub(crate) struct Clients {
    wanted: usize,
    pub(crate) count: usize,
}

impl Clients {
    /// So many at full length, or so many when it is short, each of which takes so many files of ours.
    pub(crate) fn of(stage: &Stage, full: usize, short: usize, files_each: usize) -> Self {
        let wanted = if stage.is_short { short } else { full };
        Self {
            wanted,
            count: crowd::affordable(wanted, files_each),
        }
    }

    /// Whether these are all that were wanted.
    pub(crate) fn check(self, outcome: &mut Outcome) {
        let Self { wanted, count } = self;
        if count < wanted {
            outcome.lacks(&format!("{wanted} clients; files for {count}"));
        }
    }
}

/// A folder with the edge's settings: what `connections` says beyond the defaults, and `/slow/*` handed on to this address.
pub(crate) fn settings(connections: &str, behind: Option<SocketAddr>) -> TempDir {
    let mut text = format!("connections: {{ {connections} }}\n{ROUTES}");
    if let Some(behind) = behind {
        let route = format!("  - {{ path: /slow/*, forward: {{ upstream: \"{behind}\" }} }}\n");
        text.push_str(&route);
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gateway.yaml"), text).unwrap();
    folder
}

/// Somebody behind the edge, until it is dropped: answers at length, or listens and says nothing.
pub(crate) struct Behind {
    pub(crate) address: SocketAddr,
    large: Arc<Large>,
    _serving: Background,
}

/// What became of large answers.
#[derive(Default)]
struct Large {
    begun: AtomicUsize,
    given_up: Mutex<Vec<Duration>>,
}

impl Behind {
    pub(crate) async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // What it cannot get rid of must not lie in the kernel.
        socket.set_send_buffer_size(SENT_AHEAD_BYTES).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = socket.listen(BACKLOG).unwrap();
        let address = listener.local_addr().unwrap();
        let large = Arc::new(Large::default());
        let noting = Arc::clone(&large);
        let serving = Background::start(async move {
            let tasks = tokio_util::task::TaskTracker::new();
            // A failed accept has no connection to serve; the next one may.
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    tasks.spawn(serve(stream, Arc::clone(&noting)));
                }
            }
        });
        Self {
            address,
            large,
            _serving: serving,
        }
    }

    /// How many large answers were asked for, and after how long the edge ended the connection on which each was given.
    pub(crate) fn large(&self) -> (usize, Vec<Duration>) {
        let given_up = self.large.given_up.lock().clone();
        (self.large.begun.load(Ordering::Relaxed), given_up)
    }
}

/// Serves one connection; ends with it.
async fn serve(mut stream: TcpStream, large: Arc<Large>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let began = Instant::now();
    let is_large = head.starts_with(b"GET /slow/large ");
    if is_large {
        large.begun.fetch_add(1, Ordering::Relaxed);
        drop(answer_at_length(&mut stream).await);
    }
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await.is_ok_and(|length| length > 0) {}
    if is_large {
        large.given_up.lock().push(began.elapsed());
    }
    Ok(())
}

async fn answer_at_length(stream: &mut TcpStream) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE_BYTES}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let piece = [b'x'; 8 << 10];
    for _ in 0..LARGE_BYTES / piece.len() {
        stream.write_all(&piece).await?;
    }
    Ok(())
}

/// The status of the answer to a request on a connection of its own, read while the body is still being sent: the edge does not wait for
/// the rest of what it refuses, and a client library may notice only that.
pub(crate) async fn status_of(mut stream: TcpStream, head: &str, body: &[u8]) -> io::Result<u16> {
    const BEFORE: &str = "HTTP/1.1 ";
    let (mut from, mut to) = stream.split();
    let sending = async {
        to.write_all(head.as_bytes()).await?;
        to.write_all(body).await
    };
    let mut answer = [0_u8; BEFORE.len() + 3];
    let (read, _whether_it_was_all_taken) = tokio::join!(from.read_exact(&mut answer), sending);
    read?;
    let digits = std::str::from_utf8(&answer[BEFORE.len()..]).ok();
    let status = digits.and_then(|digits| digits.parse().ok());
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// What good clients felt between the two moments: that none failed, and that all were quick.
pub(crate) fn check_neighbours(outcome: &mut Outcome, what: &str, from: Moment, to: Moment) {
    let Some(evidence) = outcome.evidence() else {
        return;
    };
    let p99 = evidence.told.times(from, to).quantile(0.99);
    let failed = evidence.told.failed(from, to);
    let words = format!(
        "{what}: good clients' p99 {} (200 ms), failed {failed}",
        spell(p99)
    );
    outcome.check(words, p99.is_some_and(|p99| p99 < P99_MAX) && failed == 0);
}
