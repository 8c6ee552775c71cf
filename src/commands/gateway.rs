//! `sallyport gateway`: the edge alone. It starts while Postgres is away, and accepts onto its own disk until it is there.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use sallyport_gateway::{Acme, Challenges, Doors, Gateway, GatewayHandle, Parts, Purge};
use sallyport_postgres::ProcessRole;

use crate::certificates::{CertificateFiles, given_folder};
use crate::cli::Places;
use crate::commands::drained;
use crate::ground::{self, Ground};
use crate::patience::Patience;
use crate::places;
use crate::reload::Reloads;
use crate::settings::Settings;
use crate::signals::{Signals, Stops};
use crate::sockets::{self, Sockets};

pub(crate) async fn run(places: &Places, sockets: &Sockets) -> anyhow::Result<ExitCode> {
    let (settings, _) = places::settings(places)?;
    let (identity, _log) = ground::start_log(&settings)?;
    let signals = Signals::install()?;
    let reloads = Reloads::install(places)?;
    let stops = signals.stops();
    let patience = Patience::until(stops.soft.clone());
    let ground = Ground::lay(&settings, identity, ProcessRole::Edge, sockets, &patience).await?;
    let edge = open(&settings, places, &ground, sockets, &stops).await?;
    sockets::tell_ready();

    let work = async {
        stops
            .soft
            .run_until_cancelled(reloads.serve(&edge, &settings))
            .await;
        ground.leave(sockets);
        edge.drain().await;
        drop(edge);
        ground.close().await;
    };
    // On the heap: it holds the edge until the last connection is closed.
    Ok(drained(signals.serve(Box::pin(work)).await))
}

/// Opens the edge's doors.
pub(crate) async fn open(
    settings: &Settings,
    places: &Places,
    ground: &Ground,
    sockets: &Sockets,
    stops: &Stops,
) -> anyhow::Result<GatewayHandle> {
    let given = |address: Option<SocketAddr>| address.and_then(|address| sockets.take(address));
    let files = CertificateFiles::of(settings, places)?;
    let certificates = files.as_ref().map(CertificateFiles::load).transpose()?;
    let challenges = Challenges::default();
    let parts = Parts {
        redis: ground.redis.clone(),
        shelf: Arc::new(ground.queue.intake()),
        health: ground.health.clone(),
        sinks: Arc::clone(&ground.sinks),
        keep: settings.monitoring.traces.keep.clone(),
        tls: certificates.clone(),
        challenges: challenges.clone(),
        doors: Doors {
            http: given(settings.gateway.http),
            tls: given(settings.gateway.tls),
        },
        succeeded: stops.succeeded.clone(),
    };
    let began = Instant::now();
    let edge = Gateway::start(&settings.gateway, parts, stops.soft.child_token())
        .await
        .map_err(in_words)
        .context("opening the edge")?;
    ground.rooms.pages.answered_by(edge.pages());
    let purger = edge.purger();
    ground.rooms.purges.taken_by(move |host, path| {
        purger.purge(&Purge {
            host: host.map(str::to_owned),
            path: path.to_owned(),
        })
    });
    if let (Some(files), Some(certificates)) = (files, certificates) {
        let stop = stops.soft.child_token();
        ground.tasks.spawn(files.watch(certificates, stop));
    }
    let authority = &settings.gateway.acme;
    if authority.is_on() {
        let acme = Acme::new(authority, given_folder(places), challenges);
        ground.tasks.spawn(acme.run(stops.soft.child_token()));
    }
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
        | sallyport_gateway::StartError::Rules(_) => error.into(),
    }
}
