//! A server over a restored copy: nobody but us reaches it, it yields to everybody, and it takes nothing from the
//! configuration that came with the copy. Used to bring a restore to its moment, and by the drill.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::Child;

use crate::disk;
use crate::error::Trouble;
use crate::manifest::Server;
use crate::programs::{Programs, tail};
use crate::session::Session;

/// Replaying a day of a busy house takes less.
const REPLAY_DEADLINE: Duration = Duration::from_secs(6 * 60 * 60);
const STOP_DEADLINE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

/// Settings that keep the server apart from the world and from the archive; they win over every file of the copy.
const APART: [&str; 12] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "archive_mode=off",
    "archive_cleanup_command=",
    "recovery_end_command=",
    "primary_conninfo=",
    "synchronous_standby_names=",
    "shared_preload_libraries=",
    "ssl=off",
    "logging_collector=off",
    "huge_pages=off",
    "hot_standby=on",
];

/// Marks of a line of the log that says why a server ended.
const GRAVE: [&str; 3] = ["FATAL", "PANIC", "ERROR"];
/// Marks of a line that only says that we came too early.
const ABOUT_US: [&str; 3] = [
    "starting up",
    "not yet accepting",
    "connection to client lost",
];

/// Where replaying stops, and what then.
#[derive(Debug, Clone)]
pub(crate) enum Until {
    /// At a moment; then the server opens.
    Moment(jiff::Timestamp),
    /// At a restore point; then the server waits, readable.
    Point(String),
    /// At the end of the log; then the server opens.
    End,
}

/// What a server of ours is started over.
pub(crate) struct Over<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) data: &'a Path,
    pub(crate) server: &'a Server,
    pub(crate) timeline: u32,
    /// Prints a segment into a file: the archive first, then what else there is.
    pub(crate) sources: &'a Sources,
}

/// Where segments may come from.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    pub(crate) archive: PathBuf,
    /// What is being received; its last segment is unfinished.
    pub(crate) stream: PathBuf,
    /// A folder of bare segments, such as `pg_wal` of a broken cluster.
    pub(crate) more: Option<PathBuf>,
}

/// The running server. Dropping it kills it.
pub(crate) struct Scratch {
    child: Child,
    folder: TempDir,
    server: Server,
}

impl Sources {
    fn command(&self) -> String {
        let quoted =
            |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
        let archive = quoted(&self.archive);
        let stream = quoted(&self.stream);
        let mut command = format!(
            "for f in {archive}/%f-*.gz; do [ -f \"$f\" ] && gzip -dc \"$f\" > \"%p\" && exit 0; done; \
             for f in {stream}/%f {stream}/%f.partial; do [ -f \"$f\" ] && cp \"$f\" \"%p\" && exit 0; done; "
        );
        if let Some(more) = &self.more {
            let more = quoted(more);
            command.push_str(&format!(
                "[ -f {more}/%f ] && cp {more}/%f \"%p\" && exit 0; "
            ));
        }
        command.push_str("exit 1");
        command
    }
}

