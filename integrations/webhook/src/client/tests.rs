//! The client against small servers on this machine, and names that lead where a test says.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::dns::{Addrs, Name, Resolving};
use sallyport_security::Secret;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::error::{Again, Fault};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A server that answers the same to everybody and keeps what it was sent.
struct Receiver {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Receiver {
    async fn at(place: &str, answer: &'static str) -> Self {
        let listener = TcpListener::bind(place).await.expect("a place");
        let address = listener.local_addr().expect("an address");
        let (connections, heard) = (
            Arc::<AtomicUsize>::default(),
            Arc::<Mutex<Vec<String>>>::default(),
        );
        let (counted, kept) = (Arc::clone(&connections), Arc::clone(&heard));
        let mut task = JoinSet::new();
        task.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let request = serve(stream, answer).await;
                kept.lock().expect("no panic").push(request);
            }
        });
        Self {
            address,
            connections,
            heard,
            _task: task,
        }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    fn heard(&self) -> String {
        self.heard.lock().expect("no panic").join("\n---\n")
    }
}

/// Reads one request with its body, and answers; with nothing to answer it waits until the other side leaves.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
    let (mut request, mut buffer) = (Vec::new(), [0; 4_096]);
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        request.extend_from_slice(&buffer[..count]);
        if request.ends_with(b"}") && !answer.is_empty() {
            let head =
                format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            drop(stream.write_all(head.as_bytes()).await);
            break;
        }
    }
    String::from_utf8_lossy(&request).into_owned()
}

