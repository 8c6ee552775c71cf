//! `sallyport queue …`: looking at the queue and steering it, one file per subcommand.
//!
//! Talks to Postgres directly, so it answers while no worker runs. Exit codes: 0 it is done or shown; 1 it failed; 2 the
//! words were wrong; 3 it was refused, with the reason; 4 there is no such thing.

mod cancel;
mod dead;
mod list;
mod pause;
mod replay;
mod resume;
mod retry;
mod schedules;
mod show;
mod table;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use sallyport_postgres::{Pools, ProcessRole};
use sallyport_queue::Queue;
use serde::Serialize;

use crate::cli::Places;
use crate::commands::{complain, say};
use crate::places;

/// It was refused; the reason was told.
const REFUSED: u8 = 3;
/// There is no such thing.
const NOTHING: u8 = 4;

#[derive(Debug, Clone, Args)]
pub(crate) struct QueueArguments {
    #[command(subcommand)]
    command: QueueCommand,

    /// Print JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Clone, Subcommand)]
enum QueueCommand {
    /// What waits and runs, or what ended in a certain way
    List(Box<list::Arguments>),
    /// Everything about one message, and why it stands where it stands
    Show(show::Arguments),
    /// Let a message that waits for its next attempt run now, or put a dead letter back
    Retry(retry::Arguments),
    /// End a message that waits or runs
    Cancel(cancel::Arguments),
    /// Begin nothing of a kind, or nothing at all, until it is resumed
    Pause(pause::Arguments),
    /// Let a kind, or everything, go on; also after a restore
    Resume(resume::Arguments),
    /// What gave up, grouped by why
    Dead,
    /// Hand messages of the log in once more; without --live only tell what would be done
    Replay(Box<replay::Arguments>),
    /// What happens by the calendar, with its next times
    Schedules(schedules::Arguments),
}

/// Who does it and why; both stay in the record.
#[derive(Debug, Clone, Args)]
struct Reason {
    /// Why
    #[arg(long, value_name = "WHY")]
    why: String,

    /// Who does it
    #[arg(long, env = "USER", default_value = "operator", value_name = "WHO")]
    by: String,
}

/// The queue, and how answers are written.
struct Desk {
    queue: Queue,
    json: bool,
}

impl Desk {
    /// Writes an answer as JSON, or as the lines for a person.
    fn tell<T: Serialize>(&self, answer: &T, lines: impl FnOnce() -> String) -> anyhow::Result<()> {
        let text = match self.json {
            true => serde_json::to_string_pretty(answer).context("writing the answer")?,
            false => lines(),
        };
        Ok(say(&text)?)
    }

    fn refuse(&self, sentence: &str) -> ExitCode {
        complain(sentence);
        ExitCode::from(REFUSED)
    }

    fn nothing(&self, sentence: &str) -> ExitCode {
        complain(sentence);
        ExitCode::from(NOTHING)
    }
}

pub(crate) async fn run(places: &Places, arguments: &QueueArguments) -> anyhow::Result<ExitCode> {
    let (settings, _) = places::settings(places)?;
    let pools = Pools::open(&settings.stores.postgres, ProcessRole::Workers)
        .context("preparing the connections to Postgres")?;
    let queue = Queue::open(pools, settings.stores.queue.clone())
        .await
        .context("opening the queue")?;
    let desk = Desk {
        queue,
        json: arguments.json,
    };
    let outcome = match &arguments.command {
        QueueCommand::List(arguments) => list::run(&desk, arguments).await,
        QueueCommand::Show(arguments) => show::run(&desk, arguments).await,
        QueueCommand::Retry(arguments) => retry::run(&desk, arguments).await,
        QueueCommand::Cancel(arguments) => cancel::run(&desk, arguments).await,
        QueueCommand::Pause(arguments) => pause::run(&desk, arguments).await,
        QueueCommand::Resume(arguments) => resume::run(&desk, arguments).await,
        QueueCommand::Dead => dead::run(&desk).await,
        QueueCommand::Replay(arguments) => Box::pin(replay::run(&desk, arguments)).await,
        QueueCommand::Schedules(arguments) => schedules::run(&desk, arguments).await,
    };
    desk.queue.close().await;
    outcome
}
