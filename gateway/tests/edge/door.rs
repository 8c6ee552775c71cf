//! An edge to knock at: its settings, its shelf, and a client that sends bytes exactly as they are written.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sallyport_gateway::{
    Certificates, Challenges, Doors, Gateway, GatewayHandle, Parts, PemPair, PemSet, Settings,
    Shelf,
};
use sallyport_queue::{AcceptError, Accepted, MessageId, NewMessage, Receipt};
use sallyport_telemetry::trace::{KeepPolicy, SpanRecord, SpanSink};
use sallyport_telemetry::{Health, Identity};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) const SECRET: &str = "a-webhook-secret";
pub(crate) const TOKEN: &str = "a-bearer-token";
/// Nothing in these tests takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Remembers what was stored; can be away, and can be slow.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) stored: Mutex<Vec<NewMessage>>,
    pub(crate) is_away: AtomicBool,
    pub(crate) holds: AtomicBool,
    pub(crate) asked: Notify,
    pub(crate) released: Notify,
    next: AtomicI64,
}

#[async_trait]
impl Shelf for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn accept(&self, message: NewMessage) -> Result<Accepted, AcceptError> {
        self.asked.notify_one();
        if self.holds.load(Ordering::SeqCst) {
            self.released.notified().await;
        }
        if self.is_away.load(Ordering::SeqCst) {
            let retry_after = Duration::from_secs(5);
            return Err(AcceptError::Unavailable { retry_after });
        }
        let mut stored = self.stored.lock();
        let same = |known: &&NewMessage| {
            let is_named = message.delivery_id.is_some();
            is_named && known.source == message.source && known.delivery_id == message.delivery_id
        };
        let duplicate = stored.iter().find(same).map(|known| known.trace);
        let receipt = Receipt {
            id: MessageId(self.next.fetch_add(1, Ordering::SeqCst)),
            trace: duplicate.unwrap_or(message.trace),
            duplicate: duplicate.is_some(),
        };
        if duplicate.is_none() {
            stored.push(message);
        }
        Ok(Accepted::Stored(receipt))
    }
}

#[derive(Default)]
pub(crate) struct Kept(pub(crate) Mutex<Vec<SpanRecord>>);

impl SpanSink for Kept {
    fn keep(&self, spans: Vec<SpanRecord>) {
        self.0.lock().extend(spans);
    }
}

/// A running edge.
pub(crate) struct Door {
    pub(crate) handle: GatewayHandle,
    pub(crate) shelf: Arc<Memory>,
    pub(crate) kept: Arc<Kept>,
    pub(crate) health: Health,
    pub(crate) succeeded: CancellationToken,
    pub(crate) certificate: Vec<u8>,
    pub(crate) certificates: Certificates,
    pub(crate) challenges: Challenges,
}

/// A certificate of an authority of its own, valid now.
pub(crate) fn pair(names: &[&str]) -> PemPair {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    pem(&rcgen::generate_simple_self_signed(names).unwrap())
}

/// The same as files have it.
pub(crate) fn pem(made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> PemPair {
    PemPair {
        label: "chain.pem".to_owned(),
        names: Vec::new(),
        chain: made.cert.pem().into_bytes(),
        key: made.signing_key.serialize_pem().into_bytes(),
    }
}

/// One certificate alone.
pub(crate) fn only(default: PemPair) -> PemSet {
    let others = Vec::new();
    PemSet { default, others }
}

/// The settings of most tests: one bot, the health pages, and `/ops/*` handed to nobody.
pub(crate) fn settings() -> Value {
    json!({
        "http": "127.0.0.1:0",
        "tls": null,
        "drain_deadline_ms": 3000,
        "routes": [
            {
                "path": "/telegram/{bot}",
                "accept": {
                    "source": "telegram",
                    "body_bytes_max": 2048,
                    "body_deadline_ms": 300,
                    "bots": [
                        {"name": "ops", "secrets": [SECRET, "the-secret-before"]},
                        {"name": "second", "secrets": ["another-bots-secret"]},
                    ],
                },
            },
            {"path": "/health/live", "health": "live"},
            {"path": "/health/ready", "health": "ready"},
            {"path": "/health/status", "health": "status", "tokens": [TOKEN]},
            {"path": "/ops/*", "forward": {"upstream": "127.0.0.1:1", "body_bytes_max": 2048}},
        ],
    })
}

/// Settings as the edge gets them.
pub(crate) fn checked(settings: Value) -> Settings {
    let mut settings: Settings = serde_json::from_value(settings).unwrap();
    validator::Validate::validate(&settings).unwrap();
    for asked in settings.client_certificates() {
        let pem = std::fs::read(&asked.authorities).unwrap();
        asked.read_authorities(&pem).unwrap();
    }
    for asked in settings.openapi_documents() {
        let text = std::fs::read(&asked.document).unwrap();
        asked.read_document(&text).unwrap();
    }
    settings
}

impl Door {
    pub(crate) async fn open() -> Self {
        Self::with(settings()).await
    }

    pub(crate) async fn with(settings: Value) -> Self {
        Self::showing(settings, &only(pair(&["localhost"]))).await
    }

    /// The same with these certificates.
    pub(crate) async fn showing(settings: Value, set: &PemSet) -> Self {
        let settings = checked(settings);
        let certificates = Certificates::load(set).unwrap();
        let challenges = Challenges::default();
        let shelf = Arc::new(Memory::default());
        let kept = Arc::new(Kept::default());
        let health = Health::new(Identity::new("edge-test", "0.0.0", "test"));
        let succeeded = CancellationToken::new();
        let parts = Parts {
            redis: None,
            shelf: Arc::clone(&shelf) as Arc<dyn Shelf>,
            health: health.clone(),
            sinks: Arc::clone(&kept) as Arc<dyn SpanSink>,
            keep: KeepPolicy {
                ratio: 1.0,
                ..KeepPolicy::default()
            },
            tls: Some(certificates.clone()),
            challenges: challenges.clone(),
            doors: Doors::default(),
            succeeded: succeeded.clone(),
        };
        let handle = Gateway::start(&settings, parts, CancellationToken::new())
            .await
            .unwrap();
        Self {
            handle,
            shelf,
            kept,
            health,
            succeeded,
            certificate: set.default.chain.clone(),
            certificates,
            challenges,
        }
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.handle.http_addr().unwrap()
    }

    pub(crate) async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.http()).await.unwrap())
    }

    /// Sends one request on a connection of its own and reads the answer.
    pub(crate) async fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut client = self.connect().await;
        client.send(request).await;
        client.answer().await
    }

    /// The same for a HEAD, whose answer has no body.
    pub(crate) async fn ask_head(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut client = self.connect().await;
        client.send(request).await;
        let (status, headers) = tokio::time::timeout(PATIENCE, read_head(&mut client.0))
            .await
            .unwrap()
            .unwrap();
        let body = Vec::new();
        Answer {
            status,
            headers,
            body,
        }
    }

    /// Posts an update with the right secret.
    pub(crate) async fn update(&self, body: &str) -> Answer {
        self.ask(post("/telegram/ops", SECRET, body)).await
    }
}

