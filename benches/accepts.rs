//! Durable accepts per second over HTTP: 64 keep-alive clients, bodies of 1 KiB, every 200 after a commit with fsync on.
//!
//! The edge runs alone (`sallyport gateway`), so nothing but accepting is measured. The clients write prepared bytes and look for the status only,
//! because they share the two cores with what they measure. Beside it, in the same run, the same clients ask for `/health/live`: what the edge
//! can answer without storing, so the ratio says what durability costs; and they post the same bodies through nginx to an upstream that
//! stores nothing, in turns with the edge. Last, genuine updates are posted while strangers forge as
//! fast as they can: none may be refused. An argument is the number of clients; with `--backlog` all of it happens while 1,000,000 messages wait.
#![expect(
    clippy::disallowed_methods,
    reason = "a bench reads its environment and spawns clients that it awaits"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench that cannot go on has no result"
)]
#![expect(clippy::print_stdout, reason = "its output is its result")]

#[path = "measure/backlog.rs"]
#[expect(dead_code, reason = "the bench of the queue uses the rest of it")]
mod backlog;
#[path = "../tests/stories/flood.rs"]
mod flood;
#[path = "../tests/stories/house.rs"]
#[expect(dead_code, reason = "the stories use the rest of it")]
mod house;
#[path = "measure/nginx.rs"]
mod nginx;
#[path = "measure/peer.rs"]
#[expect(dead_code, reason = "the bench of forwarding uses the rest of it")]
mod peer;
#[path = "measure/usage.rs"]
mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use house::House;
use peer::Peer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How many connections ask at a time, unless the first argument says another number.
const CLIENTS: usize = 64;
const BODY_BYTES: usize = 1024;
const LASTS: Duration = Duration::from_secs(10);
const TURNS: usize = 2;
/// What waits with `--backlog`.
const WAITING: usize = 1_000_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let clients = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(CLIENTS);
    let config = without_limits();
    let config = config.path().to_str().unwrap();
    let mut house = House::build(&[("SALLYPORT_CONFIG", config)]).await;
    assert!(house.run(&["migrate"]).status.success());
    if std::env::args().any(|argument| argument == "--backlog") {
        let owner = house.database().await;
        let options = backlog::Options::default();
        backlog::fill(&owner, WAITING, &options).await.unwrap();
        backlog::settle_down(&owner).await.unwrap();
    }
    house.start_gateway().await;
    let port = house.doors.http;
    let next = Arc::new(AtomicI64::new(1));

    let head = |secret: &str, body: &str| {
        format!(
            "POST /telegram/ops HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nX-Telegram-Bot-Api-Secret-Token: {secret}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let secret = house.secret.clone();
    let accept = move |id: i64| head(&secret, &update(id));
    let live = |_: i64| "GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".to_owned();

    let answered = measure(clients, port, &next, &(Arc::new(live) as Arc<Request>)).await;
    let database = house.database().await;
    let before = (
        edge_time(&house).await,
        usage::of_database(&database).await.unwrap(),
    );
    let accept: Arc<Request> = Arc::new(accept);
    let peer = nginx::start_proxy(&house.data(), house::free_port(), house::free_port());
    let (accepted, proxied) = in_turns(clients, port, peer.as_ref(), &next, &accept).await;
    let after = (
        edge_time(&house).await,
        usage::of_database(&database).await.unwrap(),
    );
    println!("answers without storing   {answered}");
    println!("durable accepts           {accepted}");
    println!(
        "  processor time each: edge {:.0} µs, Postgres {:.0} µs",
        usage::each_us(after.0.saturating_sub(before.0), accepted.count),
        usage::each_us(after.1.saturating_sub(before.1), accepted.count)
    );
    println!(
        "ratio                     {:.2}",
        accepted.per_second / answered.per_second
    );
    if let Some(proxied) = proxied {
        println!("nginx, proxying           {proxied}");
        println!(
            "accepts : nginx           {:.2}",
            accepted.per_second / proxied.per_second
        );
    }
    let (forged_per_second, genuine) = flooded(&house).await;
    println!(
        "forgeries refused         {forged_per_second:>8.0}/s   genuine meanwhile {genuine}, refused 0"
    );
}

/// The shipped settings of the edge, but for the limits of what it stores: the bench comes near them.
fn without_limits() -> tempfile::TempDir {
    let shipped = include_str!("../config/gateway.yaml");
    let unlimited = shipped
        .replace("limit: { requests: 20000,", "limit: { requests: 10000000,")
        .replace("limit: { requests: 50000,", "limit: { requests: 10000000,");
    assert_eq!(unlimited.matches("10000000").count(), 2);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gateway.yaml"), unlimited).unwrap();
    folder
}

/// The edge and its peer, one after the other, twice: whatever else the machine does meets both.
async fn in_turns(
    clients: usize,
    edge: u16,
    peer: Option<&Peer>,
    next: &Arc<AtomicI64>,
    request: &Arc<Request>,
) -> (Measured, Option<Measured>) {
    let mut accepted = Vec::new();
    let mut proxied = Vec::new();
    for _ in 0..TURNS {
        accepted.push(measure(clients, edge, next, request).await);
        if let Some(peer) = peer {
            proxied.push(measure(clients, peer.port(), next, request).await);
        }
    }
    let proxied = (!proxied.is_empty()).then(|| Measured::of(proxied));
    (Measured::of(accepted), proxied)
}

/// The edge's processor time so far, as it says itself.
async fn edge_time(house: &House) -> Duration {
    let metrics = house.metrics().await;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("process_cpu_seconds_total "));
    Duration::from_secs_f64(
        line.and_then(|seconds| seconds.trim().parse().ok())
            .unwrap_or_default(),
    )
}

