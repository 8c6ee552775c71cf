//! `sallyport migrate`: brings the database to this version's tables and roles. Safe to run twice and from several machines at once.

use std::process::ExitCode;

use anyhow::Context;
use sallyport_kit::{App, Migration};
use sallyport_postgres::{AppMigration, DatabaseUrl};

use crate::cli::Places;
use crate::commands::say;
use crate::places;
use crate::settings::Settings;

pub(crate) async fn run(places: &Places) -> anyhow::Result<ExitCode> {
    let (settings, _) = places::settings(places)?;
    let applied = migrate(&settings).await?;
    say(&match applied {
        0 => "The database is up to date.".to_owned(),
        1 => "One migration applied.".to_owned(),
        many => format!("{many} migrations applied."),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Applies what is missing: the house's own tables, then the kit's and each app's. Returns how many.
pub(crate) async fn migrate(settings: &Settings) -> anyhow::Result<usize> {
    let url = &settings.stores.postgres.url;
    let mut applied = sallyport_postgres::migrate(url)
        .await
        .context("bringing the tables up to date")?;
    applied += apply(url, "kit", sallyport_kit::MIGRATIONS).await?;
    for app in apps(settings)? {
        applied += apply(url, app.name(), app.migrations()).await?;
    }
    Ok(applied)
}

/// The apps of this build.
pub(crate) fn apps(settings: &Settings) -> anyhow::Result<Vec<App>> {
    Ok(vec![
        sallyport_hub::app(&settings.apps.hub).context("reading the hub's texts")?,
    ])
}

async fn apply(url: &DatabaseUrl, name: &str, migrations: &[Migration]) -> anyhow::Result<usize> {
    let migrations: Vec<AppMigration> = migrations
        .iter()
        .map(|one| (one.version, one.name, one.sql))
        .collect();
    sallyport_postgres::migrate_app(url, name, &migrations)
        .await
        .with_context(|| format!("bringing the tables of {name} up to date"))
}