/// A webhook as Telegram sends it.
pub(crate) fn post(path: &str, secret: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         X-Telegram-Bot-Api-Secret-Token: {secret}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: edge\r\n\r\n")
}

/// A small update from a chat.
pub(crate) fn said(update_id: i64) -> String {
    json!({"update_id": update_id, "message": {"chat": {"id": 42}, "from": {"id": 7}, "text": "hi"}}).to_string()
}

/// A connection on which exactly the written bytes are sent.
pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads one answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        tokio::time::timeout(PATIENCE, read_answer(&mut self.0))
            .await
            .unwrap()
            .unwrap()
    }

    /// Reads one head, which may be an interim one, and returns its status.
    pub(crate) async fn head(&mut self) -> u16 {
        let head = tokio::time::timeout(PATIENCE, read_head(&mut self.0)).await;
        head.unwrap().unwrap().0
    }

    /// Whether the other side has ended the connection, without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        match tokio::time::timeout(PATIENCE, self.0.read(&mut byte))
            .await
            .unwrap()
        {
            Ok(count) => count == 0,
            Err(_reset) => true,
        }
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Every promise that holds for all answers.
    #[track_caller]
    pub(crate) fn is_dressed(&self) -> &Self {
        for name in [
            "strict-transport-security",
            "x-content-type-options",
            "x-frame-options",
            "content-security-policy",
            "referrer-policy",
            "permissions-policy",
            "cross-origin-opener-policy",
            "cross-origin-embedder-policy",
            "cross-origin-resource-policy",
            "x-permitted-cross-domain-policies",
            "cache-control",
            "x-dns-prefetch-control",
            "x-xss-protection",
        ] {
            let count = self
                .headers
                .iter()
                .filter(|(known, _)| known == name)
                .count();
            assert_eq!(count, 1, "{name} of {self:?}");
        }
        assert_eq!(self.header("server"), None);
        assert_eq!(
            self.header("request-id").map(str::len),
            Some(32),
            "{self:?}"
        );
        self
    }

    /// A refusal with every field that callers rely on.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, name: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.is_dressed();
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json; charset=utf-8")
        );
        let body = self.json();
        assert_eq!(body["type"], format!("/problems/{name}"), "{body}");
        assert_eq!(body["status"], status);
        assert_eq!(body["trace_id"].as_str(), self.header("request-id"));
        for field in ["title", "detail", "code"] {
            assert!(body[field].is_string(), "{field} of {body}");
        }
        assert!(body["errors"].is_array());
        let seconds = self
            .header("retry-after")
            .map(|text| text.parse::<u64>().unwrap());
        assert_eq!(body["retry_after"].as_u64(), seconds);
        body
    }
}

async fn read_answer(stream: &mut TcpStream) -> std::io::Result<Answer> {
    loop {
        let (status, headers) = read_head(stream).await?;
        if status == 100 {
            continue;
        }
        let length = headers
            .iter()
            .find(|(name, _)| name == "content-length")
            .map_or(0, |(_, value)| value.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let is_chunked = |(name, value): &(String, String)| {
            name == "transfer-encoding" && value.eq_ignore_ascii_case("chunked")
        };
        if headers.iter().any(is_chunked) {
            body = read_chunks(stream).await?;
        }
        return Ok(Answer {
            status,
            headers,
            body,
        });
    }
}

async fn read_chunks(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await?);
        }
        let digits = std::str::from_utf8(&line).unwrap().trim();
        let length = usize::from_str_radix(digits, 16).unwrap();
        let mut piece = vec![0; length + 2];
        stream.read_exact(&mut piece).await?;
        if length == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&piece[..length]);
    }
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<(u16, Vec<(String, String)>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let text = String::from_utf8(head).unwrap();
    let mut lines = text.trim_end().split("\r\n");
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Ok((status, headers))
}
