//! A program that the edge is measured beside: started, waited for, asked for its processor time, and ended.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server; it ends when this is dropped.
pub(crate) struct Peer {
    process: Child,
    port: u16,
}

impl Peer {
    /// Starts it and waits until somebody listens on this port of this machine.
    pub(crate) fn start(command: &mut Command, port: u16) -> Self {
        let process = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a peer that was found starts");
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                started.elapsed() < PATIENCE,
                "{command:?} does not listen on {port}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { process, port }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its process and those that it has started.
    pub(crate) fn processes(&self) -> Vec<String> {
        let own = self.process.id().to_string();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let children = children.unwrap_or_default();
        let mut all: Vec<String> = children.split_whitespace().map(str::to_owned).collect();
        all.push(own);
        all
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // SIGTERM lets it end those that it has started; SIGKILL would leave them.
        let pid = self.process.id().to_string();
        drop(Command::new("kill").arg(pid).status());
        drop(self.process.wait());
    }
}
