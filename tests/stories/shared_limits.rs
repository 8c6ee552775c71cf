//! A limit that three edges share: a real Redis counts it, to a hundredth; while that is dead each edge takes its third, and nobody fails.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::house::House;
use crate::house::redis_server::RedisServer;

const EDGES: usize = 3;
/// What each limit lets through in a window.
const QUOTA: usize = 200;
const WINDOW: Duration = Duration::from_secs(1);
/// Windows that begin while it is asked, and half a window: no window begins near the end, whatever it drifts.
const WINDOWS: usize = 4;
const LASTING: Duration = Duration::from_millis(3_500);
/// Far more is asked for than is let through.
const ASKED_TIMES_MIN: usize = 2;
const CLIENTS_PER_EDGE: usize = 4;
const ALGORITHMS: [&str; 3] = ["token_bucket", "sliding_window", "fixed_window"];

#[tokio::test(flavor = "multi_thread")]
async fn three_edges_keep_a_shared_limit_to_a_hundredth_and_to_their_shares_without_redis() {
    let mut redis = RedisServer::start().await;
    let (_origin, origin) = answering().await;
    let config = tempfile::tempdir().unwrap();
    std::fs::write(config.path().join("gateway.yaml"), settings(origin)).unwrap();
    let edges = three(&redis, &config.path().display().to_string()).await;

    let shared = ask(&edges).await;
    redis.kill();
    let alone = ask(&edges).await;

    for (algorithm, (shared, alone)) in ALGORITHMS.into_iter().zip(shared.into_iter().zip(alone)) {
        let expected = match algorithm {
            // Full to begin with, and filled once more in every window.
            "token_bucket" => QUOTA + per_window(QUOTA, shared.lasted()),
            _ => QUOTA * WINDOWS,
        };
        let error = shared.passed.abs_diff(expected);
        assert!(
            error * 100 <= expected,
            "{algorithm}: {shared:?}, {expected} expected"
        );
        assert!(
            shared.asked >= ASKED_TIMES_MIN * expected,
            "{algorithm}: {shared:?}"
        );
        // Three shares are the whole, each begins where its edge stood, and a window may have begun before.
        let most = match algorithm {
            "token_bucket" => QUOTA + per_window(QUOTA, alone.lasted()),
            _ => QUOTA * (WINDOWS + 1),
        };
        assert!(
            alone.passed <= most,
            "{algorithm}: {alone:?}, {most} at most"
        );
        assert!(
            alone.passed >= QUOTA,
            "{algorithm}: {alone:?}, nothing is shared out"
        );
        assert_eq!((shared.failed, alone.failed), (0, 0), "{algorithm}");
    }
}

/// What came of asking.
#[derive(Debug, Default)]
struct Came {
    asked: usize,
    passed: usize,
    /// Answered with anything else than yes or 429, or not at all.
    failed: usize,
    /// When the first was let through, and when the last was answered: a full bucket fills no further until somebody takes from it.
    between: Option<(Instant, Instant)>,
}

impl Came {
    fn and(self, other: Self) -> Self {
        let between = match (self.between, other.between) {
            (Some((from, to)), Some((began, ended))) => Some((from.min(began), to.max(ended))),
            (between, None) | (None, between) => between,
        };
        Self {
            asked: self.asked + other.asked,
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            between,
        }
    }

    fn lasted(&self) -> Duration {
        let between = self.between.map(|(from, to)| to.duration_since(from));
        between.unwrap_or_default()
    }
}

/// How much of this a bucket fills in so long.
fn per_window(quota: usize, lasted: Duration) -> usize {
    let filled = lasted.as_secs_f64() / WINDOW.as_secs_f64() * quota as f64;
    filled.round() as usize
}

/// Asks all edges for each limit as fast as they answer: what came of it, limit by limit.
async fn ask(edges: &[House]) -> Vec<Came> {
    let until = Instant::now() + LASTING;
    let mut clients = JoinSet::new();
    for (number, algorithm) in ALGORITHMS.into_iter().enumerate() {
        for edge in edges {
            let url = format!("http://127.0.0.1:{}/limited/{algorithm}", edge.doors.http);
            for _ in 0..CLIENTS_PER_EDGE {
                let (client, url) = (edge.client.clone(), url.clone());
                clients.spawn(async move { (number, ask_one(&client, &url, until).await) });
            }
        }
    }
    let mut all: Vec<Came> = ALGORITHMS.iter().map(|_| Came::default()).collect();
    for (number, came) in clients.join_all().await {
        all[number] = std::mem::take(&mut all[number]).and(came);
    }
    all
}

async fn ask_one(client: &reqwest::Client, url: &str, until: Instant) -> Came {
    let mut came = Came::default();
    while Instant::now() < until {
        let status = match client.get(url).send().await {
            Ok(answer) => answer.status().as_u16(),
            Err(_unanswered) => 0,
        };
        came.asked += 1;
        came.passed += usize::from(status == 200);
        came.failed += usize::from(!matches!(status, 200 | 429));
        let answered = Instant::now();
        match &mut came.between {
            Some((_, last)) => *last = answered,
            None if status == 200 => came.between = Some((answered, answered)),
            None => {}
        }
    }
    came
}

/// Three edges on one Redis. Each tells the others every two seconds that it is there, so each knows of three when Redis is killed.
async fn three(redis: &RedisServer, config: &str) -> Vec<House> {
    let url = format!("redis://{}/", redis.address());
    let settings = [
        ("REDIS_URL", &*url),
        ("REDIS_KEY_PREFIX", "shared"),
        ("SALLYPORT_CONFIG", config),
    ];
    let mut edges = Vec::new();
    for _ in 0..EDGES {
        let mut edge = House::build(&settings).await;
        assert!(edge.run(&["migrate"]).status.success());
        edge.start_gateway().await;
        edges.push(edge);
    }
    edges
}

/// Whoever stands behind the edges says yes.
async fn answering() -> (JoinSet<()>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(|| async { "yes" });
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (serving, address)
}

fn settings(origin: SocketAddr) -> String {
    let mut limits = String::from(
        "strangers: { unverified: { requests: 1000000, window_seconds: 1 } }\nlimits:\n",
    );
    let mut routes = String::from("routes:\n");
    for algorithm in ALGORITHMS {
        limits.push_str(&format!(
            "  {algorithm}: {{ rate: {{ requests: {QUOTA}, window_seconds: {}, algorithm: {algorithm} }}, scope: shared, when_away: share }}\n",
            WINDOW.as_secs()
        ));
        routes.push_str(&format!(
            "  - {{ path: /limited/{algorithm}, forward: {{ upstream: '{origin}' }}, limits: [{algorithm}] }}\n"
        ));
    }
    limits + &routes
}
