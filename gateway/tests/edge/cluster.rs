//! An API server that knows endpoint slices and nothing else: lists and watches of them, in the form that the documentation of
//! Kubernetes' API gives them ("API concepts": chunked lines, bookmarks, `null` for what is empty, 410 inside a watch).
//!
//! It exists because a real one is a large thing to build for a few stories, and none was at hand: nothing here was recorded from
//! one. It keeps a history, can forget it, can be away, and believes one token at a time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::door::pair;

/// The token that is believed at first.
const TOKEN: &str = "the-first-token";

/// What it knows, and what it has seen.
struct State {
    token: String,
    slices: BTreeMap<String, Value>,
    /// Each line of a watch, by the version that it led to.
    history: Vec<(u64, Value)>,
    version: u64,
    /// What came before is forgotten.
    forgotten: u64,
    watches_end: bool,
    questions: usize,
    lists: usize,
    watches: usize,
}

pub(crate) struct Cluster {
    address: SocketAddr,
    files: tempfile::TempDir,
    acceptor: TlsAcceptor,
    state: Arc<Mutex<State>>,
    /// Moves with every change of the state.
    changes: watch::Sender<()>,
    serving: JoinSet<()>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let certificate = pair(&["localhost"]);
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("ca.crt"), &certificate.chain).unwrap();
        let chain = CertificateDer::pem_slice_iter(&certificate.chain);
        let key = PrivateKeyDer::from_pem_slice(&certificate.key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        let state = State {
            token: TOKEN.to_owned(),
            slices: BTreeMap::new(),
            history: Vec::new(),
            version: 1,
            forgotten: 0,
            watches_end: false,
            questions: 0,
            lists: 0,
            watches: 0,
        };
        let mut cluster = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            files,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            state: Arc::new(Mutex::new(state)),
            changes: watch::Sender::new(()),
            serving: JoinSet::new(),
        };
        cluster.mounts(&format!("{TOKEN}\n"));
        cluster.revive().await;
        cluster
    }

    /// The settings of a group that is found here.
    pub(crate) fn settings(&self) -> Value {
        json!({"kubernetes": {
            "service": "api",
            "namespace": "shop",
            "port": "http",
            "api_server": format!("https://localhost:{}", self.address.port()),
            "token_file": self.file("token"),
            "ca_file": self.file("ca.crt"),
        }})
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// The pod finds this in its token file.
    pub(crate) fn mounts(&self, token: &str) {
        std::fs::write(self.file("token"), token).unwrap();
    }

    /// The pod finds another's authority in its file.
    pub(crate) fn mounts_another_authority(&self) {
        std::fs::write(self.file("ca.crt"), pair(&["localhost"]).chain).unwrap();
    }

    /// Only this token is believed from now on.
    pub(crate) fn believes(&self, token: &str) {
        token.clone_into(&mut self.state.lock().token);
    }

    /// One slice is new or other than before: endpoints with these conditions, at this address.
    pub(crate) fn has(&self, name: &str, address: SocketAddr, conditions: Value) {
        self.tells(|state| {
            let slice = slice(name, state.version, address, &conditions);
            let before = state.slices.insert(name.to_owned(), slice.clone());
            let kind = if before.is_some() {
                "MODIFIED"
            } else {
                "ADDED"
            };
            json!({"type": kind, "object": slice})
        });
    }

    pub(crate) fn loses(&self, name: &str) {
        self.tells(|state| {
            let mut slice = state.slices.remove(name).unwrap();
            slice["metadata"]["resourceVersion"] = json!(state.version.to_string());
            json!({"type": "DELETED", "object": slice})
        });
    }

    /// Something else in the cluster has changed.
    pub(crate) fn goes_on(&self) {
        self.tells(|state| {
            json!({"type": "BOOKMARK", "object": {
                "kind": "EndpointSlice",
                "apiVersion": "discovery.k8s.io/v1",
                "metadata": {"resourceVersion": state.version.to_string(), "creationTimestamp": null},
                "addressType": "",
                "endpoints": null,
                "ports": null,
            }})
        });
    }

    fn tells(&self, event: impl FnOnce(&mut State) -> Value) {
        let mut state = self.state.lock();
        state.version += 1;
        let event = event(&mut state);
        let version = state.version;
        state.history.push((version, event));
        drop(state);
        self.changes.send_replace(());
    }

    /// Nobody can watch from before now.
    pub(crate) fn forgets(&self) {
        let mut state = self.state.lock();
        state.forgotten = state.version;
        state.history.clear();
    }

    /// Whether every watch ends as soon as it has told what there is, as each does after some minutes.
    pub(crate) fn ends_watches(&self, watches_end: bool) {
        self.state.lock().watches_end = watches_end;
        self.changes.send_replace(());
    }

    /// Closes everything, in the middle of whatever it does.
    pub(crate) async fn kill(&mut self) {
        self.serving.shutdown().await;
    }

    /// Listens, again or for the first time.
    pub(crate) async fn revive(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let (acceptor, state) = (self.acceptor.clone(), Arc::clone(&self.state));
        let changes = self.changes.clone();
        self.serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
                connections.spawn(serve(stream, acceptor, state, changes.subscribe()));
            }
        });
    }

    pub(crate) fn lists(&self) -> usize {
        self.state.lock().lists
    }

    /// Questions, with whatever token.
    pub(crate) fn questions(&self) -> usize {
        self.state.lock().questions
    }

    pub(crate) fn watches(&self) -> usize {
        self.state.lock().watches
    }
}