/// Names that lead where a test says: each lookup takes the next answer, and the last one stays.
struct Scripted(Mutex<VecDeque<Vec<&'static str>>>);

impl Resolve for Scripted {
    fn resolve(&self, _name: Name) -> Resolving {
        let mut answers = self.0.lock().expect("no panic");
        let answer = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        };
        let parsed = answer
            .unwrap_or_default()
            .into_iter()
            .map(|ip| SocketAddr::new(ip.parse().expect("an address"), 0));
        let addresses: Addrs = Box::new(parsed.collect::<Vec<_>>().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

fn settings(port: u16) -> Settings {
    Settings {
        allow_http: true,
        ports: vec![port],
        networks: vec!["127.0.0.2/32".parse().expect("a network")],
        connect_timeout_ms: 1_000,
        request_timeout_ms: 1_000,
    }
}

fn client(port: u16, answers: &[&[&'static str]]) -> Client {
    let answers = answers.iter().map(|answer| answer.to_vec()).collect();
    let names = Arc::new(Scripted(Mutex::new(answers)));
    Client::with_names(&settings(port), names, Vec::new()).expect("a client")
}

fn event() -> Event {
    Event {
        id: "msg_1".to_owned(),
        kind: "digest.daily".to_owned(),
        at: "2026-11-22T09:00:00Z".parse().expect("a time"),
        data: json!({"dead": 1}),
    }
}

async fn send(client: &Client, url: &str) -> Result<Delivered, SendError> {
    let destination = client.destination(url).expect("a URL that is taken");
    let keys = [SigningKey::read(&Secret::new(KEY)).expect("a key")];
    client.send(&destination, &event(), &keys).await
}

/// What a delivery to a receiver with this answer comes to.
async fn answered(answer: &'static str) -> Result<Delivered, SendError> {
    let receiver = Receiver::at("127.0.0.2:0", answer).await;
    let port = receiver.address.port();
    send(&client(port, &[]), &format!("http://127.0.0.2:{port}/hook")).await
}

#[tokio::test]
async fn a_signed_event_arrives_where_an_operator_allows_it() {
    let receiver = Receiver::at("127.0.0.2:0", "204 No Content").await;
    let port = receiver.address.port();

    let sent = send(
        &client(port, &[&["127.0.0.2"]]),
        &format!("http://hooks.example:{port}/hook?a=b"),
    )
    .await;

    assert_eq!(sent.expect("taken"), Delivered { status: 204 });
    let heard = receiver.heard();
    assert!(heard.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{heard}");
    for part in [
        "webhook-id: msg_1",
        "webhook-timestamp: ",
        "webhook-signature: v1,",
        r#""type":"digest.daily""#,
    ] {
        assert!(heard.contains(part), "{part} in {heard}");
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_at_every_delivery() {
    let receiver = Receiver::at("127.0.0.2:0", "200 OK").await;
    let port = receiver.address.port();
    let trap = Receiver::at(&format!("127.0.0.1:{port}"), "200 OK").await;
    let client = client(port, &[&["127.0.0.2"], &["127.0.0.1"]]);
    let url = format!("http://rebinding.example:{port}/");

    assert!(send(&client, &url).await.is_ok());
    for _ in 0..3 {
        let error = send(&client, &url).await.expect_err("refused");
        assert!(matches!(error, SendError::Forbidden { .. }), "{error:?}");
        assert_eq!(
            (error.again(), error.fault()),
            (Again::Never, Fault::Theirs)
        );
    }

    assert_eq!((receiver.connections(), trap.connections()), (1, 0));
}

#[tokio::test]
async fn an_answer_with_one_address_inside_is_refused_whole() {
    let receiver = Receiver::at("127.0.0.2:0", "200 OK").await;
    let port = receiver.address.port();
    for answer in [
        ["127.0.0.2", "127.0.0.1"],
        ["::1", "127.0.0.2"],
        ["127.0.0.2", "64:ff9b::7f00:1"],
    ] {
        let sent = send(
            &client(port, &[&answer]),
            &format!("http://mixed.example:{port}/"),
        )
        .await;

        assert!(
            matches!(sent, Err(SendError::Forbidden { .. })),
            "{answer:?}: {sent:?}"
        );
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_name_without_an_address_is_tried_again_later() {
    let error = send(&client(8_099, &[&[]]), "http://nowhere.example:8099/")
        .await
        .expect_err("nowhere");

    assert!(matches!(error, SendError::NotSent { .. }), "{error:?}");
    assert_eq!(error.again(), Again::After(Duration::ZERO));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let trap = Receiver::at("127.0.0.1:0", "200 OK").await;
    let location: &'static str = format!(
        "307 Temporary Redirect\r\nlocation: http://127.0.0.1:{}/",
        trap.address.port()
    )
    .leak();

    let error = answered(location).await.expect_err("not followed");

    assert!(
        matches!(error, SendError::Redirected { status: 307, .. }),
        "{error:?}"
    );
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn refusals_say_whether_and_when_it_may_be_tried_again() {
    let after = |seconds| Again::After(Duration::from_secs(seconds));
    let cases = [
        ("400 Bad Request", "refused", after(0)),
        ("410 Gone", "gone", Again::Ended),
        ("429 Too Many Requests\r\nretry-after: 7", "busy", after(7)),
        (
            "503 Service Unavailable\r\nretry-after: 999999",
            "busy",
            after(3_600),
        ),
        (
            "503 Service Unavailable\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT",
            "busy",
            after(0),
        ),
        ("502 Bad Gateway", "refused", after(0)),
    ];
    for (answer, name, again) in cases {
        let error = answered(answer).await.expect_err(answer);
        assert_eq!((error.name(), error.again()), (name, again), "{answer}");
        assert_eq!(error.is_ambiguous(), answer.starts_with('5'), "{answer}");
    }
}

#[test]
fn a_date_to_wait_for_is_read() {
    let now = "1994-11-06T08:49:00Z".parse().expect("a time");
    let headers = HeaderMap::from_iter([(
        RETRY_AFTER,
        "Sun, 06 Nov 1994 08:49:37 GMT".parse().expect("a value"),
    )]);

    assert_eq!(retry_after(&headers, now), Some(Duration::from_secs(37)));
}

#[tokio::test]
async fn a_silent_receiver_leaves_it_open_and_no_error_shows_the_url() {
    let error = answered("").await.expect_err("silence");

    assert!(matches!(error, SendError::Unanswered { .. }), "{error:?}");
    assert!(error.is_ambiguous());
    assert!(!format!("{error:?} {error}").contains("/hook"));
}

#[tokio::test]
async fn an_address_is_judged_again_when_settings_have_changed() {
    let receiver = Receiver::at("127.0.0.2:0", "200 OK").await;
    let port = receiver.address.port();
    let entered = client(port, &[])
        .destination(&format!("http://127.0.0.2:{port}/"))
        .expect("taken");
    let closed = Settings {
        networks: Vec::new(),
        ..settings(port)
    };
    let closed = Client::open(&closed).expect("a client");

    let sent = closed.send(&entered, &event(), &[]).await;

    assert!(matches!(sent, Err(SendError::Forbidden { .. })), "{sent:?}");
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_certificate_must_be_of_the_name_and_of_a_known_authority() {
    let made = rcgen::generate_simple_self_signed(vec!["hooks.example".to_owned()])
        .expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a pair");
    let listener = TcpListener::bind("127.0.0.2:0").await.expect("a place");
    let port = listener.local_addr().expect("an address").port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, "200 OK").await;
            }
        }
    });
    let authority = reqwest::Certificate::from_der(made.cert.der()).expect("a certificate");
    let client = |authorities| {
        let names = Arc::new(Scripted(Mutex::new(VecDeque::from([vec!["127.0.0.2"]]))));
        Client::with_names(&settings(port), names, authorities).expect("a client")
    };
    let (knowing, ignorant) = (client(vec![authority]), client(Vec::new()));

    assert!(
        send(&knowing, &format!("https://hooks.example:{port}/"))
            .await
            .is_ok()
    );
    for (client, host) in [(&knowing, "other.example"), (&ignorant, "hooks.example")] {
        let sent = send(client, &format!("https://{host}:{port}/")).await;
        assert!(
            matches!(sent, Err(SendError::NotSent { .. })),
            "{host}: {sent:?}"
        );
    }
}
