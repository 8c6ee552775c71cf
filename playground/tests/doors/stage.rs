//! A playground of its own for each test, and a bot's webhook that answers as it is told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use reqwest::Response;
use sallyport_playground::{
    Limits, Playground, PlaygroundHandle, PlaygroundSettings, WebhookPorts,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub(crate) const TOKEN: &str = "1000001:playground-ops";

/// A running playground and a client for it.
pub(crate) struct Stage {
    pub(crate) handle: PlaygroundHandle,
    pub(crate) client: reqwest::Client,
    stop: CancellationToken,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        Self::with(PlaygroundSettings::default()).await
    }

    pub(crate) async fn without_limits() -> Self {
        Self::with(PlaygroundSettings {
            limits: Limits::OwnServer,
            ..PlaygroundSettings::default()
        })
        .await
    }

    /// Starts on a free port, with quick repetitions and no pauses between words.
    pub(crate) async fn with(settings: PlaygroundSettings) -> Self {
        let stop = CancellationToken::new();
        let settings = PlaygroundSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            webhook_ports: WebhookPorts::Any,
            webhook_retry_first_ms: 20,
            model_word_delay_ms: 0,
            ..settings
        };
        let handle = Playground::start(settings, stop.clone())
            .await
            .expect("the playground starts");
        Self {
            handle,
            client: reqwest::Client::new(),
            stop,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.handle.url())
    }

    /// Calls a method of the Bot API with JSON.
    pub(crate) async fn call(&self, method: &str, parameters: Value) -> Value {
        let url = self.url(&format!("/bot{TOKEN}/{method}"));
        self.client
            .post(url)
            .json(&parameters)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.client
            .get(self.url(path))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Response {
        self.client
            .post(self.url(path))
            .json(&body)
            .send()
            .await
            .unwrap()
    }

    /// A person speaks in their private chat.
    pub(crate) async fn say(&self, person: i64, text: &str) -> Value {
        let answer = self
            .post("/_/telegram/say", json!({"chat_id": person, "text": text}))
            .await;
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    pub(crate) async fn sent(&self, chat: i64) -> Vec<Value> {
        let sent = self.get(&format!("/_/telegram/sent?chat_id={chat}")).await;
        sent.as_array().cloned().expect("a list")
    }

    pub(crate) async fn break_something(&self, order: Value) {
        assert_eq!(self.post("/_/faults", order).await.status(), 201);
    }

    /// Sets the webhook to `hook`, trusting its certificate.
    pub(crate) async fn set_webhook(&self, hook: &Hook) -> Value {
        let form = reqwest::multipart::Form::new()
            .text("url", hook.url.clone())
            .text("secret_token", "s3cret")
            .part(
                "certificate",
                reqwest::multipart::Part::text(hook.certificate.clone()).file_name("ca.pem"),
            );
        let url = self.url(&format!("/bot{TOKEN}/setWebhook"));
        self.client
            .post(url)
            .multipart(form)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// One request that reached the webhook.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) update: Value,
    pub(crate) head: String,
}

#[derive(Default)]
struct Desk {
    received: Vec<Received>,
    answers: VecDeque<String>,
    connections: usize,
    /// While set, requests of this chat get no answer.
    held_chat: Option<i64>,
}

/// A bot's webhook over TLS with a certificate of its own.
pub(crate) struct Hook {
    pub(crate) url: String,
    pub(crate) certificate: String,
    desk: Arc<Mutex<Desk>>,
    changed: Arc<Notify>,
}

impl Hook {
    pub(crate) async fn open() -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        let config = config
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/telegram/ops", listener.local_addr().unwrap());
        let hook = Self {
            url,
            certificate: made.cert.pem(),
            desk: Arc::default(),
            changed: Arc::default(),
        };
        let (desk, changed) = (Arc::clone(&hook.desk), Arc::clone(&hook.changed));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (acceptor, desk, changed) =
                    (acceptor.clone(), Arc::clone(&desk), Arc::clone(&changed));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(connection).await {
                        serve(stream, &desk, &changed).await;
                    }
                });
            }
        });
        hook
    }

    /// The next requests get these answers, head and all; later ones get 200.
    pub(crate) fn answer_next(&self, answers: &[&str]) {
        self.desk
            .lock()
            .unwrap()
            .answers
            .extend(answers.iter().map(|answer| (*answer).to_owned()));
    }

    pub(crate) fn hold(&self, chat: Option<i64>) {
        self.desk.lock().unwrap().held_chat = chat;
        self.changed.notify_waiters();
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.desk.lock().unwrap().received.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.desk.lock().unwrap().connections
    }

    /// Waits until so many requests have come.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        wait_until("the webhook got its requests", || async {
            self.received().len() >= count
        })
        .await;
        self.received()
    }
}

async fn serve(
    mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin,
    desk: &Mutex<Desk>,
    changed: &Notify,
) {
    desk.lock().unwrap().connections += 1;
    let mut buffer = Vec::new();
    loop {
        let Some((head, body)) = read_request(&mut stream, &mut buffer).await else {
            return;
        };
        let update: Value = serde_json::from_slice(&body).unwrap();
        let chat = update["message"]["chat"]["id"].as_i64();
        let answer = {
            let mut desk = desk.lock().unwrap();
            desk.received.push(Received { update, head });
            desk.answers.pop_front()
        };
        changed.notify_waiters();
        loop {
            let woken = changed.notified();
            let held = { desk.lock().unwrap().held_chat };
            if held.is_none() || held != chat {
                break;
            }
            woken.await;
        }
        let answer = answer.unwrap_or_else(|| {
            "HTTP/1.1 200 OK\r\nRequest-Id: 00112233445566778899aabbccddeeff\r\nContent-Length: 2\r\n\r\n{}".to_owned()
        });
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_request(
    stream: &mut (impl AsyncReadExt + Unpin),
    buffer: &mut Vec<u8>,
) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            });
            let total = end + 4 + length.unwrap_or(0);
            if buffer.len() >= total {
                let body = buffer[end + 4..total].to_vec();
                buffer.drain(..total);
                return Some((head, body));
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => buffer.extend_from_slice(&chunk[..read]),
        }
    }
}

/// Looks again and again, at most five seconds long.
pub(crate) async fn wait_until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(5), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
