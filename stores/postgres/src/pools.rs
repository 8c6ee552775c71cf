//! The pools of a process: one for accepting, one for settling, one for handlers, one for looking (design §4).
//!
//! They are apart so that a crowd in one starves no other: handlers that wait for rows must not keep the edge from
//! answering. Waiting for a connection is bounded everywhere.

use std::fmt;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{ManagerConfig, RecyclingMethod, Runtime, TimeoutType, Timeouts};
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, NoTls, Notification, Socket};

use crate::error::PoolError;
use crate::events::PoolEvents;
use crate::session::{self, Plans, PoolName, ProcessRole, Role};
use crate::settings::Settings;

/// How long a peer that has vanished without a word is believed to be there.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// The pools of one process. Cheap to clone; the connections close when the last clone is gone.
#[derive(Clone)]
pub struct Pools {
    accept: Option<Pool>,
    settle: Option<Pool>,
    handlers: Option<Pool>,
    read: Pool,
    settings: Arc<Settings>,
    config: tokio_postgres::Config,
}

impl Pools {
    /// Builds the pools that a process of this role needs. Connects to nothing yet, so it passes while Postgres is away.
    ///
    /// # Errors
    /// The connection string cannot be read.
    pub fn open(settings: &Settings, process: ProcessRole) -> Result<Self, PoolError> {
        let config =
            tokio_postgres::Config::from_str(settings.url.expose()).map_err(PoolError::Url)?;
        let build = |pool, role, connections_max| {
            Pool::build(settings, &config, pool, role, connections_max)
        };
        let edge = process != ProcessRole::Workers;
        let workers = process != ProcessRole::Edge;
        let looks_as = if workers { Role::Workers } else { Role::Edge };
        let accepts_as = if edge { Role::Edge } else { Role::Workers };
        Ok(Self {
            accept: Some(build(
                PoolName::Accept,
                accepts_as,
                settings.accept_connections_max,
            )?),
            settle: workers
                .then(|| {
                    build(
                        PoolName::Settle,
                        Role::Workers,
                        settings.settle_connections_max,
                    )
                })
                .transpose()?,
            handlers: workers
                .then(|| {
                    build(
                        PoolName::Handlers,
                        Role::Workers,
                        settings.handlers_connections_max,
                    )
                })
                .transpose()?,
            read: build(PoolName::Read, looks_as, settings.read_connections_max)?,
            settings: Arc::new(settings.clone()),
            config,
        })
    }

    /// For the committer of the edge.
    ///
    /// # Errors
    /// This process has none.
    pub fn accept(&self) -> Result<&Pool, PoolError> {
        self.accept.as_ref().ok_or(PoolError::Absent {
            pool: PoolName::Accept,
        })
    }

    /// For claiming and settling.
    ///
    /// # Errors
    /// This process only takes in.
    pub fn settle(&self) -> Result<&Pool, PoolError> {
        self.settle.as_ref().ok_or(PoolError::Absent {
            pool: PoolName::Settle,
        })
    }

    /// For what handlers do in the database.
    ///
    /// # Errors
    /// This process only takes in.
    pub fn handlers(&self) -> Result<&Pool, PoolError> {
        self.handlers.as_ref().ok_or(PoolError::Absent {
            pool: PoolName::Handlers,
        })
    }

    /// For looking: status, stories, gauges.
    #[must_use]
    pub fn read(&self) -> &Pool {
        &self.read
    }

    /// Makes one connection outside the pools, for whoever needs one of its own: a heartbeat, a listener, the janitor.
    /// The caller must drive the second half, or nothing moves.
    ///
    /// # Errors
    /// The server is away, or refuses us.
    pub async fn connect_alone(
        &self,
        name: &str,
        role: Role,
    ) -> Result<(Client, tokio_postgres::Connection<Socket, NoTlsStream>), PoolError> {
        let mut config = self.config.clone();
        shape(
            &mut config,
            &self.settings,
            role,
            Plans::Free,
            &format!("sallyport {name}"),
        );
        let refused = |source: tokio_postgres::Error| PoolError::Connect {
            user: name.to_owned(),
            source: source.into(),
        };
        tokio::time::timeout(self.settings.connect(), config.connect(NoTls))
            .await
            .map_err(|elapsed| PoolError::Connect {
                user: name.to_owned(),
                source: elapsed.into(),
            })?
            .map_err(refused)
    }

