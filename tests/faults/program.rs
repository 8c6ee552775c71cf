//! One process of the house that may be killed, stopped and started again, as its supervisor does it.

use std::process::Child;
use std::time::{Duration, Instant};

use crate::outfit::{Outfit, free_port, signal, tick};

/// How long a process may take until it says that it is ready.
pub(crate) const READY_PATIENCE: Duration = Duration::from_secs(60);

/// A role of the house with doors of its own.
pub(crate) struct Program {
    role: &'static str,
    name: String,
    admin: u16,
    api: u16,
    starts: usize,
    child: Option<Child>,
}

impl Program {
    /// A process of this role, not yet started. `name` is the beginning of its logs' names.
    pub(crate) fn new(role: &'static str, name: String) -> Self {
        Self {
            role,
            name,
            admin: free_port(),
            api: free_port(),
            starts: 0,
            child: None,
        }
    }

    /// Starts it, with these fail points armed.
    pub(crate) fn start(&mut self, outfit: &Outfit, points: &str) {
        let mut command = outfit.command(&[self.role]);
        command
            .env(
                "SALLYPORT_ADMIN_LISTEN",
                format!("127.0.0.1:{}", self.admin),
            )
            .env("SALLYPORT_FAIL_POINTS", points);
        if self.role == "workers" {
            command.env("SALLYPORT_API_LISTEN", format!("127.0.0.1:{}", self.api));
        }
        self.starts += 1;
        self.child = Some(outfit.start(command, &self.log_name()));
    }

    /// `kill -9`: nothing is flushed, nothing is told.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends a signal, such as `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.as_ref().expect("it runs"), name);
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        match &mut self.child {
            Some(child) => child.try_wait().unwrap().is_some(),
            None => true,
        }
    }

    /// How often it was started.
    pub(crate) fn starts(&self) -> usize {
        self.starts
    }

    /// What this start has printed.
    pub(crate) fn log(&self, outfit: &Outfit) -> String {
        outfit.whole_log(&self.log_name())
    }

    /// The status of its `/health/ready`; none while nobody answers.
    pub(crate) async fn ready_status(&self, client: &reqwest::Client) -> Option<u16> {
        let answer = client.get(self.door("health/ready")).send().await;
        Some(answer.ok()?.status().as_u16())
    }

    /// The text of its `/metrics`; empty while nobody answers.
    pub(crate) async fn metrics(&self, client: &reqwest::Client) -> String {
        match client.get(self.door("metrics")).send().await {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// The sum of one family over all its series.
    pub(crate) async fn metric(&self, client: &reqwest::Client, name: &str) -> Option<f64> {
        let text = self.metrics(client).await;
        let values: Vec<f64> = text
            .lines()
            .filter(|line| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with([' ', '{']))
            })
            .filter_map(|line| line.rsplit_once(' ')?.1.parse().ok())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Waits until it says that it is ready, and for how long that took. Panics with its log when it does not.
    pub(crate) async fn wait_ready(
        &mut self,
        outfit: &Outfit,
        client: &reqwest::Client,
    ) -> Duration {
        let began = Instant::now();
        while self.ready_status(client).await != Some(200) {
            assert!(
                began.elapsed() < READY_PATIENCE && !self.has_ended(),
                "{} is not ready:\n{}",
                self.name,
                end_of(&self.log(outfit))
            );
            tick().await;
        }
        began.elapsed()
    }

    /// Waits until it tells that this point was reached; false when it does not in time.
    pub(crate) async fn reaches(&self, point: &str, outfit: &Outfit, patience: Duration) -> bool {
        let line = format!("fail point {point} is reached");
        let began = Instant::now();
        while began.elapsed() < patience {
            if self.log(outfit).contains(&line) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        false
    }

    /// The memory that it occupies, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = self.child.as_ref().map(|child| {
            std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default()
        });
        let kilobytes = status.as_deref().and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
        });
        kilobytes.unwrap_or(0) * 1024
    }

    fn door(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.admin)
    }

    fn log_name(&self) -> String {
        format!("{}.{}", self.name, self.starts)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// The last lines of a log.
fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
