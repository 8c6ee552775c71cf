//! The words of the command line: one subcommand per role.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// One guarded door for bots, webhooks and AI, with a light on everything that passes.
#[derive(Debug, Parser)]
#[command(name = "sallyport", version = crate::version::SHORT, arg_required_else_help = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) places: Places,

    /// What to do; without it everything runs in one process, as `run` does.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Where this process keeps and finds things.
#[derive(Debug, Clone, Args)]
pub(crate) struct Places {
    /// Folder of this instance: generated secrets, certificates, the lock
    #[arg(
        long,
        global = true,
        env = "SALLYPORT_DATA",
        default_value = ".data",
        value_name = "DIR"
    )]
    pub(crate) data: PathBuf,

    /// Folder with your own gateway.yaml, workers.yaml, apps.yaml, …; what a file leaves out keeps its shipped default
    #[arg(long, global = true, env = "SALLYPORT_CONFIG", value_name = "DIR")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Edge, queue and workers in one process, and the playground beside it
    Run(RunArguments),
    /// The edge alone: takes in webhooks and forwards API calls
    Gateway,
    /// The worker pool alone: answers, delivers, serves the API behind the edge
    Workers,
    /// Keep the gateway or the workers running: opens their doors, hands them over, starts again what dies; SIGHUP replaces the
    /// process by a new one of the program on disk without losing a connection
    Supervise(SuperviseArguments),
    /// The stand-ins for Telegram and a model alone, with the chat page; they outlive a killed server
    Playground,
    /// Bring the database to this version's tables and roles, then exit
    Migrate,
    /// Check every setting, print each with where it came from, then exit
    CheckConfig(CheckArguments),
    /// How the house is doing, as `/status` says it in a chat; works while Postgres is away
    Status,
    /// Put a dead letter back into the queue
    Replay(ReplayArguments),
    /// Version, revision and build
    Version,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunArguments {
    /// Leave the outside world out: no stand-ins, no page
    #[arg(long)]
    pub(crate) no_playground: bool,

    /// Take the bot's token over although another host's webhook is set; that host stops receiving
    #[arg(long)]
    pub(crate) take_over: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SuperviseArguments {
    /// Which role to keep running
    pub(crate) role: Role,
}

/// A role that runs as a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// The edge
    Gateway,
    /// The worker pool
    Workers,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CheckArguments {
    /// Also try the database, each bot's token and the model
    #[arg(long)]
    pub(crate) online: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ReplayArguments {
    /// Support codes (K7QF-3M2X), trace ids or message ids of dead letters
    #[arg(required = true, value_name = "CODE")]
    pub(crate) references: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_subcommand_means_run() {
        let cli = Cli::parse_from(["sallyport"]);

        assert!(cli.command.is_none());
    }
}
