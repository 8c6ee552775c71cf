//! What every house in a test is made of: a folder, free ports, a database, settings, and processes that write into log files.
//!
//! Shared by the stories and by the fault rows, each of which builds its own language on it. It waits for nothing and judges nothing.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// Where ports come from.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// No pacing on either side: what a Bot API server of one's own allows.
pub(crate) const OWN_SERVER: [(&str, &str); 2] = [
    ("TELEGRAM_OPS_PACING", "own_server"),
    ("SALLYPORT_PLAYGROUND_LIMITS", "own_server"),
];

/// The secret with which Telegram vouches for its webhooks.
pub(crate) const WEBHOOK_SECRET: &str = "story-webhook-secret";

/// The doors of one house.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    pub(crate) http: u16,
    pub(crate) tls: u16,
    pub(crate) api: u16,
    pub(crate) admin: u16,
    pub(crate) playground: u16,
}

/// What the processes of one house share.
pub(crate) struct Outfit {
    pub(crate) doors: Doors,
    /// The folder that the processes keep their secrets and certificates in, and their logs.
    pub(crate) home: tempfile::TempDir,
    /// What every process is started with; later ones replace earlier ones.
    pub(crate) variables: Vec<(String, String)>,
}

impl Outfit {
    /// A folder, ports and settings for a house on this database. Later variables replace earlier ones.
    pub(crate) fn new(database_url: &str, variables: &[(&str, &str)]) -> Self {
        let doors = Doors {
            http: free_port(),
            tls: free_port(),
            api: free_port(),
            admin: free_port(),
            playground: free_port(),
        };
        let mut all = settings(&doors, database_url);
        all.extend(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        Self {
            doors,
            home: home(),
            variables: all,
        }
    }

    /// A subcommand of the binary with this house's settings and nothing else of the environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_sallyport")), arguments)
    }

    /// The same of another version of the binary.
    pub(crate) fn command_of(&self, binary: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary);
        command.arg("--data").arg(self.home.path()).args(arguments);
        command.env_clear().envs(self.variables.iter().cloned());
        #[expect(
            clippy::disallowed_methods,
            reason = "a program is found the way its parent was"
        )]
        if let Ok(path) = std::env::var("PATH") {
            command.env("PATH", path);
        }
        command
    }

    /// Starts a process that writes into the log of this name.
    pub(crate) fn start(&self, mut command: Command, name: &str) -> Child {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file(name))
            .unwrap();
        let errors = log.try_clone().unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .unwrap()
    }

    /// Everything that the processes of this name have printed.
    pub(crate) fn whole_log(&self, name: &str) -> String {
        std::fs::read_to_string(self.log_file(name)).unwrap_or_default()
    }

    fn log_file(&self, name: &str) -> PathBuf {
        self.home.path().join(format!("{name}.log"))
    }
}

fn settings(doors: &Doors, database_url: &str) -> Vec<(String, String)> {
    let address = |port: u16| format!("127.0.0.1:{port}");
    let api = format!("http://{}", address(doors.playground));
    let webhook = format!("https://{}/telegram/ops", address(doors.tls));
    [
        ("DATABASE_URL", database_url.to_owned()),
        ("SALLYPORT_HTTP_LISTEN", address(doors.http)),
        ("SALLYPORT_TLS_LISTEN", address(doors.tls)),
        ("SALLYPORT_API_LISTEN", address(doors.api)),
        ("SALLYPORT_ADMIN_LISTEN", address(doors.admin)),
        ("SALLYPORT_PLAYGROUND_LISTEN", address(doors.playground)),
        ("TELEGRAM_OPS_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
        ("SALLYPORT_PLAYGROUND_WEBHOOK_PORTS", "any".to_owned()),
        ("TELEGRAM_OPS_API", api),
        ("TELEGRAM_OPS_WEBHOOK_URL", webhook),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// One look's distance from the next.
pub(crate) async fn tick() {
    tokio::time::sleep(Duration::from_millis(15)).await;
}

/// Sends a signal, such as `STOP` or `CONT`.
pub(crate) fn signal(process: &Child, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(process.id().to_string())
        .status()
        .unwrap();
    assert!(status.success());
}

/// Folders are kept together, so that a killed run's leftovers can be found.
fn home() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("story-");
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told by the environment where to keep their folders"
    )]
    match std::env::var_os("SALLYPORT_TEST_HOMES") {
        Some(folder) => builder.tempdir_in(folder).unwrap(),
        None => builder.tempdir().unwrap(),
    }
}

/// A port that nobody listens on, given out once. Taken from below the range that the kernel gives to outgoing connections, or a
/// connection of a neighbour's might sit on it by the time the server wants it.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed);
        let start = u16::try_from(std::process::id() % 200).unwrap() * 60;
        let port = PORTS.start + (start + offset) % (PORTS.end - PORTS.start);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Creates a database of its own on the server and returns its URL.
pub(crate) async fn create_database(server: &str) -> String {
    let name = format!(
        "sallyport_story_{}",
        u64::from(free_port()) * 100_000 + u64::from(rand::random::<u16>())
    );
    let admin = connect(server).await;
    admin
        .batch_execute(&format!("create database {name}"))
        .await
        .unwrap();
    let (base, _) = server.rsplit_once('/').expect("a URL with a database");
    format!("{base}/{name}")
}

/// A connection for looking at what is on disk.
pub(crate) async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "the connection ends with its client, at the end of the test"
    )]
    tokio::spawn(async move { drop(connection.await) });
    client
}
