//! A Postgres server of the fault rows' own, which may be killed: listening on this machine's TCP, so that a proxy can stand before it.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::outfit::{free_port, signal, tick};

/// Postgres refuses to be run by root: "nobody" on Debian and Ubuntu.
const UNPRIVILEGED: &str = "65534";
/// After a kill -9 the old server's children hold the shared memory for some seconds, and a start is refused meanwhile.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Where servers are kept, each under its owner's process id. Their account must be able to reach it, which a home may forbid.
const FOLDER: &str = "/var/tmp/sallyport-faults-";

/// A server and its data; both are gone when this is dropped.
pub(crate) struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    postmaster: Option<Child>,
    environment: Vec<(String, String)>,
}

impl Cluster {
    /// Makes the server and starts it.
    pub(crate) async fn start() -> Self {
        clear_leftovers();
        Self::start_in(PathBuf::from(format!("{FOLDER}{}", std::process::id()))).await
    }

    /// The same in this folder.
    pub(crate) async fn start_in(folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        let mut cluster = Self {
            programs: programs(),
            folder,
            port: free_port(),
            postmaster: None,
            environment: Vec::new(),
        };
        cluster.initialise();
        cluster.bring_up().await;
        cluster
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Its maintenance database.
    pub(crate) fn url(&self) -> String {
        format!("postgresql://postgres@{}/postgres", self.address())
    }

    /// A clock that can be moved while whoever goes by it runs, Postgres too.
    pub(crate) fn clock(&self, name: &str) -> Clock {
        Clock::new(self.folder.join(format!("{name}.clock")))
    }

    /// Starts the server anew, with these variables.
    pub(crate) async fn restart_with(&mut self, environment: Vec<(String, String)>) {
        self.bring_up().await;
        self.stop();
        self.environment = environment;
        self.bring_up().await;
    }

    /// `kill -9` of the postmaster, as the out-of-memory killer does it. Its children notice by themselves.
    pub(crate) fn kill(&mut self) {
        let mut postmaster = self.postmaster.take().expect("Postgres runs");
        postmaster.kill().unwrap();
        postmaster.wait().unwrap();
    }

    /// Sends a signal to every process of the server at once, as what happens to a machine happens to all of them.
    pub(crate) fn signal_all(&self, name: &str) {
        let postmaster = self.postmaster.as_ref().expect("Postgres runs");
        signal(postmaster, name);
        let postmaster = postmaster.id();
        let path = format!("/proc/{postmaster}/task/{postmaster}/children");
        let children = std::fs::read_to_string(path).unwrap_or_default();
        // One that has just left needs no signal.
        let mut command = Command::new("kill");
        drop(
            command
                .arg(format!("-{name}"))
                .args(children.split_whitespace())
                .output(),
        );
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self) {
        let mut postmaster = self.postmaster.take().expect("Postgres runs");
        signal(&postmaster, "INT");
        postmaster.wait().unwrap();
    }

    /// Starts it, and waits until it takes connections. Does nothing when it runs.
    pub(crate) async fn bring_up(&mut self) {
        let began = Instant::now();
        loop {
            let exited = match &mut self.postmaster {
                Some(postmaster) => postmaster.try_wait().unwrap().is_some(),
                None => true,
            };
            if exited {
                self.postmaster = Some(self.launch());
            }
            if tokio_postgres::connect(&self.url(), tokio_postgres::NoTls)
                .await
                .is_ok()
            {
                return;
            }
            assert!(
                began.elapsed() < START_PATIENCE,
                "Postgres does not start:\n{}",
                std::fs::read_to_string(self.log()).unwrap_or_default()
            );
            tick().await;
        }
    }

    fn launch(&self) -> Child {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        let options = [
            "listen_addresses=127.0.0.1",
            "max_connections=200",
            "max_wal_size=4GB",
        ];
        let mut command = self.as_server("postgres");
        command
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.folder);
        command.arg("-p").arg(self.port.to_string());
        for option in options {
            command.args(["-c", option]);
        }
        let errors = log.try_clone().unwrap();
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        command.spawn().expect("Postgres can be started")
    }

    fn initialise(&self) {
        if is_root() {
            let owner = format!("{UNPRIVILEGED}:{UNPRIVILEGED}");
            let owned = Command::new("chown").arg(owner).arg(&self.folder).status();
            assert!(owned.unwrap().success());
        }
        let made = self
            .as_server("initdb")
            .args(["-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"])
            .args(["--auth=trust", "--data-checksums", "-D"])
            .arg(self.data())
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
    }

    /// One of the server's programs, under the account that may run it; it dies with us.
    fn as_server(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        let mut command = Command::new("env");
        if is_root() {
            command = Command::new("setpriv");
            command
                .arg(format!("--reuid={UNPRIVILEGED}"))
                .arg(format!("--regid={UNPRIVILEGED}"))
                .args(["--clear-groups", "--pdeathsig", "KILL", "env"]);
        }
        // Set only after the account has changed: what a clock shares between its processes belongs to whoever made it first.
        let variables = self.environment.iter();
        command
            .args(variables.map(|(name, value)| format!("{name}={value}")))
            .arg(path);
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("postgres.log")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            drop(postmaster.kill());
            drop(postmaster.wait());
        }
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// What killed runs left behind: their owner is gone, so nobody else will.
fn clear_leftovers() {
    for entry in std::fs::read_dir("/var/tmp").unwrap().flatten() {
        let path = entry.path();
        let named = path.to_str().and_then(|path| path.strip_prefix(FOLDER));
        if let Some(owner) = named
            && !Path::new("/proc").join(owner).exists()
        {
            let lock =
                std::fs::read_to_string(path.join("data/postmaster.pid")).unwrap_or_default();
            let postmaster = lock.lines().next().unwrap_or("none");
            let name = std::fs::read_to_string(format!("/proc/{postmaster}/comm"));
            if name.is_ok_and(|name| name.trim() == "postgres") {
                drop(Command::new("kill").args(["-9", postmaster]).status());
            }
            drop(std::fs::remove_dir_all(path));
        }
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// The folder of the server's programs, found or fetched as `make run` does it.
fn programs() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres");
    let found = Command::new(script).arg("bin").output().unwrap();
    let folder = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    assert!(
        found.status.success() && !folder.is_empty(),
        "{}",
        String::from_utf8_lossy(&found.stderr)
    );
    PathBuf::from(folder)
}
