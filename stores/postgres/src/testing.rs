//! Scratch databases for tests: one per test, on the server that `make test` starts, dropped when the test lets go.

#![expect(
    clippy::panic,
    reason = "a test without its database must fail with a sentence, not pass"
)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_postgres::NoTls;

use crate::{DatabaseUrl, Pools, ProcessRole, Settings, migrate};

/// Names the server that scratch databases are made on.
pub const URL_VARIABLE: &str = "SALLYPORT_TEST_DATABASE_URL";

/// A migrated database that nobody else uses.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: DatabaseUrl,
    server: DatabaseUrl,
}

impl TestDatabase {
    /// Makes one, with the tables of the house.
    ///
    /// # Panics
    /// There is no server: the message says how to get one. A test that cannot run must not pass.
    pub async fn create() -> Self {
        let database = Self::create_empty().await;
        migrate(&database.url)
            .await
            .unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)));
        database
    }

    /// Makes one without any tables.
    ///
    /// # Panics
    /// There is no server.
    pub async fn create_empty() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let server = server_url();
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let moment = std::time::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| since.as_millis());
        let name = format!("sallyport_test_{moment}_{}_{count}", std::process::id());
        on_server(&server, &format!("CREATE DATABASE {name}"))
            .await
            .unwrap_or_else(|error| {
                panic!("no scratch database at {URL_VARIABLE}: {error}; run `make test`")
            });
        let url = with_database(&server, &name);
        Self { name, url, server }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Settings for it, with few connections.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            accept_connections_max: 2,
            settle_connections_max: 2,
            handlers_connections_max: 4,
            read_connections_max: 2,
            ..Settings::at(self.url.clone())
        }
    }

    /// Pools onto it, for a process that does everything.
    ///
    /// # Panics
    /// The URL cannot be read.
    #[must_use]
    pub fn pools(&self) -> Pools {
        Pools::open(&self.settings(), ProcessRole::Both).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Takes the database away from everybody: connections are cut and new ones refused.
    ///
    /// # Panics
    /// The server went away.
    pub async fn take_away(&self) {
        let cut = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'",
            self.name
        );
        self.on_server(&format!(
            "alter database {} allow_connections false",
            self.name
        ))
        .await;
        self.on_server(&cut).await;
    }

    /// Gives it back.
    ///
    /// # Panics
    /// The server went away.
    pub async fn give_back(&self) {
        self.on_server(&format!(
            "alter database {} allow_connections true",
            self.name
        ))
        .await;
    }

    async fn on_server(&self, statement: &str) {
        on_server(&self.server, statement)
            .await
            .unwrap_or_else(|error| panic!("the server of the scratch databases: {error}"));
    }

    /// A connection as the owner of everything, for looking behind the curtain.
    ///
    /// # Panics
    /// The server went away.
    pub async fn owner(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(self.url.expose(), NoTls)
            .await
            .unwrap_or_else(|error| panic!("the scratch database went away: {error}"));
        tokio_util::task::TaskTracker::new().spawn(connection);
        client
    }
}

impl Drop for TestDatabase {
    /// Drops the database from a thread of its own, because a test's runtime may be gone or busy.
    fn drop(&mut self) {
        let server = self.server.clone();
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .ok()?;
            let deadline = Duration::from_secs(5);
            runtime.block_on(async {
                tokio::time::timeout(deadline, on_server(&server, &statement))
                    .await
                    .ok()?
                    .ok()
            })
        });
        // A scratch database that stays behind harms nobody; the test's own verdict matters more.
        drop(cleaner.join());
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by their environment where their server is"
)]
fn server_url() -> DatabaseUrl {
    match std::env::var(URL_VARIABLE) {
        Ok(url) => DatabaseUrl::new(url),
        Err(_) => panic!(
            "{URL_VARIABLE} is not set: this test needs a real Postgres; run `make test`, which starts one"
        ),
    }
}

async fn on_server(server: &DatabaseUrl, statement: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(server.expose(), NoTls).await?;
    let work = async {
        let done = client.batch_execute(statement).await;
        drop(client);
        done
    };
    let (done, driven) = tokio::join!(work, connection);
    done.and(driven)
}

/// The same server, another database: what stands between the last slash and the question mark.
fn with_database(server: &DatabaseUrl, name: &str) -> DatabaseUrl {
    let url = server.expose();
    let (address, parameters) = url
        .split_once('?')
        .map_or((url, String::new()), |(a, p)| (a, format!("?{p}")));
    let base = address.rsplit_once('/').map_or(address, |(base, _)| base);
    DatabaseUrl::new(format!("{base}/{name}{parameters}"))
}
