//! Answers without an end: streams of events, and WebSockets through a client and an origin that we did not write.

use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use crate::door::{Door, settings};
use crate::protocols::{client, url};
use crate::replica::read_head;
use crate::upstream::{FINE, Upstream};

/// How long an ordinary answer may take, and be silent.
const ANSWER_DEADLINE: Duration = Duration::from_millis(300);
/// How long a stream may.
const STREAM_IDLE: Duration = Duration::from_millis(1_000);
/// Nothing here takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

async fn door(upstream: &str, websocket: bool) -> Door {
    let mut settings = settings();
    settings["tls"] = json!("127.0.0.1:0");
    settings["routes"][4]["forward"] = json!({
        "upstream": upstream,
        "body_bytes_max": 100,
        "answer_deadline_ms": ANSWER_DEADLINE.as_millis() as u64,
        "stream_idle_ms": STREAM_IDLE.as_millis() as u64,
        "websocket": websocket,
    });
    Door::with(settings).await
}

/// An origin that says what it is told to say, to one caller.
struct Teller {
    address: String,
    says: mpsc::Sender<&'static str>,
    _serving: JoinSet<()>,
}

impl Teller {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (says, mut said) = mpsc::channel(8);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await.unwrap();
            while let Some(words) = said.recv().await {
                let words: &str = words;
                stream.write_all(words.as_bytes()).await.ok();
            }
        });
        Self {
            address,
            says,
            _serving: serving,
        }
    }

    async fn say(&self, words: &'static str) {
        self.says.send(words).await.unwrap();
    }
}

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";

async fn subscribe(door: &Door, client: reqwest::ClientBuilder) -> reqwest::Response {
    let client = client.build().unwrap();
    let asking = client
        .get(url(door, "/ops/events"))
        .header("accept", "text/event-stream")
        .send();
    tokio::time::timeout(PATIENCE, asking)
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn over_http_1_an_event_arrives_when_it_is_sent_however_long_there_was_none() {
    events_arrive_when_they_are_sent(|client| client.http1_only(), reqwest::Version::HTTP_11).await;
}

#[tokio::test]
async fn over_http_2_too() {
    events_arrive_when_they_are_sent(|client| client, reqwest::Version::HTTP_2).await;
}

async fn events_arrive_when_they_are_sent(
    speaking: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    version: reqwest::Version,
) {
    let origin = Teller::start().await;
    let door = door(&origin.address, false).await;
    origin.say(EVENTS).await;
    let mut events = subscribe(&door, speaking(client(&door))).await;
    assert_eq!((events.status().as_u16(), events.version()), (200, version));
    assert_eq!(events.headers()["x-content-type-options"], "nosniff");

    for (words, event) in [
        ("8\r\ndata: 1\n\r\n", "data: 1\n"),
        ("8\r\ndata: 2\n\r\n", "data: 2\n"),
        ("8\r\ndata: 3\n\r\n", "data: 3\n"),
    ] {
        tokio::time::sleep(ANSWER_DEADLINE * 2).await;
        origin.say(words).await;
        let sent = Instant::now();
        let piece = events.chunk().await.unwrap().unwrap();
        assert_eq!(piece, event);
        assert!(sent.elapsed() < ANSWER_DEADLINE, "{:?}", sent.elapsed());
    }
    origin.say("0\r\n\r\n").await;
    // HTTP/2 may end with a frame that holds nothing.
    while let Some(rest) = events.chunk().await.unwrap() {
        assert!(rest.is_empty());
    }
}

#[tokio::test]
async fn a_stream_that_is_silent_for_too_long_is_ended() {
    let origin = Teller::start().await;
    let door = door(&origin.address, false).await;
    origin.say(EVENTS).await;
    let mut events = subscribe(&door, client(&door)).await;

    let began = Instant::now();
    let cut = tokio::time::timeout(PATIENCE, events.chunk())
        .await
        .unwrap();

    assert!(cut.is_err(), "cut in the middle, and seen to be");
    assert!((STREAM_IDLE - ANSWER_DEADLINE..STREAM_IDLE * 3).contains(&began.elapsed()));
}

#[tokio::test]
async fn who_asks_for_events_waits_for_the_head_no_longer_than_others() {
    let origin = Teller::start().await;
    let door = door(&origin.address, false).await;

    let began = Instant::now();
    let answer = door
        .ask("GET /ops/events HTTP/1.1\r\nHost: edge\r\nAccept: text/event-stream\r\n\r\n")
        .await;

    answer.is_problem(504, "upstream-too-slow");
    assert!(began.elapsed() < STREAM_IDLE, "{:?}", began.elapsed());
}

/// An origin that says everything back, until it is told goodbye.
struct Echo {
    address: String,
    _serving: JoinSet<()>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut socket = accept_async(stream).await.unwrap();
                    while let Some(Ok(message)) = socket.next().await {
                        if message.is_text() || message.is_binary() {
                            socket.send(message).await.ok();
                        }
                    }
                });
            }
        });
        Self {
            address,
            _serving: serving,
        }
    }
}

