//! The words of the command line: one subcommand per role.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::{Timestamp, Zoned};

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
    /// What the edge would do with a request and why, question by question; or, with a support code, what it did with a past one
    Explain(ExplainArguments),
    /// Try a hook out: prints a signed request for it
    Hook(HookArguments),
    /// How the house is doing, as `/status` says it in a chat; works while Postgres is away
    Status,
    /// Look at the queue and steer it: list, show, retry, cancel, pause, resume, dead, replay, schedules
    Queue(Box<crate::commands::queue::QueueArguments>),
    /// Put a dead letter back into the queue
    Replay(ReplayArguments),
    /// Back up the database, the settings and the secrets, and remove what is older than it has to be
    Backup(BackupArguments),
    /// Restore a moment into an empty folder; the workers of the restored house wait for `sallyport queue resume --everything`
    Restore(RestoreArguments),
    /// Restore the newest backup beside everything else, question it, and say how much would be lost and how long it takes
    Drill(DrillArguments),
    /// Print the OpenAPI document of the engineers' API, /ops
    Openapi,
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
pub(crate) struct ExplainArguments {
    /// The method of a request; alone: a support code (K7QF-3M2X) or trace id
    #[arg(value_name = "METHOD|CODE")]
    pub(crate) what: String,

    /// Its URL or path, exactly as it would be sent
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,

    /// A header, as 'Name: value'
    #[arg(short = 'H', long = "header", value_name = "HEADER", requires = "url")]
    pub(crate) headers: Vec<String>,

    /// Its body, or @ and the file that it stands in
    #[arg(short = 'd', long, value_name = "BODY", requires = "url")]
    pub(crate) body: Option<String>,

    /// The address at the other end of the connection
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) from: IpAddr,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct HookArguments {
    /// What to do with it
    #[command(subcommand)]
    pub(crate) what: HookCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum HookCommand {
    /// Print a curl command that sends what its provider would send, signed now with its first secret; nothing is sent
    Test(HookTestArguments),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct HookTestArguments {
    /// The hook's name, or its whole path where several routes have one of this name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// The body, or @ and the file that it stands in; else a small one that the provider could have sent
    #[arg(short = 'd', long, value_name = "BODY")]
    pub(crate) body: Option<String>,

    /// The delivery's id, where the provider has ids; the same again is stored once
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,

    /// Where the edge is, scheme and host; else the door on this machine
    #[arg(long, value_name = "URL")]
    pub(crate) edge: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ReplayArguments {
    /// Support codes (K7QF-3M2X), trace ids or message ids of dead letters
    #[arg(required = true, value_name = "CODE")]
    pub(crate) references: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BackupArguments {
    /// Receive the log of a server that archives nothing itself, until stopped
    #[arg(long, conflicts_with = "list")]
    pub(crate) follow: bool,

    /// Show the backups that there are
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RestoreArguments {
    /// The moment, as 2026-11-21T03:17:00Z or 2026-11-21T04:17:00[Europe/Berlin]
    #[arg(long, value_name = "TIME", value_parser = moment, required_unless_present = "latest")]
    pub(crate) to: Option<Timestamp>,

    /// As far as the archive goes
    #[arg(long, conflicts_with = "to")]
    pub(crate) latest: bool,

    /// Folder of the new cluster: empty, or not there [default: the private server's, below the data folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<PathBuf>,

    /// Folder of the backups, if the settings do not name it
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,

    /// A certain backup; else the newest before the moment
    #[arg(long, value_name = "ID")]
    pub(crate) backup: Option<String>,

    /// A certain line of history, to take an earlier restore back; else the newest
    #[arg(long, value_name = "NUMBER")]
    pub(crate) timeline: Option<u32>,

    /// More of the log: `pg_wal` of the broken cluster, for what was not archived any more
    #[arg(long, value_name = "DIR")]
    pub(crate) wal: Option<PathBuf>,

    /// Also unpack settings and secrets into this folder: empty, or not there
    #[arg(long, value_name = "DIR")]
    pub(crate) settings: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DrillArguments {
    /// Folder of the backups, if the settings do not name it
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,
}

/// Reads a moment. Without a zone it could be any of a day's, so that is refused.
fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse::<Timestamp>()
        .or_else(|_| text.parse::<Zoned>().map(|zoned| zoned.timestamp()))
        .map_err(|_| "give a date, a time and a zone, as 2026-11-21T03:17:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// Arguments of a subcommand and those of all subcommands share one space of names.
    #[test]
    fn a_body_is_not_taken_for_the_data_folder() {
        let read = |words: &[&str]| Cli::try_parse_from(words).map(|cli| cli.places.data);
        let folder = PathBuf::from("elsewhere");

        let explain = [
            "sallyport",
            "--data",
            "elsewhere",
            "explain",
            "POST",
            "/x",
            "-d",
            "{}",
        ];
        assert_eq!(read(&explain).ok(), Some(folder.clone()));
        let hook = [
            "sallyport",
            "hook",
            "test",
            "x",
            "--body",
            "{}",
            "--data",
            "elsewhere",
        ];
        assert_eq!(read(&hook).ok(), Some(folder));
    }

    #[test]
    fn no_subcommand_means_run() {
        let cli = Cli::parse_from(["sallyport"]);

        assert!(cli.command.is_none());
    }

    #[test]
    fn a_moment_needs_its_zone() {
        let told = moment("2026-11-21T04:17:00+01:00").unwrap();

        assert_eq!(moment("2026-11-21T03:17:00Z"), Ok(told));
        assert_eq!(moment("2026-11-21T04:17:00[Europe/Berlin]"), Ok(told));
        assert!(moment("2026-11-21T03:17:00").is_err());
        assert!(moment("yesterday").is_err());
    }
}
