//! Redis for tests: the server that `make test` starts, shared under a prefix of one's own; and servers of one's own, to
//! kill.

#![expect(
    clippy::panic,
    reason = "a test without its server must fail with a sentence, not pass"
)]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Redis, RedisUrl, Settings};

/// Names the server that tests share.
pub const URL_VARIABLE: &str = "SALLYPORT_TEST_REDIS_URL";
/// Longer than a server takes to start on a busy machine.
const START_MAX: Duration = Duration::from_secs(15);

/// Settings for the shared server, with a prefix that nobody else has.
///
/// # Panics
/// There is no server: the message says how to get one.
#[must_use]
pub fn shared_settings() -> Settings {
    let prefix = format!("test-{}-{:08x}", std::process::id(), rand::random::<u32>());
    Settings {
        key_prefix: prefix,
        // Tests share two cores with a compiler: a late answer is no sign of a dead server there.
        quick_call_ms: 1_000,
        ..Settings::at(RedisUrl::new(server_url()))
    }
}

/// A way to the shared server.
///
/// # Panics
/// There is no server.
#[must_use]
pub fn shared() -> Redis {
    open(&shared_settings())
}

/// A way to the Redis of these settings.
///
/// # Panics
/// The settings name none.
#[must_use]
pub fn open(settings: &Settings) -> Redis {
    match Redis::open(settings) {
        Ok(Some(redis)) => redis,
        Ok(None) => panic!("these settings name no Redis"),
        Err(error) => panic!("{error}"),
    }
}

/// A server of one's own on a free port, without persistence: killed, it has lost everything.
#[derive(Debug)]
pub struct OwnServer {
    port: u16,
    process: Option<Child>,
}

impl OwnServer {
    /// Starts one.
    ///
    /// # Panics
    /// `redis-server` is not installed, or does not start.
    #[must_use]
    pub fn start() -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .unwrap_or_else(|error| panic!("no free port: {error}"))
            .port();
        let mut server = Self {
            port,
            process: None,
        };
        server.restart();
        server
    }

    /// Starts it again on its port, empty, and waits until it answers.
    ///
    /// # Panics
    /// It does not start.
    pub fn restart(&mut self) {
        self.kill();
        let port = self.port.to_string();
        let options = [
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ];
        let started = Command::new("redis-server")
            .args(options)
            .stdout(Stdio::null())
            .spawn();
        self.process = Some(started.unwrap_or_else(|error| {
            panic!("redis-server cannot be started: {error}; run `make test`, which installs it")
        }));
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed() < START_MAX, "redis-server does not answer");
            std::thread::yield_now();
        }
    }

    /// What `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }

    /// Where it is, or was.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            quick_call_ms: 500,
            away_ms: 200,
            ..Settings::at(RedisUrl::new(format!("redis://127.0.0.1:{}/0", self.port)))
        }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.kill();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by their environment where their server is"
)]
fn server_url() -> String {
    std::env::var(URL_VARIABLE).unwrap_or_else(|_| {
        panic!("{URL_VARIABLE} is not set: this test needs a real Redis; run `make test`, which starts one")
    })
}
