//! Keeps one process running and its doors open: starts it, starts it again when it dies, replaces it without losing a connection.
//!
//! It holds the listening sockets, so connections queue in the kernel while no process accepts them, and hands them to every process it
//! starts (`LISTEN_FDS`). A replacement is started first and the old process is told to leave (SIGQUIT) only when the new one has said that
//! it is ready (`NOTIFY_SOCKET`); one that does not get that far changes nothing. systemd can do the same with socket units;
//! what this adds is the overlap of the two processes. When the supervisor itself is killed, the process leaves in order, so that a new
//! supervisor finds the doors free.

mod process;
mod restarts;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::Signal;
use tokio::signal::unix::Signal as Hangups;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::sockets::Sockets;
use process::Process;
pub(crate) use process::Program;
use restarts::Restarts;

/// How long a new process may take until it says that it is ready. Migrations are not its work, so this is long.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// The supervisor of one role.
pub(crate) struct Supervisor {
    program: Program,
    doors: Vec<TcpListener>,
    leaving: TaskTracker,
}

impl Supervisor {
    /// Opens the doors: those that were handed over to us are used, the others are opened here.
    ///
    /// # Errors
    /// A door cannot be opened; the sentence says who has the port.
    pub(crate) fn open(
        program: Program,
        addresses: &[SocketAddr],
        sockets: &Sockets,
    ) -> anyhow::Result<Self> {
        let doors = addresses
            .iter()
            .map(|address| match sockets.take(*address) {
                Some(socket) => Ok(socket),
                None => open_door(*address),
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            program,
            doors,
            leaving: TaskTracker::new(),
        })
    }

    /// Keeps the process running until `stop`, then lets it drain. `addresses` is asked for the doors at every replacement.
    ///
    /// Dropping the future kills what runs.
    ///
    /// # Errors
    /// The first process does not become ready.
    pub(crate) async fn keep(
        mut self,
        mut hangups: Hangups,
        addresses: impl Fn() -> anyhow::Result<Vec<SocketAddr>>,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let Some(first) = stop.run_until_cancelled(self.start()).await else {
            return Ok(());
        };
        let mut current = first?;
        let mut restarts = Restarts::default();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                status = current.wait() => {
                    tracing::error!(name: "supervisor.died", { pid = current.pid(), status }, "The process ended without being told to; it is started again");
                    let pause = restarts.pause_after(current.lived());
                    match stop.run_until_cancelled(self.start_until_ready(pause, &mut restarts)).await {
                        Some(next) => current = next,
                        None => return Ok(()),
                    }
                }
                _ = hangups.recv() => {
                    match stop.run_until_cancelled(self.replacement(&addresses)).await {
                        Some(Ok(next)) => self.replace(&mut current, next),
                        Some(Err(error)) => tracing::error!(name: "supervisor.not_replaced", { error = format!("{error:#}") }, "The new process did not become ready; the old one goes on"),
                        None => break,
                    }
                }
            }
        }
        current.signal(Signal::SIGTERM);
        current.wait().await;
        self.leaving.close();
        self.leaving.wait().await;
        Ok(())
    }

    async fn start(&self) -> anyhow::Result<Process> {
        let mut process = Process::start(&self.program, &self.doors)?;
        process.ready_within(READY_DEADLINE).await?;
        tracing::info!(name: "supervisor.ready", { pid = process.pid(), duration_s = process.lived().as_secs_f64() }, "The process is ready");
        Ok(process)
    }

    /// After a death there is nothing to go back to: tries until it works.
    async fn start_until_ready(&self, mut pause: Duration, restarts: &mut Restarts) -> Process {
        loop {
            tokio::time::sleep(pause).await;
            match self.start().await {
                Ok(process) => return process,
                Err(error) => {
                    tracing::error!(name: "supervisor.start_failed", { error = format!("{error:#}") }, "The process did not become ready; it is started again");
                    pause = restarts.pause_after(Duration::ZERO);
                }
            }
        }
    }

    async fn replacement(
        &mut self,
        addresses: impl Fn() -> anyhow::Result<Vec<SocketAddr>>,
    ) -> anyhow::Result<Process> {
        self.move_doors(&addresses().context("reading the settings")?)?;
        self.start().await
    }

    fn replace(&mut self, current: &mut Process, next: Process) {
        let mut old = std::mem::replace(current, next);
        tracing::info!(name: "supervisor.replaced", { old = old.pid(), new = current.pid() }, "A new process has taken over; the old one leaves");
        old.signal(Signal::SIGQUIT);
        self.leaving.spawn(async move {
            let status = old.wait().await;
            tracing::info!(name: "supervisor.left", { pid = old.pid(), status }, "The old process has left");
        });
    }

    /// Opens what is newly configured and closes what no longer is; doors that stay are not touched.
    fn move_doors(&mut self, addresses: &[SocketAddr]) -> anyhow::Result<()> {
        let is_open = |doors: &[TcpListener], address: &SocketAddr| {
            doors
                .iter()
                .any(|door| door.local_addr().is_ok_and(|here| here == *address))
        };
        let missing = addresses
            .iter()
            .filter(|address| !is_open(&self.doors, address))
            .map(|address| open_door(*address))
            .collect::<anyhow::Result<Vec<_>>>()?;
        self.doors.retain(|door| {
            door.local_addr()
                .is_ok_and(|here| addresses.contains(&here))
        });
        self.doors.extend(missing);
        Ok(())
    }
}

fn open_door(address: SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Err(anyhow::anyhow!(crate::ports::in_use(address)))
        }
        Err(error) => Err(error).with_context(|| format!("listening on {address}")),
    }
}