impl Scratch {
    /// Starts a server that replays `until`. It is not ready yet.
    pub(crate) fn start(over: &Over<'_>, until: &Until) -> Result<Self, Trouble> {
        let folder = tempfile::Builder::new()
            .prefix("sallyport-")
            .tempdir()
            .map_err(disk::failed("make a folder in", Path::new("/tmp")))?;
        disk::give_to_server(folder.path())?;
        let hba = folder.path().join("hba");
        let ident = folder.path().join("ident");
        disk::write_whole(&hba, b"local all all trust\n")?;
        disk::write_whole(&ident, b"")?;
        disk::give_to_server(&hba)?;
        disk::give_to_server(&ident)?;
        let signal = over.data.join("recovery.signal");
        disk::write_whole(&signal, b"")?;
        disk::give_to_server(&signal)?;

        let mut command = over.programs.command("postgres");
        command.arg("-D").arg(over.data).current_dir(folder.path());
        let mut set = |setting: String| {
            command.arg("-c").arg(setting);
        };
        set(format!("config_file={}", ident.display()));
        set(format!("hba_file={}", hba.display()));
        set(format!("ident_file={}", ident.display()));
        set(format!(
            "unix_socket_directories={}",
            folder.path().display()
        ));
        APART.iter().for_each(|setting| set((*setting).to_owned()));
        for (name, value) in &over.server.settings {
            set(format!("{name}={value}"));
        }
        set(format!("restore_command={}", over.sources.command()));
        set(format!("recovery_target_timeline={}", over.timeline));
        for setting in until.settings() {
            set(setting);
        }
        if let Some(account) = disk::server_account() {
            command.uid(account).gid(account);
        }
        let log = log(folder.path())?;
        let errors = log
            .try_clone()
            .map_err(disk::failed("write", folder.path()))?;
        let child = command
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors))
            .spawn()
            .map_err(|source| Trouble::Start {
                program: "postgres".to_owned(),
                source,
            })?;
        Ok(Self {
            child,
            folder,
            server: over.server.clone(),
        })
    }

    /// Waits until the server has replayed and stands still, readable (`Point`), or has opened (all others).
    pub(crate) async fn ready(&mut self, until: &Until) -> Result<Session, Trouble> {
        let started = Instant::now();
        let open = !matches!(until, Until::Point(_));
        while started.elapsed() < REPLAY_DEADLINE {
            if self.has_ended()? {
                return Err(Trouble::NotUp { said: self.said() });
            }
            if let Ok(session) = self.connect().await
                && is_there(&session, open).await
            {
                return Ok(session);
            }
            tokio::time::sleep(POLL).await;
        }
        Err(Trouble::Late {
            what: "replaying the log",
            seconds: REPLAY_DEADLINE.as_secs(),
        })
    }

    async fn connect(&self) -> Result<Session, Trouble> {
        let (user, database) = (&self.server.superuser, &self.server.database);
        Session::on_socket(self.folder.path(), user, database).await
    }

    fn has_ended(&mut self) -> Result<bool, Trouble> {
        let status = self.child.try_wait().map_err(|source| Trouble::Start {
            program: "postgres".to_owned(),
            source,
        })?;
        Ok(status.is_some())
    }

    /// What the server wrote that is neither mere progress nor an answer to our asking too early.
    fn said(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let has = |line: &str, words: &[&str]| words.iter().any(|word| line.contains(word));
        let grave: Vec<&str> = log
            .lines()
            .filter(|line| has(line, &GRAVE) && !has(line, &ABOUT_US))
            .collect();
        match grave.is_empty() {
            true => tail(&log),
            false => tail(&grave.join("\n")),
        }
    }

    /// Stops it in order: everything is on disk afterwards.
    pub(crate) async fn stop(mut self) -> Result<(), Trouble> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = id.and_then(Pid::from_raw) {
            // It may have ended by itself meanwhile, which the wait below tells.
            kill_process(pid, Signal::INT).ok();
        }
        let ended = tokio::time::timeout(STOP_DEADLINE, self.child.wait()).await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(_) => Err(Trouble::NotUp { said: self.said() }),
            Err(_) => Err(Trouble::Late {
                what: "stopping the restored server",
                seconds: STOP_DEADLINE.as_secs(),
            }),
        }
    }
}

impl Until {
    fn settings(&self) -> Vec<String> {
        let action = |action| format!("recovery_target_action={action}");
        match self {
            Self::Moment(moment) => {
                let moment = moment.to_zoned(TimeZone::UTC);
                let moment = moment.strftime("%Y-%m-%d %H:%M:%S%.6f+00");
                vec![format!("recovery_target_time={moment}"), action("promote")]
            }
            Self::Point(name) => vec![format!("recovery_target_name={name}"), action("pause")],
            Self::End => vec![action("promote")],
        }
    }
}

async fn is_there(session: &Session, open: bool) -> bool {
    let row = session
        .client
        .query_one(
            "SELECT pg_is_in_recovery(),
                    CASE WHEN pg_is_in_recovery() THEN pg_get_wal_replay_pause_state() = 'paused' ELSE false END",
            &[],
        )
        .await;
    row.is_ok_and(|row| match open {
        true => !row.get::<_, bool>(0),
        false => row.get(1),
    })
}

fn log(folder: &Path) -> Result<std::fs::File, Trouble> {
    let path = folder.join("log");
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(disk::failed("write", &path))?;
    Ok(log)
}