fn slice(name: &str, version: u64, address: SocketAddr, conditions: &Value) -> Value {
    let kind = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    json!({
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": name,
            "generateName": "api-",
            "namespace": "shop",
            "resourceVersion": version.to_string(),
            "labels": {"kubernetes.io/service-name": "api"},
        },
        "addressType": kind,
        "endpoints": [{
            "addresses": [address.ip().to_string()],
            "conditions": conditions,
            "targetRef": {"kind": "Pod", "namespace": "shop", "name": format!("{name}-pod")},
            "nodeName": "node-1",
            "zone": "zone-a",
        }],
        "ports": [{"name": "http", "port": address.port(), "protocol": "TCP"}],
    })
}

fn failure(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    })
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    state: Arc<Mutex<State>>,
    changes: watch::Receiver<()>,
) {
    let Ok(mut stream) = acceptor.accept(stream).await else {
        return;
    };
    while let Some(head) = read_head(&mut stream).await {
        let served = answer(&head, &mut stream, &state, changes.clone()).await;
        if served.is_err() {
            return;
        }
    }
}

async fn read_head(stream: &mut TlsStream<TcpStream>) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn answer(
    head: &str,
    stream: &mut TlsStream<TcpStream>,
    state: &Mutex<State>,
    changes: watch::Receiver<()>,
) -> std::io::Result<()> {
    const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices\
                          ?labelSelector=kubernetes.io%2Fservice-name%3Dapi";
    let target = head.split(' ').nth(1).unwrap();
    let token = {
        let mut state = state.lock();
        state.questions += 1;
        state.token.clone()
    };
    let is_believed = head.contains(&format!("authorization: Bearer {token}\r\n"));
    let question = target.strip_prefix(SLICES);
    match question {
        _ if !is_believed => whole(stream, 401, failure(401, "Unauthorized", "Unauthorized")).await,
        None => whole(stream, 404, failure(404, "NotFound", "not found")).await,
        Some("") => {
            let list = list(&mut state.lock());
            whole(stream, 200, list).await
        }
        Some(question) => {
            state.lock().watches += 1;
            let asked: BTreeMap<_, _> = question
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .collect();
            assert_eq!(
                (asked["watch"], asked["allowWatchBookmarks"]),
                ("1", "true")
            );
            let since = asked["resourceVersion"].parse().unwrap();
            tell(stream, state, since, changes).await
        }
    }
}

fn list(state: &mut State) -> Value {
    state.lists += 1;
    let items: Vec<_> = state.slices.values().collect();
    json!({
        "kind": "EndpointSliceList",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {"resourceVersion": state.version.to_string()},
        "items": items,
    })
}

async fn whole(stream: &mut TlsStream<TcpStream>, status: u16, body: Value) -> std::io::Result<()> {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} Because\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await
}

/// One line after the other, each in a chunk of its own, until the watches end.
async fn tell(
    stream: &mut TlsStream<TcpStream>,
    state: &Mutex<State>,
    mut since: u64,
    mut changes: watch::Receiver<()>,
) -> std::io::Result<()> {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    loop {
        changes.borrow_and_update();
        let (lines, is_over) = {
            let state = state.lock();
            let news = state.history.iter().filter(|(version, _)| *version > since);
            let lines: Vec<_> = news.map(|(_, line)| line.clone()).collect();
            if since < state.forgotten {
                let old = format!("too old resource version: {since} ({})", state.forgotten);
                let expired = failure(410, "Expired", &old);
                (vec![json!({"type": "ERROR", "object": expired})], true)
            } else {
                since = state.version;
                (lines, state.watches_end)
            }
        };
        for line in lines {
            let line = format!("{line}\n");
            let chunk = format!("{:x}\r\n{line}\r\n", line.len());
            stream.write_all(chunk.as_bytes()).await?;
        }
        if is_over {
            return stream.write_all(b"0\r\n\r\n").await;
        }
        stream.flush().await?;
        changes.changed().await.map_err(std::io::Error::other)?;
    }
}
