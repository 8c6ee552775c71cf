//! Why there is no connection.

use crate::session::PoolName;

/// A pool gave no connection, or one could not be made. Never the caller's fault; worth trying again after a while.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The connection string cannot be read. Its text is not repeated, because it may hold a password.
    #[error("the connection string of the database cannot be read")]
    Url(#[source] tokio_postgres::Error),
    /// Every connection was in use for as long as anybody may wait.
    #[error("no connection of the pool {} became free in time", pool.as_str())]
    Busy {
        /// Which pool.
        pool: PoolName,
    },
    /// A connection could not be made, or was refused.
    #[error("no connection for {user} could be made")]
    Connect {
        /// Who asked: a pool or a connection's name.
        user: String,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The pools of this process do not include the one asked for.
    #[error("this process has no pool {}", pool.as_str())]
    Absent {
        /// Which pool.
        pool: PoolName,
    },
    /// The pool could not be built.
    #[error("the pool {} could not be built", pool.as_str())]
    Build {
        /// Which pool.
        pool: PoolName,
        /// Why.
        #[source]
        source: deadpool_postgres::BuildError,
    },
}
