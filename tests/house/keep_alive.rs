//! Clients that keep their connections: HTTP/1.1, HTTP/2 over TLS, and calls that the edge forwards to the workers.
//!
//! Shared by the stories and by the fault rows. It judges nothing: what each request came to is told in the end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinSet;

use super::outfit::{Doors, WEBHOOK_SECRET};

/// Connections of each kind, and how long each rests between two requests: together about 500 requests a second.
const CONNECTIONS: usize = 10;
const REST: Duration = Duration::from_millis(60);

/// One request.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The chat that was written in; each is written in once. `None` for a call that the edge forwards.
    pub(crate) chat: Option<i64>,
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    /// `Ok` for 200; otherwise what went wrong.
    pub(crate) came_to: Result<(), String>,
}

/// A load under way.
pub(crate) struct KeepAlive {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Vec<Asked>>,
}

/// Which house, and what is said in it.
pub(crate) struct Target<'h> {
    pub(crate) doors: &'h Doors,
    /// The folder with the certificate.
    pub(crate) data: &'h Path,
    pub(crate) ops_token: &'h str,
    /// What is posted in a chat of this number.
    pub(crate) update: fn(i64) -> Value,
    pub(crate) first_chat: i64,
}

impl KeepAlive {
    pub(crate) fn start(target: &Target<'_>) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            clients: JoinSet::new(),
        };
        let authority = std::fs::read(target.data.join("tls/ca.pem")).unwrap();
        let next_chat = Arc::new(AtomicI64::new(target.first_chat));
        for _ in 0..CONNECTIONS {
            let plain = reqwest::Client::builder().http1_only().build().unwrap();
            let h2 = reqwest::Client::builder()
                .tls_certs_only([reqwest::Certificate::from_pem(&authority).unwrap()])
                .build()
                .unwrap();
            let http = format!("http://127.0.0.1:{}", target.doors.http);
            let https = format!("https://localhost:{}", target.doors.tls);
            for (client, edge) in [(plain.clone(), &http), (h2, &https)] {
                load.post(
                    client,
                    format!("{edge}/telegram/ops"),
                    target.update,
                    &next_chat,
                );
            }
            load.forwarded(plain, format!("{http}/ops/queue"), target.ops_token);
        }
        load
    }

    fn post(
        &mut self,
        client: reqwest::Client,
        url: String,
        update: fn(i64) -> Value,
        next_chat: &Arc<AtomicI64>,
    ) {
        let next_chat = Arc::clone(next_chat);
        self.repeat(move || {
            let chat = next_chat.fetch_add(1, Ordering::Relaxed);
            let request = client
                .post(&url)
                .header("X-Telegram-Bot-Api-Secret-Token", WEBHOOK_SECRET)
                .json(&update(chat));
            (Some(chat), request)
        });
    }

    fn forwarded(&mut self, client: reqwest::Client, url: String, token: &str) {
        let token = token.to_owned();
        self.repeat(move || (None, client.get(&url).bearer_auth(&token)));
    }

    fn repeat(
        &mut self,
        request: impl Fn() -> (Option<i64>, reqwest::RequestBuilder) + Send + 'static,
    ) {
        let stop = Arc::clone(&self.stop);
        self.clients.spawn(async move {
            let mut all = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let (chat, request) = request();
                let began = Instant::now();
                let came_to = match request.send().await {
                    Ok(answer) if answer.status() == 200 => Ok(()),
                    Ok(answer) => Err(format!("{} {}", answer.url().path(), answer.status())),
                    Err(error) => Err(format!("{error:?}")),
                };
                let took = began.elapsed();
                all.push(Asked {
                    chat,
                    began,
                    took,
                    came_to,
                });
                tokio::time::sleep(REST).await;
            }
            all
        });
    }

    /// Ends it: every request and what it came to.
    pub(crate) async fn stop(self) -> Vec<Asked> {
        self.stop.store(true, Ordering::Relaxed);
        let all = self.clients.join_all().await;
        all.into_iter().flatten().collect()
    }
}
