//! Postgres's own programs: finding those of the server's version, and running one with a bound.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use crate::error::Trouble;

/// The programs that are needed; a folder without one of them is passed over.
const NEEDED: [&str; 3] = ["postgres", "pg_basebackup", "pg_waldump"];
/// How long a program may take to say its version.
const VERSION_DEADLINE: Duration = Duration::from_secs(10);
/// How much of a program's complaint is passed on.
const SAID_BYTES_MAX: usize = 2_000;

/// The folder of Postgres's programs.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Finds the programs of the major version among `candidates`.
    pub(crate) async fn find(candidates: &[PathBuf], major: u32) -> Result<Self, Trouble> {
        for folder in candidates {
            if NEEDED.iter().all(|name| folder.join(name).exists())
                && version(folder).await == Some(major)
            {
                let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
                return Ok(Self { folder });
            }
        }
        let looked: Vec<String> = candidates
            .iter()
            .map(|folder| folder.display().to_string())
            .collect();
        Err(Trouble::NoPrograms {
            major,
            looked: looked.join(", "),
        })
    }

    /// A command that yields to everybody else on this machine, and dies with us.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new("nice");
        command
            .args(["-n", "19"])
            .arg(self.folder.join(name))
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

/// Runs a command to its end. Dropping the future kills it.
pub(crate) async fn run(
    mut command: Command,
    program: &'static str,
    deadline: Duration,
) -> Result<Output, Trouble> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = command.output();
    let output = tokio::time::timeout(deadline, running)
        .await
        .map_err(|_| Trouble::Late {
            what: program,
            seconds: deadline.as_secs(),
        })?
        .map_err(|source| Trouble::Start {
            program: program.to_owned(),
            source,
        })?;
    Ok(output)
}

/// The same, and a failure is an error.
pub(crate) async fn succeed(
    command: Command,
    program: &'static str,
    deadline: Duration,
) -> Result<Output, Trouble> {
    let output = run(command, program, deadline).await?;
    if output.status.success() {
        return Ok(output);
    }
    Err(Trouble::Program {
        program: program.to_owned(),
        said: tail(&String::from_utf8_lossy(&output.stderr)),
    })
}

/// The end of a text, on one line.
pub(crate) fn tail(text: &str) -> String {
    let mut start = text.len().saturating_sub(SAID_BYTES_MAX);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let end = text.get(start..).unwrap_or_default();
    let lines: Vec<&str> = end.lines().map(str::trim).collect();
    lines.join(" | ")
}

async fn version(folder: &Path) -> Option<u32> {
    let mut command = Command::new(folder.join("postgres"));
    command.arg("--version").kill_on_drop(true);
    let output = run(command, "postgres --version", VERSION_DEADLINE)
        .await
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace()
        .find_map(|word| word.split('.').next()?.parse().ok())
}
