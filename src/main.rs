//! The binary `sallyport`: a table of contents.
//!
//! It composes the settings of all rooms, builds the clients, and hands the apps to the workers. It is the only place that reads the
//! environment, installs signals and decides how the process ends; everything it does is named here and done elsewhere.

mod backups;
mod certificates;
mod cli;
mod cluster;
mod commands;
mod dev_certificates;
mod dev_secrets;
mod durable;
mod file_watch;
mod ground;
mod instance;
mod levers;
mod patience;
mod places;
mod ports;
mod ready;
mod reload;
mod settings;
mod signals;
mod sockets;
mod stories;
mod supervisor;
mod version;

use std::process::ExitCode;

use clap::Parser;
use tikv_jemallocator::Jemalloc;

use crate::cli::{Cli, Command};
use crate::sockets::Sockets;

/// What a message is made of is mostly freed on another thread than the one that made it. The C library's allocator locks for that,
/// and a third of a worker's time went into it (`docs/adr/0016-jemalloc.md`).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// How many threads run tasks: one per core, but a laptop with many cores needs no more than this.
const THREADS_MAX: usize = 8;

fn main() -> ExitCode {
    // Two cryptography providers get linked; whoever builds a TLS configuration must not have to guess.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        return commands::complain("a cryptography provider was installed before main");
    }
    #[cfg(feature = "fail-points")]
    if let Err(error) = places::arm_fail_points() {
        return commands::complain(&error.to_string());
    }
    let cli = Cli::parse();
    // Before any thread starts, because it takes variables out of the environment.
    let sockets = match Sockets::inherited() {
        Ok(sockets) => sockets,
        Err(error) => {
            return commands::complain(&format!(
                "a socket was handed over that cannot be used: {error}"
            ));
        }
    };
    let threads =
        std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, THREADS_MAX));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(dispatch(cli, &sockets)),
        Err(error) => commands::complain(&format!("the runtime did not start: {error}")),
    }
}

async fn dispatch(cli: Cli, sockets: &Sockets) -> ExitCode {
    let places = &cli.places;
    let outcome = match cli
        .command
        .unwrap_or_else(|| Command::Run(Default::default()))
    {
        // On the heap: these hold many rooms at once, which is more than a stack should carry.
        Command::Run(arguments) => Box::pin(commands::run::run(places, sockets, &arguments)).await,
        Command::Gateway => Box::pin(commands::gateway::run(places, sockets)).await,
        Command::Workers => Box::pin(commands::workers::run(places, sockets)).await,
        Command::Supervise(arguments) => {
            Box::pin(commands::supervise::run(places, sockets, &arguments)).await
        }
        Command::Playground => commands::playground::run(places).await,
        Command::Migrate => commands::migrate::run(places).await,
        Command::CheckConfig(arguments) => commands::check_config::run(places, &arguments).await,
        Command::Explain(arguments) => Box::pin(commands::explain::run(places, &arguments)).await,
        Command::Hook(arguments) => commands::hook::run(places, &arguments),
        Command::Status => commands::status::run(places).await,
        Command::Queue(arguments) => Box::pin(commands::queue::run(places, &arguments)).await,
        Command::Replay(arguments) => commands::replay::run(places, &arguments).await,
        Command::Backup(arguments) => Box::pin(commands::backup::run(places, &arguments)).await,
        Command::Restore(arguments) => Box::pin(commands::restore::run(places, &arguments)).await,
        Command::Drill(arguments) => Box::pin(commands::drill::run(places, &arguments)).await,
        Command::Openapi => commands::openapi::run(),
        Command::Version => commands::version::run(),
    };
    commands::exit_code(outcome)
}
