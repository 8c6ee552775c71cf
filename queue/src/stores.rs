//! What the queue stands on.

use sallyport_postgres::Pools;
use sallyport_redis::Redis;

/// Postgres, which holds the truth, and Redis, which may be missing.
#[derive(Debug, Clone)]
pub struct Stores {
    /// Connections.
    pub pools: Pools,
    /// For wake-ups and the live bus; `None` when none is configured.
    pub redis: Option<Redis>,
}

impl From<Pools> for Stores {
    /// Postgres alone.
    fn from(pools: Pools) -> Self {
        Self { pools, redis: None }
    }
}
