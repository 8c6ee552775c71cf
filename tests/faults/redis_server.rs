//! A Redis of the fault rows' own, which may be killed and may lose what it held. It appends every write to a file, as one would that
//! keeps anything that matters; what is promised must hold without.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::outfit::{free_port, signal, tick};

/// Longer than a server takes to start on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// A server and its folder; both are gone when this is dropped.
pub(crate) struct RedisServer {
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let mut server = Self {
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            process: None,
        };
        server.bring_up().await;
        server
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("Redis runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().expect("Redis runs");
        signal(&process, "TERM");
        process.wait().unwrap();
    }

    /// Deletes what it has on disk. It must not run.
    pub(crate) fn lose_everything(&self) {
        assert!(self.process.is_none(), "Redis runs");
        for entry in std::fs::read_dir(self.folder.path()).unwrap().flatten() {
            let path = entry.path();
            let gone = if path.is_dir() {
                std::fs::remove_dir_all(path)
            } else {
                std::fs::remove_file(path)
            };
            gone.unwrap();
        }
    }

    /// Starts it on its port, with what is in its folder, and waits until it answers. Does nothing when it runs.
    pub(crate) async fn bring_up(&mut self) {
        if self.process.is_none() {
            self.process = Some(launch(self.port, self.folder.path()));
        }
        let began = Instant::now();
        while !self.answers().await {
            assert!(began.elapsed() < START_PATIENCE, "Redis does not answer");
            tick().await;
        }
    }

    async fn answers(&self) -> bool {
        let Ok(client) = redis::Client::open(format!("redis://{}/", self.address())) else {
            return false;
        };
        let Ok(mut connection) = client.get_multiplexed_async_connection().await else {
            return false;
        };
        let pong: Result<String, _> = redis::cmd("PING").query_async(&mut connection).await;
        pong.is_ok()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// The server dies with us.
fn launch(port: u16, folder: &Path) -> Child {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "redis-server"]);
    command.args(["--bind", "127.0.0.1", "--save", ""]);
    command.args(["--appendonly", "yes", "--appendfsync", "everysec"]);
    command
        .arg("--port")
        .arg(port.to_string())
        .arg("--dir")
        .arg(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null());
    command
        .spawn()
        .expect("redis-server can be started; `make test` installs it")
}
