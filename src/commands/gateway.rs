//! `sallyport gateway`: the edge alone. It starts while Postgres is away, and answers 503 until it is there.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use sallyport_gateway::{Gateway, GatewayHandle, Parts};
use sallyport_postgres::ProcessRole;
use tokio_util::sync::CancellationToken;

use crate::cli::Places;
use crate::commands::drained;
use crate::ground::{self, Ground};
use crate::places;
use crate::settings::Settings;
use crate::signals::Signals;

pub(crate) async fn run(places: &Places) -> anyhow::Result<ExitCode> {
    let (settings, _) = places::settings(places)?;
    let (identity, _log) = ground::start_log(&settings)?;
    let signals = Signals::install()?;
    let soft = signals.stops().soft;
    let ground = Ground::lay(&settings, identity, ProcessRole::Edge).await?;
    let edge = open(&settings, places, &ground, soft.child_token()).await?;

    let work = async {
        soft.cancelled().await;
        ground.health.set_draining();
        edge.drain().await;
        drop(edge);
        ground.close().await;
    };
    Ok(drained(signals.serve(work).await))
}

/// Opens the edge's doors.
pub(crate) async fn open(
    settings: &Settings,
    places: &Places,
    ground: &Ground,
    stop: CancellationToken,
) -> anyhow::Result<GatewayHandle> {
    let parts = Parts {
        shelf: Arc::new(ground.queue.intake()),
        health: ground.health.clone(),
        sinks: Arc::clone(&ground.sinks),
        keep: settings.monitoring.traces.keep.clone(),
        tls: ground::tls_material(settings, places)?,
    };
    let began = Instant::now();
    let edge = Gateway::start(&settings.gateway, parts, stop)
        .await
        .map_err(in_words)
        .context("opening the edge")?;
    ground.edge_is_open(began.elapsed());
    Ok(edge)
}

/// A taken port says by whom, and what to set.
fn in_words(error: sallyport_gateway::StartError) -> anyhow::Error {
    match &error {
        sallyport_gateway::StartError::Listen { address, source }
            if source.kind() == std::io::ErrorKind::AddrInUse =>
        {
            anyhow::anyhow!(crate::ports::taken(
                *address,
                "SALLYPORT_HTTP_LISTEN or SALLYPORT_TLS_LISTEN"
            ))
        }
        sallyport_gateway::StartError::Listen { .. }
        | sallyport_gateway::StartError::NoCertificate
        | sallyport_gateway::StartError::Tls(_)
        | sallyport_gateway::StartError::Limit(_) => error.into(),
    }
}
