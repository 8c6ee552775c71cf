//! One process of the house that may be killed, stopped and started again, as its supervisor does it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::outfit::{Outfit, free_port, signal, tick};
use crate::vitals;

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
    /// Variables of this process alone, such as those of a clock.
    pub(crate) environment: Vec<(String, String)>,
    /// Who stands between us and the process.
    pub(crate) above: Above,
    /// Another version of the program than the one that is tested.
    pub(crate) binary: Option<PathBuf>,
    /// A program in whose place it runs, with its arguments, such as `prlimit --nofile=512`.
    pub(crate) within: Vec<String>,
}

/// Who starts a process and gets our signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Above {
    /// Nobody: the process is our child.
    Nobody,
    /// `sallyport supervise`.
    Supervisor,
    /// A shell script that starts the process and hands SIGTERM on, as people write them around containers.
    Shell,
}

/// The script of such a shell. It ends as its child does.
const SCRIPT: &str = r#""$@" & child=$!; trap 'kill -TERM $child' TERM
while kill -0 $child 2>/dev/null; do wait $child; status=$?; done; exit $status"#;

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
            environment: Vec::new(),
            above: Above::Nobody,
            binary: None,
            within: Vec::new(),
        }
    }

    /// Starts it, with these fail points armed.
    pub(crate) fn start(&mut self, outfit: &Outfit, points: &str) {
        let mut command = match self.above {
            Above::Nobody => match &self.binary {
                Some(binary) => outfit.command_of(binary, &[self.role]),
                None => outfit.command(&[self.role]),
            },
            Above::Supervisor => outfit.command(&["supervise", self.role]),
            Above::Shell => in_a_shell(&outfit.command(&[self.role])),
        };
        if let [program, arguments @ ..] = self.within.as_slice() {
            command = below(program, arguments, &command);
        }
        command
            .env(
                "SALLYPORT_ADMIN_LISTEN",
                format!("127.0.0.1:{}", self.admin),
            )
            .env("SALLYPORT_FAIL_POINTS", points);
        if self.role == "workers" {
            command.env("SALLYPORT_API_LISTEN", format!("127.0.0.1:{}", self.api));
        }
        command.envs(self.environment.iter().cloned());
        self.starts += 1;
        self.child = Some(outfit.start(command, &self.log_name()));
    }

    /// `kill -9`: nothing is flushed, nothing is told.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and how long it took until the process was gone and whether it left in order; `None` after `patience`.
    pub(crate) async fn stop(&mut self, patience: Duration) -> Option<(Duration, bool)> {
        let mut child = self.child.take().expect("it runs");
        signal(&child, "TERM");
        let began = Instant::now();
        while began.elapsed() < patience {
            if let Some(status) = child.try_wait().unwrap() {
                return Some((began.elapsed(), status.success()));
            }
            tick().await;
        }
        self.child = Some(child);
        None
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
        family_sum(&self.metrics(client).await, name)
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
        self.child
            .as_ref()
            .map_or(0, |child| vitals::resident_bytes(child.id()))
    }

    /// Its number as a process.
    pub(crate) fn process(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Where its administrators' port answers under this path.
    pub(crate) fn door(&self, path: &str) -> String {
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

/// The sum of one family over all its series, in the text that `/metrics` answers with; none if it has no series.
pub(crate) fn family_sum(text: &str, name: &str) -> Option<f64> {
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

/// The same command below a shell.
fn in_a_shell(command: &Command) -> Command {
    below("sh", &["-c", SCRIPT, "sh"], command)
}

/// The same command as the last arguments of another program.
fn below(program: &str, arguments: &[impl AsRef<OsStr>], command: &Command) -> Command {
    let mut outer = Command::new(program);
    outer.args(arguments).arg(command.get_program());
    outer.args(command.get_args()).env_clear();
    let variables = command.get_envs();
    outer.envs(variables.filter_map(|(name, value)| Some((name, value?))));
    outer
}

/// The last lines of a log.
fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