async fn open(door: &Door) -> Result<WebSocketStream<TcpStream>, Error> {
    let stream = TcpStream::connect(door.http()).await.unwrap();
    let opening = client_async("ws://edge/ops/socket", stream);
    let opened = tokio::time::timeout(PATIENCE, opening).await.unwrap();
    opened.map(|(socket, _)| socket)
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Option<Result<Message, Error>> {
    tokio::time::timeout(PATIENCE, socket.next()).await.unwrap()
}

#[tokio::test]
async fn a_websocket_carries_messages_of_any_length_both_ways_and_is_closed_by_either() {
    let echo = Echo::start().await;
    let door = door(&echo.address, true).await;
    let mut socket = open(&door).await.unwrap();

    for length in [1, 200, 100_000] {
        let message = Message::text("x".repeat(length));
        socket.send(message.clone()).await.unwrap();
        assert_eq!(next(&mut socket).await.unwrap().unwrap(), message);
        // Longer than an ordinary answer may be silent.
        tokio::time::sleep(ANSWER_DEADLINE * 2).await;
    }
    socket.close(None).await.unwrap();

    assert!(next(&mut socket).await.unwrap().unwrap().is_close());
    assert!(next(&mut socket).await.is_none());
}

#[tokio::test]
async fn a_websocket_that_nobody_uses_is_ended() {
    let echo = Echo::start().await;
    let door = door(&echo.address, true).await;
    let mut socket = open(&door).await.unwrap();
    let began = Instant::now();

    let ended = next(&mut socket).await.unwrap();

    assert!(ended.is_err(), "{ended:?}");
    assert!((STREAM_IDLE - ANSWER_DEADLINE..STREAM_IDLE * 3).contains(&began.elapsed()));
}

#[tokio::test]
async fn where_the_route_does_not_say_so_there_are_no_websockets() {
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let door = door(&upstream.address, false).await;

    let refused = open(&door).await.unwrap_err();

    assert!(
        matches!(&refused, Error::Http(answer) if answer.status() == 200),
        "{refused}"
    );
    let asked = upstream.asked.recv().await.unwrap().to_ascii_lowercase();
    assert!(!asked.contains("upgrade"), "{asked}");
}

/// A handshake with another request right behind it.
const SMUGGLED: &str = "GET /ops/socket HTTP/1.1\r\nHost: edge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
    GET /admin/secret HTTP/1.1\r\nHost: edge\r\n\r\n";

#[tokio::test]
async fn what_comes_behind_a_handshake_that_the_origin_declines_is_never_handed_on() {
    let declines = "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\n{}";
    for (answer, status) in [
        (FINE, 200),
        (declines, 426),
        // It repeats a number that it was told, and has understood nothing.
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            502,
        ),
    ] {
        let mut upstream = Upstream::answering(Some(answer)).await;
        let door = door(&upstream.address, true).await;
        let mut client = door.connect().await;

        client.send(SMUGGLED).await;

        assert_eq!(client.answer().await.status, status);
        assert!(client.is_closed().await, "{status}");
        let asked = upstream.asked.recv().await.unwrap();
        assert!(
            asked.ends_with("\r\n\r\n") && !asked.contains("secret"),
            "{asked}"
        );
        assert!(upstream.asked.try_recv().is_err(), "{status}");
    }
}

#[tokio::test]
async fn a_switch_of_protocols_that_nobody_asked_for_is_502() {
    let switches = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let upstream = Upstream::answering(Some(switches)).await;

    for websocket in [false, true] {
        let door = door(&upstream.address, websocket).await;
        let plain = "GET /ops/socket HTTP/1.1\r\nHost: edge\r\n\r\n";
        let half = "GET /ops/socket HTTP/1.1\r\nHost: edge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        for request in [plain, half] {
            let answer = door.ask(request).await;
            answer.is_problem(502, "upstream-unreachable");
        }
    }
}
