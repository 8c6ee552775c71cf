//! An upstream with moods: it answers at once or late, badly or not at all, and can be killed and come back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// With this status.
    Answers(u16),
    /// With 200, after so long.
    Slow(Duration),
    /// By closing the connection.
    HangsUp,
}

/// One process of a service. Its health page is `/health`, and does not count as a request.
pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    /// What its health page says.
    health: Arc<Mutex<u16>>,
    asked: Arc<AtomicUsize>,
    serving: JoinSet<()>,
}

impl Replica {
    pub(crate) async fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(crate) async fn at(address: SocketAddr) -> Self {
        let mut replica = Self {
            address,
            mood: Arc::new(Mutex::new(Mood::Answers(200))),
            health: Arc::new(Mutex::new(200)),
            asked: Arc::default(),
            serving: JoinSet::new(),
        };
        replica.revive().await;
        replica
    }

    /// Listens, again or for the first time.
    pub(crate) async fn revive(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let (mood, health) = (Arc::clone(&self.mood), Arc::clone(&self.health));
        let asked = Arc::clone(&self.asked);
        self.serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (mood, health) = (Arc::clone(&mood), Arc::clone(&health));
                connections.spawn(serve(stream, mood, health, Arc::clone(&asked)));
            }
        });
    }

    /// Closes everything, in the middle of whatever it does.
    pub(crate) async fn kill(&mut self) {
        self.serving.shutdown().await;
    }

    pub(crate) fn feels(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    pub(crate) fn says(&self, status: u16) {
        *self.health.lock() = status;
    }

    /// How many requests it has seen.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut stream: TcpStream,
    mood: Arc<Mutex<Mood>>,
    health: Arc<Mutex<u16>>,
    asked: Arc<AtomicUsize>,
) {
    while let Some(head) = read_head(&mut stream).await {
        let status = if head.starts_with("GET /health ") {
            *health.lock()
        } else {
            asked.fetch_add(1, Ordering::SeqCst);
            let mood = *mood.lock();
            match mood {
                Mood::Answers(status) => status,
                Mood::Slow(delay) => {
                    tokio::time::sleep(delay).await;
                    200
                }
                Mood::HangsUp => return,
            }
        };
        let answer = format!("HTTP/1.1 {status} Because\r\nContent-Length: 2\r\n\r\n{{}}");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A head and the body that it announces; nothing at the end of the connection.
pub(crate) async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let lower = head.to_ascii_lowercase();
    let mut lines = lower.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |digits| digits.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(head)
}
