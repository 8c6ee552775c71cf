//! `sallyport supervise ROLE`: keeps a gateway or a pool of workers running, and replaces it on SIGHUP without losing a connection.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Places, Role, SuperviseArguments};
use crate::commands::drained;
use crate::ground;
use crate::places;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::sockets::Sockets;
use crate::supervisor::{Program, Supervisor};

pub(crate) async fn run(
    places: &Places,
    sockets: &Sockets,
    arguments: &SuperviseArguments,
) -> anyhow::Result<ExitCode> {
    let role = arguments.role;
    let (mut settings, _) = places::settings(places)?;
    // The process below writes the file; two writers would rotate it under each other's feet.
    settings.monitoring.logs.file = None;
    let (_identity, _log) = ground::start_log(&settings)?;
    let signals = Signals::install()?;
    let hangups = signal(SignalKind::hangup())?;
    let supervisor = Supervisor::open(program(places, role)?, &doors(&settings, role), sockets)?;

    let stop = signals.stops().soft;
    let addresses = || Ok(doors(&places::settings(places)?.0, role));
    // On the heap: it holds two processes at times.
    let work = Box::pin(supervisor.keep(hangups, addresses, &stop));
    Ok(drained(signals.serve(work).await.transpose()?))
}

/// The doors of a role, in the order in which they are opened.
fn doors(settings: &Settings, role: Role) -> Vec<SocketAddr> {
    let admin = settings.monitoring.admin.listen;
    match role {
        Role::Gateway => [settings.gateway.http, settings.gateway.tls, Some(admin)]
            .into_iter()
            .flatten()
            .collect(),
        Role::Workers => vec![settings.workers.api.listen, admin],
    }
}

/// This program, by the path it was started from: after an upgrade that is the new one.
fn program(places: &Places, role: Role) -> anyhow::Result<Program> {
    let path = std::env::current_exe().context("finding this program's file")?;
    let mut arguments: Vec<OsString> = vec!["--data".into(), places.data.clone().into()];
    if let Some(config) = &places.config {
        arguments.extend(["--config".into(), config.clone().into()]);
    }
    arguments.push(match role {
        Role::Gateway => "gateway".into(),
        Role::Workers => "workers".into(),
    });
    Ok(Program {
        path,
        arguments,
        folder: places.data.clone(),
    })
}
