//! A connection for looking at a database from outside the house's pools: a backup's login is no role of the running house.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sallyport_postgres::DatabaseUrl;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

use crate::error::Trouble;

/// How long a connection may take to be made.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// A client and the task that drives it; both end together.
pub(crate) struct Session {
    pub(crate) client: Client,
    _driver: JoinSet<()>,
}

impl Session {
    /// Connects as the connection string says.
    pub(crate) async fn open(url: &DatabaseUrl) -> Result<Self, Trouble> {
        connect(&config(url)?).await
    }

    /// Connects to a scratch server.
    pub(crate) async fn on_socket(
        folder: &Path,
        user: &str,
        database: &str,
    ) -> Result<Self, Trouble> {
        let mut config = Config::new();
        config.host_path(folder).user(user).dbname(database);
        connect(&config).await
    }
}

async fn connect(config: &Config) -> Result<Session, Trouble> {
    let mut config = config.clone();
    config
        .application_name("sallyport recovery")
        .connect_timeout(CONNECT_DEADLINE);
    let (client, connection) = config
        .connect(NoTls)
        .await
        .map_err(Trouble::postgres("connecting"))?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // How a connection ended is told to whoever waits for an answer on it.
        drop(connection.await);
    });
    Ok(Session {
        client,
        _driver: driver,
    })
}

fn config(url: &DatabaseUrl) -> Result<Config, Trouble> {
    Config::from_str(url.expose()).map_err(|_| Trouble::Url {
        reason: "it cannot be read".to_owned(),
    })
}

/// Hands the same connection to a program through variables, where a list of processes does not show the password.
pub(crate) fn hand_over(url: &DatabaseUrl, command: &mut Command) -> Result<(), Trouble> {
    let config = config(url)?;
    match config.get_hosts().first() {
        Some(Host::Tcp(name)) => command.env("PGHOST", name),
        Some(Host::Unix(path)) => command.env("PGHOST", path),
        None => {
            return Err(Trouble::Url {
                reason: "it names no host".to_owned(),
            });
        }
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    command.env("PGPORT", port.to_string());
    if let Some(user) = config.get_user() {
        command.env("PGUSER", user);
    }
    if let Some(password) = config.get_password() {
        command.env("PGPASSWORD", String::from_utf8_lossy(password).as_ref());
    }
    command.env("PGAPPNAME", "sallyport recovery");
    Ok(())
}
