//! The subcommands, one file each, and how their outcome becomes the process's exit code.

pub(crate) mod backup;
pub(crate) mod check_config;
pub(crate) mod drill;
pub(crate) mod explain;
pub(crate) mod gateway;
pub(crate) mod hook;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod playground;
pub(crate) mod queue;
pub(crate) mod replay;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod supervise;
pub(crate) mod version;
pub(crate) mod workers;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use sallyport_config::Mistake;

use crate::patience::StoppedWaiting;

/// `EX_USAGE` of sysexits: the configuration is wrong, and starting again will not help.
const EXIT_CONFIGURATION: u8 = 64;

/// The configuration is wrong; `Display` is every mistake, one a line.
#[derive(Debug)]
pub(crate) struct Misconfigured(pub(crate) Vec<Mistake>);

impl std::fmt::Display for Misconfigured {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Mistake::to_string).collect();
        write!(out, "{}", lines.join("\n"))
    }
}

impl std::error::Error for Misconfigured {}

/// A body as `curl` takes it: the text itself, or `@` and the file that it stands in.
pub(crate) fn body(data: &str) -> anyhow::Result<Vec<u8>> {
    match data.strip_prefix('@') {
        Some(path) => std::fs::read(path).with_context(|| format!("reading {path}")),
        None => Ok(data.as_bytes().to_vec()),
    }
}

/// Tells what went wrong on standard error and chooses the exit code.
pub(crate) fn exit_code(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        // Nothing had begun, so nothing was cut off.
        Err(error) if error.is::<StoppedWaiting>() => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            match error.downcast_ref::<Misconfigured>() {
                Some(_) => ExitCode::from(EXIT_CONFIGURATION),
                None => ExitCode::FAILURE,
            }
        }
    }
}

/// How a server ends: well when it drained, not when a hard stop cut that off.
pub(crate) fn drained(done: Option<()>) -> ExitCode {
    match done {
        Some(()) => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    }
}

/// Writes a sentence to standard error.
pub(crate) fn complain(sentence: &str) -> ExitCode {
    // Where even standard error is gone, the exit code is all that is left to say.
    drop(writeln!(std::io::stderr(), "{sentence}"));
    ExitCode::FAILURE
}

/// Writes text to standard output.
pub(crate) fn say(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
