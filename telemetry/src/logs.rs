//! Logs: one line per thing that happens, as JSON for machines or short for a terminal, each with the id of its trace.
//!
//! Events are ordinary `tracing` events with a `name:`; this room turns them into lines. Lines go through a bounded queue to a
//! thread of their own, so a slow terminal or disk costs lines (counted, the least severe first) and never a caller's time.

mod json;
mod layer;
mod line;
mod misleading;
mod queue;
mod rotation;
mod short;
mod writer;

pub use layer::Lines;
pub use queue::LINES_MAX;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use tracing_log::{AsLog as _, LogTracer};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use validator::Validate;

use crate::Identity;
use rotation::RotatingFile;
use writer::Writer;

/// What dependencies have to say that is worth a line. Directives in the settings come after these and win.
const QUIET: &str = "pingora_core=warn,pingora_proxy=warn,tokio_postgres=warn,hyper=warn,h2=warn,reqwest=warn,rustls=warn,\
    async_openai=off,refinery_core=warn,hickory_resolver=error,hickory_net=error";
const LEVEL: &str = "info";
/// 64 MiB: a day of a busy edge, and still opened by any editor.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
const FILES_KEPT: usize = 14;
/// What the guard waits for lines to be written.
const FLUSH: Duration = Duration::from_secs(2);

/// What lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Short on a terminal, JSON in a file or pipe.
    #[default]
    Auto,
    /// One JSON object per line.
    Json,
    /// Short lines for people.
    Short,
}

/// How to log.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// What lines on standard error look like.
    pub format: LogFormat,
    /// The least severity that is logged: `error`, `warn`, `info`, `debug`, `trace`; or directives such as
    /// `info,sallyport_queue=debug`.
    #[validate(custom(function = "check_level"))]
    pub level: String,
    /// A file that gets the same lines as JSON.
    #[validate(nested)]
    pub file: Option<LogFile>,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            level: LEVEL.to_owned(),
            file: None,
        }
    }
}

/// A log file. It is rotated at midnight (UTC) and when it is full, and readable by its owner and group only.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct LogFile {
    /// Its path; rotated files get the time of their end as a suffix.
    pub path: PathBuf,
    /// Bytes after which it is rotated.
    #[serde(default = "file_bytes_max")]
    #[validate(range(min = 65_536, message = "must be at least 65536"))]
    pub bytes_max: u64,
    /// Rotated files that are kept.
    #[serde(default = "files_kept")]
    #[validate(range(min = 1, max = 1000, message = "must be between 1 and 1000"))]
    pub files_kept: usize,
}

fn file_bytes_max() -> u64 {
    FILE_BYTES_MAX
}

fn files_kept() -> usize {
    FILES_KEPT
}

fn check_level(level: &str) -> Result<(), validator::ValidationError> {
    match EnvFilter::builder().parse(level) {
        Ok(_) => Ok(()),
        Err(_) => Err(validator::ValidationError::new("level")
            .with_message("must be a level or a list of directives".into())),
    }
}

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is neither a level nor a list of directives.
    #[error("the log level {level:?} is not understood")]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The file cannot be written.
    #[error("the log file {} cannot be opened", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The writing thread could not be started.
    #[error("the log's thread could not be started")]
    Thread(#[source] io::Error),
    /// Somebody has installed another subscriber.
    #[error("logging was started already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
    /// Somebody listens to the `log` crate already.
    #[error("lines of the log crate cannot be listened to")]
    Bridge(#[source] tracing_log::log::SetLoggerError),
}

/// Lines are written for as long as this lives; when it is dropped, it waits up to 2 s for those that are queued.
#[must_use = "lines that are queued when the process ends would be lost"]
pub struct LogGuard(Vec<Writer>);

impl Drop for LogGuard {
    fn drop(&mut self) {
        for writer in &self.0 {
            writer.close(FLUSH);
        }
    }
}

/// Starts logging to standard error, and to a file if one is set. Lines of the `log` crate come along.
pub fn init(settings: &LogSettings, identity: &Identity) -> Result<LogGuard, LogError> {
    let level = settings.level.clone();
    let filter = EnvFilter::builder()
        .parse(format!("{QUIET},{level}"))
        .map_err(|source| LogError::Level { level, source })?;

    let (console, lines) = match resolve(settings.format) {
        Console::Json => (Writer::start(io::stderr()), Lines::json(identity)),
        Console::Short { colours } => (Writer::start(io::stderr()), Lines::short(colours)),
    };
    let console = console.map_err(LogError::Thread)?;
    let lines = lines.to(console.queue());
    let mut writers = vec![console];

    let file = match &settings.file {
        Some(file) => {
            let opened = RotatingFile::open(file).map_err(|source| LogError::File {
                path: file.path.clone(),
                source,
            })?;
            let writer = Writer::start(opened).map_err(LogError::Thread)?;
            let lines = Lines::json(identity).to(writer.queue()).uncounted();
            writers.push(writer);
            Some(lines)
        }
        None => None,
    };
    let most = filter
        .max_level_hint()
        .unwrap_or(LevelFilter::TRACE)
        .as_log();
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(file)
        .try_init()
        .map_err(LogError::Twice)?;
    LogTracer::builder()
        .with_max_level(most)
        .init()
        .map_err(LogError::Bridge)?;
    Ok(LogGuard(writers))
}

enum Console {
    Json,
    Short { colours: bool },
}

fn resolve(format: LogFormat) -> Console {
    let terminal = io::stderr().is_terminal();
    match format {
        LogFormat::Json => Console::Json,
        LogFormat::Auto if !terminal => Console::Json,
        LogFormat::Auto | LogFormat::Short => Console::Short { colours: terminal },
    }
}

#[cfg(test)]
mod tests;
