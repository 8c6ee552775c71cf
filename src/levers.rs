//! What the page can break that only the house itself can break: Postgres goes away, a worker is killed.
//!
//! Offered by `run` alone, where house and playground are one process on one person's machine.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use sallyport_playground::{Lever, LeverError};
use sallyport_postgres::DatabaseUrl;
use tokio::sync::mpsc;
use tokio_postgres::NoTls;
use tokio_util::task::TaskTracker;

/// Asks the process to kill its workers and to start new ones.
#[derive(Debug, Clone)]
pub(crate) struct WorkerKill {
    pub(crate) orders: mpsc::Sender<()>,
}

impl Lever for WorkerKill {
    fn name(&self) -> &'static str {
        "worker_kill"
    }

    fn label(&self) -> &'static str {
        "Kill the worker"
    }

    fn pull(&self, _lasting: Duration) -> BoxFuture<'_, Result<(), LeverError>> {
        let ordered = self.orders.try_send(()).map_err(|_| LeverError {
            reason: "A worker is being killed already.".to_owned(),
        });
        std::future::ready(ordered).boxed()
    }
}

/// Takes Postgres away: nobody may connect to our database, and whoever was connected is cut off.
///
/// Done from the server's maintenance database, so it works with the private server and with anybody's whose login may do it.
#[derive(Debug, Clone)]
pub(crate) struct PostgresAway {
    pub(crate) url: DatabaseUrl,
    pub(crate) tasks: TaskTracker,
}

impl Lever for PostgresAway {
    fn name(&self) -> &'static str {
        "postgres_away"
    }

    fn label(&self) -> &'static str {
        "Take Postgres away"
    }

    fn pull(&self, lasting: Duration) -> BoxFuture<'_, Result<(), LeverError>> {
        self.cut(lasting).map(|cut| cut.map_err(in_words)).boxed()
    }
}

impl PostgresAway {
    async fn cut(&self, lasting: Duration) -> Result<(), tokio_postgres::Error> {
        let mut config: tokio_postgres::Config = self.url.expose().parse()?;
        let database = config.get_dbname().unwrap_or("postgres").to_owned();
        config.dbname(MAINTENANCE);
        let (client, connection) = config.connect(NoTls).await?;
        self.tasks.spawn(connection.map(drop));
        let quoted = format!("\"{}\"", database.replace('"', "\"\""));
        client
            .batch_execute(&format!("alter database {quoted} allow_connections false"))
            .await?;
        let cut_off = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()";
        client.query(cut_off, &[&database]).await?;
        self.tasks.spawn(async move {
            tokio::time::sleep(lasting).await;
            let mended = client.batch_execute(&format!("alter database {quoted} allow_connections true")).await;
            if let Err(error) = mended {
                tracing::error!(name: "lever.not_mended", { error = %error }, "Postgres could not be given back");
            }
        });
        Ok(())
    }
}

/// A database that every server has and that nobody works in.
const MAINTENANCE: &str = "template1";

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn in_words(error: tokio_postgres::Error) -> LeverError {
    LeverError {
        reason: format!("Postgres cannot be taken away: {error}"),
    }
}
