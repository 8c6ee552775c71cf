//! A Postgres of a test's own: set up, archived, stopped, restored, started again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sallyport_postgres::DatabaseUrl;
use sallyport_recovery::{
    Made, Place, Request, RestoreError, Restored, Settings, Target, backup, restore,
};
use sallyport_security::Secret;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// How long anything that a test waits for may take.
const PATIENCE: Duration = Duration::from_secs(60);
const UNPRIVILEGED: &str = "65534";
pub(crate) const PASSWORD: &str = "a password for tests";

/// Whether the log of a server is archived by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    Archived,
    Forgotten,
}

/// A server and the folder of its backups.
pub(crate) struct Server {
    home: TempDir,
    log: Log,
    bin: PathBuf,
}

impl Server {
    /// A running server with the tables of the house.
    pub(crate) async fn start(log: Log) -> Self {
        let home = tempfile::tempdir().unwrap();
        let server = Self {
            home,
            log,
            bin: programs(),
        };
        give_away(server.home.path());
        for folder in [server.cluster(), server.socket()] {
            std::fs::create_dir_all(&folder).unwrap();
            give_away(&folder);
            run(Command::new("chmod").arg("700").arg(&folder));
        }
        std::fs::create_dir_all(server.shelf()).unwrap();
        if log == Log::Archived {
            std::fs::create_dir_all(server.archive()).unwrap();
            give_away(&server.archive());
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/archive-wal");
        std::fs::copy(script, server.home.path().join("archive-wal")).unwrap();
        let initdb = [
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--auth=trust",
            "--data-checksums",
            "-D",
        ];
        run(server
            .as_server("initdb")
            .args(initdb)
            .arg(server.cluster()));
        server.up();
        sallyport_postgres::migrate(&server.url()).await.unwrap();
        server
    }

    /// Starts the server over its cluster.
    pub(crate) fn up(&self) {
        let mut options = format!(
            "-k {} -c listen_addresses= -c max_connections=40",
            self.socket().display()
        );
        if self.log == Log::Archived {
            options.push_str(&format!(
                " -c archive_mode=on -c archive_timeout=60 -c \"archive_command={}/archive-wal {} %p %f\"",
                self.home.path().display(),
                self.archive().display()
            ));
        }
        let mut start = self.as_server("pg_ctl");
        start.arg("-D").arg(self.cluster());
        start.arg("-l").arg(self.cluster().join("server.log"));
        run(start.args(["-w", "-o", &options, "start"]));
    }

    /// Stops it; what is left of the log is archived before it goes.
    pub(crate) fn down(&self) {
        let mut stop = self.as_server("pg_ctl");
        run(stop
            .arg("-D")
            .arg(self.cluster())
            .args(["-m", "fast", "-w", "stop"]));
    }

    /// Stops it and moves its cluster away, as the runbook says.
    pub(crate) fn lose_the_cluster(&self) -> PathBuf {
        self.down();
        self.move_away()
    }

    /// The same after a power cut.
    pub(crate) fn break_down(&self) -> PathBuf {
        let mut stop = self.as_server("pg_ctl");
        run(stop
            .arg("-D")
            .arg(self.cluster())
            .args(["-m", "immediate", "-w", "stop"]));
        self.move_away()
    }

    fn move_away(&self) -> PathBuf {
        let broken = self.home.path().join("broken");
        std::fs::rename(self.cluster(), &broken).unwrap();
        broken
    }

    pub(crate) fn cluster(&self) -> PathBuf {
        self.home.path().join("cluster")
    }

    pub(crate) fn shelf(&self) -> PathBuf {
        self.home.path().join("backups")
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.shelf().join("wal")
    }

    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("s")
    }

    pub(crate) fn url(&self) -> DatabaseUrl {
        let socket = self.socket().display().to_string().replace('/', "%2F");
        DatabaseUrl::new(format!("postgresql://postgres@{socket}/postgres"))
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            settings: Settings {
                directory: self.shelf(),
                password: Secret::new(PASSWORD),
                ..Settings::default()
            },
            url: self.url(),
            programs: vec![self.bin.clone()],
            version: "0.1.0".to_owned(),
        }
    }

    pub(crate) async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(self.url().expose(), NoTls)
            .await
            .unwrap();
        tokio_util::task::TaskTracker::new().spawn(connection);
        client
    }

    /// One number.
    pub(crate) async fn number(&self, question: &str) -> i64 {
        let row = self.client().await.query_one(question, &[]).await.unwrap();
        row.get(0)
    }

    pub(crate) async fn execute(&self, statements: &str) {
        self.client().await.batch_execute(statements).await.unwrap();
    }

    /// The server's time.
    pub(crate) async fn now(&self) -> Timestamp {
        let row = self
            .client()
            .await
            .query_one("select clock_timestamp()", &[])
            .await
            .unwrap();
        row.get(0)
    }

    /// Puts messages into the queue, and ends the first half of them.
    pub(crate) async fn accept(&self, messages: u32) {
        self.execute(&format!(
            "with numbers as (select nextval('message_order') as id from generate_series(1, {messages})),
             stored as (insert into messages (id, day, bot, tenant, source, delivery_id, kind, kind_version, key, partition, priority,
                payload, payload_format, trace, trace_id)
                select id, current_date, 'ops', 't', 's', id::text, 'k', 1, 'in:1', 7, 1, '\\x00', 0, '\\x00', '\\x00' from numbers),
             paired as (insert into deliveries select 's', id::text, id, '\\x00' from numbers)
             insert into queue (id, day, partition, priority, kind, key) select id, current_date, 7, 1, 'k', 'in:1' from numbers;
             with gone as (delete from queue where id in (select id from queue order by id limit {messages} / 2) returning id)
             insert into endings (message_id, day, outcome, attempt, started_at, worker, claim)
                select id, current_date, 'done', 1, now(), 'w', 0 from gone;"
        ))
        .await;
    }

    /// Makes a backup with one kept file.
    pub(crate) async fn back_up(&self) -> Made {
        let file = sallyport_recovery::KeptFile {
            name: "config/.env".to_owned(),
            bytes: b"OPS_TOKEN=secret".to_vec(),
        };
        backup(&self.place(), &[file]).await.unwrap()
    }

    pub(crate) fn request(&self, target: Target) -> Request {
        Request {
            target,
            into: self.cluster(),
            backup: None,
            timeline: None,
            more_log: None,
            settings_into: None,
        }
    }

    pub(crate) async fn restore(&self, target: Target) -> Result<Restored, RestoreError> {
        restore(&self.place(), &self.request(target)).await
    }

    fn as_server(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--reuid={UNPRIVILEGED}"))
                .arg(format!("--regid={UNPRIVILEGED}"))
                .arg("--clear-groups")
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/tmp");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut stop = self.as_server("pg_ctl");
        let stop = stop.arg("-D").arg(self.cluster());
        drop(stop.args(["-m", "immediate", "-w", "stop"]).output());
    }
}

/// Looks every few milliseconds whether something holds.
pub(crate) async fn wait_until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < PATIENCE, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn give_away(path: &Path) {
    if is_root() {
        run(Command::new("chown")
            .arg(format!("{UNPRIVILEGED}:{UNPRIVILEGED}"))
            .arg(path));
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by their environment which programs to take"
)]
fn programs() -> PathBuf {
    if let Ok(folder) = std::env::var("SALLYPORT_POSTGRES_BIN") {
        return folder.into();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/postgres");
    let output = Command::new(script).arg("bin").output().unwrap();
    let folder = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "no PostgreSQL was found; run `make test`, which gets one"
    );
    folder.trim().into()
}
