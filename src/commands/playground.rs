//! `sallyport playground`: the stand-ins alone, with the page. They outlive a killed server, so a test can ask what they received.

use std::process::ExitCode;

use anyhow::Context;
use sallyport_playground::Playground;
use sallyport_telemetry::Identity;
use sallyport_telemetry::logs;

use crate::cli::Places;
use crate::commands::say;
use crate::ground::playground_settings;
use crate::places;
use crate::signals::Signals;
use crate::version::{REVISION, VERSION};

pub(crate) async fn run(places: &Places) -> anyhow::Result<ExitCode> {
    let (settings, _) = places::settings(places)?;
    let identity = Identity::new(VERSION, REVISION, settings.monitoring.environment.clone());
    let _log = logs::init(&settings.monitoring.logs, &identity).context("starting the log")?;
    let signals = Signals::install()?;
    let stops = signals.stops();

    let playground = Playground::start(playground_settings(&settings), stops.soft.clone())
        .await
        .context("starting the playground")?;
    say(&format!(
        "The playground is at http://{}",
        playground.address()
    ))?;
    tokio::select! {
        () = signals.listen() => {}
        () = stops.soft.cancelled() => {}
    }
    playground.stopped().await;
    Ok(ExitCode::SUCCESS)
}
