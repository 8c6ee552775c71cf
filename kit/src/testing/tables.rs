//! A scratch database per stage, with the kit's and the app's tables.

use std::{ops::Deref, sync::Arc};

use tokio::sync::Mutex;
use tokio_postgres::{Client, Config, NoTls};

use crate::{App, Effect, Failure, MIGRATIONS, Migration, Reading};

/// Where the tests' Postgres is.
const URL: &str = "SALLYPORT_TEST_DATABASE_URL";

/// A scratch database.
pub(super) struct Tables {
    server: Config,
    name: String,
    reader: Arc<Client>,
    writer: Mutex<Client>,
}

impl Tables {
    pub(super) async fn open(app: &App) -> Self {
        let server = server();
        let admin = connect(&server).await;
        let row = must(
            admin
                .query_one(
                    "SELECT 'kit_test_' || replace(gen_random_uuid()::text, '-', '')",
                    &[],
                )
                .await,
        );
        let name: String = row.get(0);
        must(
            admin
                .batch_execute(&format!("CREATE DATABASE {name}"))
                .await,
        );

        let mut scratch = server.clone();
        scratch.dbname(&name);
        let writer = connect(&scratch).await;
        apply(&writer, MIGRATIONS).await;
        apply(&writer, app.migrations()).await;
        let reader = Arc::new(connect(&scratch).await);
        Self {
            server,
            name,
            reader,
            writer: Mutex::new(writer),
        }
    }

    pub(super) fn read(&self) -> Reading {
        Box::new(Shared(Arc::clone(&self.reader)))
    }

    /// Runs all changes in one transaction, or none.
    pub(super) async fn commit(&self, effects: Vec<Effect>) -> Result<(), Failure> {
        let mut writer = self.writer.lock().await;
        let transaction = writer.transaction().await?;
        for effect in effects {
            effect(&transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// A connection that several readers share.
struct Shared(Arc<Client>);

impl Deref for Shared {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl Drop for Tables {
    /// Drops the database, on a thread of its own, because a destructor cannot wait for the test's runtime.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = must(
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build(),
            );
            runtime.block_on(async {
                let admin = connect(&server).await;
                must(
                    admin
                        .batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                        .await,
                );
            });
        });
        // A database that stays behind costs the next test nothing.
        drop(dropping.join());
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where their Postgres is"
)]
fn server() -> Config {
    let Ok(url) = std::env::var(URL) else {
        panic!("{URL} is not set: run `make test`, which starts a Postgres for the tests");
    };
    must(url.parse())
}

async fn apply(client: &Client, migrations: &[Migration]) {
    for migration in migrations {
        must(client.batch_execute(migration.sql).await);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the connection ends with its client, which the stage owns"
)]
async fn connect(config: &Config) -> Client {
    let (client, connection) = must(config.connect(NoTls).await);
    tokio::spawn(connection);
    client
}

fn must<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the scratch database cannot be used: {error:?}"),
    }
}
