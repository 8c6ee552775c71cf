//! One supervised process: started with the doors in its hands, asked whether it is ready, told to leave, waited for.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use command_fds::{CommandFdExt, FdMapping};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

/// Where handed-over descriptors begin, by `sd_listen_fds(3)`.
const FIRST_DESCRIPTOR: i32 = 3;
/// The longest message to the supervisor that is read; what is meant for it has a few bytes.
const NOTE_BYTES_MAX: usize = 512;

/// What is started.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Its file. Looked up at every start, so that a new program on disk is the one that runs.
    pub(crate) path: PathBuf,
    /// Its command line, without the program's name.
    pub(crate) arguments: Vec<OsString>,
    /// Where its messages to the supervisor arrive.
    pub(crate) folder: PathBuf,
}

/// A process that was started here; killed when this is dropped.
pub(super) struct Process {
    child: Child,
    pid: i32,
    since: Instant,
    notes: LetterBox,
}

impl Process {
    /// Starts it with these sockets in its hands. It gets a process group of its own, so that a Ctrl-C reaches it through us alone.
    pub(super) fn start(program: &Program, doors: &[TcpListener]) -> anyhow::Result<Self> {
        let notes = LetterBox::open(&program.folder)?;
        let mappings = (FIRST_DESCRIPTOR..)
            .zip(doors)
            .map(|(child_fd, door)| {
                let parent_fd = OwnedFd::from(door.try_clone()?);
                Ok(FdMapping {
                    parent_fd,
                    child_fd,
                })
            })
            .collect::<std::io::Result<Vec<_>>>()
            .context("handing over the doors")?;
        let mut command = std::process::Command::new(&program.path);
        command
            .args(&program.arguments)
            .env("LISTEN_FDS", doors.len().to_string())
            .env_remove("LISTEN_PID")
            .env("NOTIFY_SOCKET", &notes.path)
            .process_group(0)
            .fd_mappings(mappings)
            .context("handing over the doors")?;
        let child = Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.path.display()))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        Ok(Self {
            pid: pid.context("the process ended at once")?,
            child,
            since: Instant::now(),
            notes,
        })
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// It ends before that, or takes longer than `deadline`; then it is killed.
    pub(super) async fn ready_within(&mut self, deadline: Duration) -> anyhow::Result<()> {
        let ready = async {
            let mut note = [0_u8; NOTE_BYTES_MAX];
            loop {
                let length = self.notes.socket.recv(&mut note).await?;
                let text = note.get(..length).unwrap_or_default();
                if text
                    .split(|byte| *byte == b'\n')
                    .any(|line| line == b"READY=1")
                {
                    return std::io::Result::Ok(());
                }
            }
        };
        let ready = tokio::select! {
            ready = tokio::time::timeout(deadline, ready) => ready,
            status = self.child.wait() => bail!("process {} ended before it was ready: {}", self.pid, status?),
        };
        match ready {
            Ok(said) => said.context("listening for its message"),
            Err(_elapsed) => {
                self.child.kill().await.ok();
                bail!(
                    "process {} was not ready after {} s and was killed",
                    self.pid,
                    deadline.as_secs()
                )
            }
        }
    }

    /// Waits for its end and says how it was. Cancel safe.
    pub(super) async fn wait(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Sends it a signal. One that has ended meanwhile needs none.
    pub(super) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid), signal).ok();
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    pub(super) fn lived(&self) -> Duration {
        self.since.elapsed()
    }
}

/// The socket for one process's messages. It is a file of the data folder; the file goes when this is dropped.
struct LetterBox {
    socket: UnixDatagram,
    path: PathBuf,
}

impl LetterBox {
    fn open(folder: &Path) -> anyhow::Result<Self> {
        let name = format!("notify-{:016x}.sock", rand::random::<u64>());
        let path = std::path::absolute(folder)?.join(name);
        let socket = UnixDatagram::bind(&path).with_context(|| {
            // The kernel takes 107 bytes for the name of a socket.
            format!(
                "opening {}; a socket's path may have 107 bytes",
                path.display()
            )
        })?;
        Ok(Self { socket, path })
    }
}

impl Drop for LetterBox {
    fn drop(&mut self) {
        // A leftover is a name without a socket behind it: in nobody's way.
        std::fs::remove_file(&self.path).ok();
    }
}