/// Forgeries per second, and how many genuine updates were accepted meanwhile.
async fn flooded(house: &House) -> (f64, i64) {
    let forging = tokio::spawn(flood::forge(house.doors.http, CLIENTS, LASTS));
    let mut genuine = 0_i64;
    while !forging.is_finished() {
        let update = serde_json::from_str(&update(900_000_000 + genuine)).unwrap();
        assert_eq!(
            house.post_update(&update).await.status(),
            200,
            "a genuine update was refused"
        );
        genuine += 1;
    }
    let forged = forging.await.unwrap();
    (
        forged.answered as f64 / forged.lasted.as_secs_f64(),
        genuine,
    )
}

/// An update of exactly [`BODY_BYTES`], of a chat of its own.
fn update(id: i64) -> String {
    let frame = format!(
        r#"{{"update_id":{id},"message":{{"message_id":1,"date":1,"chat":{{"id":{id},"type":"private"}},"from":{{"id":{id},"is_bot":false,"first_name":"A"}},"text":""}}}}"#
    );
    let filling = "x".repeat(BODY_BYTES.saturating_sub(frame.len()));
    frame.replace(r#""text":"""#, &format!(r#""text":"{filling}""#))
}

struct Measured {
    count: usize,
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

impl Measured {
    /// Several turns as one: counts add up, the rest is the mean.
    fn of(turns: Vec<Self>) -> Self {
        let number = turns.len();
        let parts = u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            count: turns.iter().map(|turn| turn.count).sum(),
            per_second: turns.iter().map(|turn| turn.per_second).sum::<f64>() / number as f64,
            p50: turns.iter().map(|turn| turn.p50).sum::<Duration>() / parts,
            p99: turns.iter().map(|turn| turn.p99).sum::<Duration>() / parts,
        }
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{:>8.0}/s   p50 {:>8.2?}   p99 {:>8.2?}",
            self.per_second, self.p50, self.p99
        )
    }
}

type Request = dyn Fn(i64) -> String + Send + Sync;

async fn measure(
    clients: usize,
    port: u16,
    next: &Arc<AtomicI64>,
    request: &Arc<Request>,
) -> Measured {
    let started = Instant::now();
    let clients = (0..clients).map(|_| {
        tokio::spawn(client(
            port,
            Arc::clone(next),
            Arc::clone(request),
            started + LASTS,
        ))
    });
    let mut took = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        took.extend(client.await.unwrap());
    }
    let elapsed = started.elapsed();
    // The edge bounds how many connections an address may have, and those of this turn are only just closed.
    tokio::time::sleep(Duration::from_millis(300)).await;
    took.sort();
    Measured {
        count: took.len(),
        per_second: took.len() as f64 / elapsed.as_secs_f64(),
        p50: took[took.len() / 2],
        p99: took[took.len() * 99 / 100],
    }
}

async fn client(
    port: u16,
    next: Arc<AtomicI64>,
    request: Arc<Request>,
    until: Instant,
) -> Vec<Duration> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut took = Vec::new();
    let mut answer = vec![0_u8; 8192];
    while Instant::now() < until {
        let bytes = request(next.fetch_add(1, Ordering::Relaxed));
        let asked = Instant::now();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut filled = 0;
        loop {
            let count = stream.read(&mut answer[filled..]).await.unwrap();
            assert!(count > 0, "the edge closed the connection");
            filled += count;
            if is_whole(&answer[..filled]) {
                break;
            }
        }
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer[..filled])
        );
        took.push(asked.elapsed());
    }
    took
}

/// Whether an answer with a Content-Length has arrived whole. Frugal, because it is done in the time of what is measured.
fn is_whole(answer: &[u8]) -> bool {
    const FIELD: &[u8] = b"content-length:";
    let Some(head) = answer.windows(4).position(|end| end == b"\r\n\r\n") else {
        return false;
    };
    let length = answer[..head]
        .split(|byte| *byte == b'\n')
        .find(|line| {
            line.get(..FIELD.len())
                .is_some_and(|name| name.eq_ignore_ascii_case(FIELD))
        })
        .and_then(|line| std::str::from_utf8(&line[FIELD.len()..]).ok())
        .and_then(|length| length.trim().parse::<usize>().ok());
    length.is_none_or(|length| answer.len() >= head + 4 + length)
}
