//! What stands behind the edge in these tests: it answers with given bytes and hands over what it was asked.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// An answer with fields that must not reach a client.
pub(crate) const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\nServer: axum/0.8\r\n\
                    X-Powered-By: tea\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\
                    Cache-Control: public\r\n\r\n{}";

/// An upstream that answers each request with the same bytes, or not at all, and hands over what it was asked.
pub(crate) struct Upstream {
    pub(crate) address: String,
    pub(crate) asked: mpsc::Receiver<String>,
    _serving: JoinSet<()>,
}

impl Upstream {
    pub(crate) async fn answering(answer: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, asked) = mpsc::channel(16);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, answer, tell.clone()));
            }
        });
        Self {
            address,
            asked,
            _serving: serving,
        }
    }
}

async fn serve(mut stream: TcpStream, answer: Option<&'static str>, tell: mpsc::Sender<String>) {
    loop {
        let request = read_request(&mut stream).await;
        if request.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        tell.send(text).await.ok();
        match answer {
            Some(answer) => stream.write_all(answer.as_bytes()).await.ok(),
            None => std::future::pending().await,
        };
    }
}

/// A request with as much of its body as was announced, or as came before the other side left.
pub(crate) async fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lengths = head
                .lines()
                .filter_map(|line| line.strip_prefix("content-length: "));
            let announced = lengths.next().map_or(0, |digits| digits.parse().unwrap());
            if body.len() >= announced {
                return bytes;
            }
        }
        if matches!(stream.read_buf(&mut bytes).await, Ok(0) | Err(_)) {
            return bytes;
        }
    }
}
