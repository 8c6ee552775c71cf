//! Migrations: the house's own, embedded from `migrations/`, and those of each app, with a history of their own.
//!
//! Several processes may start at once, so a migration runs under a lock of the whole database; who comes second finds
//! nothing left to do. Migrations log in as the owner, never as one of the roles that the running house has.

use std::str::FromStr;

use refinery::{Migration, Runner};
use tokio_postgres::{Client, NoTls};

use crate::events;
use crate::settings::DatabaseUrl;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Any number will do, as long as nobody else uses it: it is the lock that migrations take.
const LOCK: i64 = 0x5a11_7007;

/// One migration of an app: its version (from 1, without gaps), its name and its statements.
pub type AppMigration = (u32, &'static str, &'static str);

/// Why the database was not migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The server is away, refuses us, or went away meanwhile.
    #[error("the database could not be reached for migrating")]
    Connect(#[source] tokio_postgres::Error),
    /// A migration is malformed, failed, or differs from the one that was applied under its number.
    #[error("the migrations of {whose} could not be applied")]
    Apply {
        /// `the house`, or an app's name.
        whose: String,
        /// What happened.
        #[source]
        source: Box<refinery::Error>,
    },
    /// An app's name is not fit to be part of a table's name.
    #[error("{name:?} is no name for an app's history: use up to 32 of a-z, 0-9 and _")]
    AppName {
        /// The name.
        name: String,
    },
}

/// Brings the tables of the house up to date. Returns how many migrations were applied.
///
/// # Errors
/// The server is away, or a migration failed; what was applied before it stays applied.
pub async fn migrate(url: &DatabaseUrl) -> Result<usize, MigrateError> {
    run(url, "the house", embedded::migrations::runner()).await
}

/// Brings the tables of one app up to date. Returns how many migrations were applied.
///
/// # Errors
/// The name is unfit, the server is away, or a migration failed.
pub async fn migrate_app(
    url: &DatabaseUrl,
    app: &str,
    migrations: &[AppMigration],
) -> Result<usize, MigrateError> {
    let fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if app.is_empty() || app.len() > 32 || !app.bytes().all(fit) {
        return Err(MigrateError::AppName {
            name: app.to_owned(),
        });
    }
    let migrations: Vec<Migration> = migrations
        .iter()
        .map(|(version, name, sql)| Migration::unapplied(&format!("V{version}__{name}"), sql))
        .collect::<Result<_, _>>()
        .map_err(|source| MigrateError::Apply {
            whose: app.to_owned(),
            source: Box::new(source),
        })?;
    let mut runner = Runner::new(&migrations);
    runner.set_migration_table_name(format!("app_{app}_migrations"));
    run(url, app, runner).await
}

async fn run(url: &DatabaseUrl, whose: &str, runner: Runner) -> Result<usize, MigrateError> {
    let mut config =
        tokio_postgres::Config::from_str(url.expose()).map_err(MigrateError::Connect)?;
    config.application_name("sallyport migrations");
    let (mut client, connection) = config.connect(NoTls).await.map_err(MigrateError::Connect)?;
    let work = async {
        let applied = under_lock(&mut client, whose, &runner).await;
        // The connection ends when its client is gone, and with it the lock.
        drop(client);
        applied
    };
    let (applied, driven) = tokio::join!(work, connection);
    let applied = applied?;
    driven.map_err(MigrateError::Connect)?;
    events::migrated(whose, applied);
    Ok(applied)
}

async fn under_lock(
    client: &mut Client,
    whose: &str,
    runner: &Runner,
) -> Result<usize, MigrateError> {
    client
        .execute("SELECT pg_advisory_lock($1)", &[&LOCK])
        .await
        .map_err(MigrateError::Connect)?;
    let report = runner
        .run_async(client)
        .await
        .map_err(|source| MigrateError::Apply {
            whose: whose.to_owned(),
            source: Box::new(source),
        })?;
    Ok(report.applied_migrations().len())
}