    /// As [`connect_alone`](Self::connect_alone), with the second half driven by a task that ends with the client.
    ///
    /// # Errors
    /// The server is away, or refuses us.
    pub async fn connect_driven(
        &self,
        name: &'static str,
        role: Role,
        tasks: &tokio_util::task::TaskTracker,
    ) -> Result<Client, PoolError> {
        self.connect_hearing(name, role, tasks, |_| {}).await
    }

    /// As [`connect_driven`](Self::connect_driven), and hands every notification that this connection listens for to `hear`.
    /// A connection that ends is heard of through its client alone: what is notified until there is another is lost.
    ///
    /// # Errors
    /// The server is away, or refuses us.
    pub async fn connect_hearing(
        &self,
        name: &'static str,
        role: Role,
        tasks: &tokio_util::task::TaskTracker,
        hear: impl Fn(&Notification) + Send + 'static,
    ) -> Result<Client, PoolError> {
        let (client, mut connection) = self.connect_alone(name, role).await?;
        tasks.spawn(async move {
            loop {
                match poll_fn(|context| connection.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notification(notification))) => hear(&notification),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => {
                        return crate::events::lone_connection_ended(name, &error);
                    }
                    None => return,
                }
            }
        });
        Ok(client)
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pools")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// What every connection has in common, whoever makes it.
fn shape(
    config: &mut tokio_postgres::Config,
    settings: &Settings,
    role: Role,
    plans: Plans,
    application_name: &str,
) {
    let options = session::startup_options(config.get_options(), settings, role, plans);
    config.options(options);
    config.application_name(application_name);
    config.connect_timeout(settings.connect());
    config.tcp_user_timeout(TCP_USER_TIMEOUT);
}

/// One pool.
#[derive(Clone)]
pub struct Pool {
    inner: deadpool_postgres::Pool,
    name: PoolName,
    events: PoolEvents,
}

impl Pool {
    fn build(
        settings: &Settings,
        config: &tokio_postgres::Config,
        name: PoolName,
        role: Role,
        connections_max: usize,
    ) -> Result<Self, PoolError> {
        let mut config = config.clone();
        let application_name = format!("{} {}", role.name().replace('_', " "), name.as_str());
        shape(&mut config, settings, role, name.plans(), &application_name);
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = deadpool_postgres::Manager::from_config(config, NoTls, recycling);
        let timeouts = Timeouts {
            wait: Some(settings.wait()),
            create: Some(settings.connect()),
            recycle: Some(settings.connect()),
        };
        let inner = deadpool_postgres::Pool::builder(manager)
            .max_size(connections_max)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|source| PoolError::Build { pool: name, source })?;
        Ok(Self {
            inner,
            name,
            events: PoolEvents::of(name, connections_max),
        })
    }

    /// A connection, after a bounded wait. It goes back when it is dropped.
    ///
    /// # Errors
    /// None became free in time, or none can be made.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the line and nothing else.
    pub async fn get(&self) -> Result<Connection, PoolError> {
        let asked = Instant::now();
        let taken = self.inner.get().await;
        self.events.taken(asked.elapsed(), &self.inner.status());
        taken.map(Connection).map_err(|error| self.explain(error))
    }

    fn explain(&self, error: deadpool_postgres::PoolError) -> PoolError {
        match error {
            deadpool_postgres::PoolError::Timeout(TimeoutType::Wait) => {
                PoolError::Busy { pool: self.name }
            }
            other => PoolError::Connect {
                user: format!("the pool {}", self.name.as_str()),
                source: other.into(),
            },
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A borrowed connection of a pool; it is the driver's client, with a cache of prepared statements.
pub struct Connection(deadpool_postgres::Client);

impl Connection {
    /// Closes the connection instead of giving it back. For whoever stopped waiting in the middle of a statement: the next
    /// user would wait for its end.
    pub fn discard(self) {
        drop(deadpool_postgres::Client::take(self.0));
    }
}

impl Deref for Connection {
    type Target = deadpool_postgres::Client;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Connection")
    }
}
