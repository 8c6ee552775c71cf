//! An origin for what the edge keeps: it answers each request as a function says, notes what it was asked, and can hold its answers
//! back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::upstream::read_request;

/// What is answered to a request, which is given as text, when it is the so manieth.
pub(crate) type Script = dyn Fn(&str, usize) -> String + Send + Sync;

pub(crate) struct Origin {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<String>>>,
    gate: watch::Sender<bool>,
    _serving: JoinSet<()>,
}

/// An answer with these fields and this body.
pub(crate) fn reply(status: &str, fields: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{fields}\r\n{body}",
        body.len()
    )
}

impl Origin {
    pub(crate) async fn answering(
        script: impl Fn(&str, usize) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (gate, open) = watch::channel(true);
        let script: Arc<Script> = Arc::new(script);
        let mut serving = JoinSet::new();
        let noted = Arc::clone(&asked);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (script, asked) = (Arc::clone(&script), Arc::clone(&noted));
                connections.spawn(serve(stream, script, asked, open.clone()));
            }
        });
        Self {
            address,
            asked,
            gate,
            _serving: serving,
        }
    }

    /// Everything that it was asked so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }

    /// Holds answers back from now on, or lets them go.
    pub(crate) fn opens(&self, is_open: bool) {
        self.gate.send_replace(is_open);
    }

    /// Waits until it was asked so often.
    pub(crate) async fn was_asked(&self, times: usize) {
        eventually(async || (self.asked.lock().len() >= times).then_some(())).await;
    }
}

/// Asks again and again until there is an answer, for ten seconds at most.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < patience, "it never came to that");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn serve(
    mut stream: TcpStream,
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<String>>>,
    mut open: watch::Receiver<bool>,
) {
    loop {
        let request = read_request(&mut stream).await;
        if request.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        let number = {
            let mut asked = asked.lock();
            asked.push(text.clone());
            asked.len()
        };
        if open.wait_for(|open| *open).await.is_err() {
            return;
        }
        let answer = script(&text, number);
        if stream.write_all(answer.as_bytes()).await.is_err()
            || answer.contains("Connection: close")
        {
            return;
        }
    }
}
