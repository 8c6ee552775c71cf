//! Two programs behind the edge that write down what arrives: hyper, and Node's parser, which shares no line with it or with the edge's.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// How long an origin may take to tell what it has answered.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What an origin noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Noticed {
    /// A head, for this path.
    Begun(String),
    /// A request with all of its body.
    Whole(String, String),
}

/// A program behind the edge.
pub(crate) struct Origin {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    noticed: Arc<Mutex<Vec<Noticed>>>,
    _serving: JoinSet<()>,
    _program: Option<Child>,
}

impl Origin {
    /// hyper, as it comes.
    pub(crate) async fn hyper() -> Self {
        let noticed: Arc<Mutex<Vec<Noticed>>> = Arc::default();
        let noting = Arc::clone(&noticed);
        let router =
            Router::new().fallback(move |request: Request| note(Arc::clone(&noting), request));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            name: "hyper",
            address,
            noticed,
            _serving: serving,
            _program: None,
        }
    }

    /// Node, with its most forgiving parser.
    pub(crate) async fn node() -> Self {
        let mut program = Command::new("node")
            .args(["--input-type=module", "--eval", include_str!("origin.mjs")])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("`make test` installs node");
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let first = lines
            .next_line()
            .await
            .unwrap()
            .expect("node tells its port");
        let first: Value = serde_json::from_str(&first).unwrap();
        let port = u16::try_from(first["port"].as_u64().unwrap()).unwrap();
        let noticed: Arc<Mutex<Vec<Noticed>>> = Arc::default();
        let noting = Arc::clone(&noticed);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                noting
                    .lock()
                    .push(read(&line).expect("node tells what it noticed"));
            }
        });
        Self {
            name: "node",
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            noticed,
            _serving: serving,
            _program: Some(program),
        }
    }

    /// Waits until it has told of a whole request for this path.
    pub(crate) async fn tells_of(&self, path: &str) {
        let told = || self.whole().iter().any(|(whole, _)| whole == path);
        let looking = async {
            while !told() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let has_told = tokio::time::timeout(PATIENCE, looking).await.is_ok();
        assert!(has_told, "{} never had {path}", self.name);
    }

    /// The paths of all heads, in order.
    pub(crate) fn begun(&self) -> Vec<String> {
        let noticed = self.noticed.lock();
        let heads = noticed.iter().filter_map(|noticed| match noticed {
            Noticed::Begun(path) => Some(path.clone()),
            Noticed::Whole(..) => None,
        });
        heads.collect()
    }

    /// The paths and bodies of all requests that were whole, in order.
    pub(crate) fn whole(&self) -> Vec<(String, String)> {
        let noticed = self.noticed.lock();
        let whole = noticed.iter().filter_map(|noticed| match noticed {
            Noticed::Begun(_) => None,
            Noticed::Whole(path, body) => Some((path.clone(), body.clone())),
        });
        whole.collect()
    }
}

async fn note(
    noticed: Arc<Mutex<Vec<Noticed>>>,
    request: Request,
) -> Result<&'static str, StatusCode> {
    let path = request.uri().to_string();
    noticed.lock().push(Noticed::Begun(path.clone()));
    let body = Bytes::from_request(request, &()).await;
    let body = body.map_err(|_cut_off| StatusCode::BAD_REQUEST)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    noticed.lock().push(Noticed::Whole(path, body));
    Ok("{}")
}

fn read(line: &str) -> Option<Noticed> {
    let told: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| told[key].as_str().map(str::to_owned);
    match (text("begun"), text("whole"), text("body")) {
        (Some(path), ..) => Some(Noticed::Begun(path)),
        (None, Some(path), Some(body)) => Some(Noticed::Whole(path, body)),
        (None, ..) => None,
    }
}
