//! What happens here, as events: one function per thing, which makes the log line and the metric from the same fields.

use std::time::Duration;

use sallyport_telemetry::metrics::{Gauge, Histogram};
use sallyport_telemetry::{Label, Metric};

use crate::session::PoolName;

/// The metrics of one pool, resolved once.
#[derive(Clone)]
pub(crate) struct PoolEvents {
    wait: Histogram,
    used: Gauge,
    idle: Gauge,
}

impl PoolEvents {
    /// Resolves the metrics of `pool`, which has at most `connections_max` connections.
    pub(crate) fn of(pool: PoolName, connections_max: usize) -> Self {
        let state = |state| {
            sallyport_telemetry::gauge(
                Metric::PoolConnections,
                &[(Label::Pool, pool.as_str()), (Label::State, state)],
            )
        };
        state("max").set_count(connections_max);
        Self {
            wait: sallyport_telemetry::histogram(Metric::PoolWait, &[(Label::Pool, pool.as_str())]),
            used: state("used"),
            idle: state("idle"),
        }
    }

    /// Somebody got a connection after `waited`; the pool stands as `status` says.
    pub(crate) fn taken(&self, waited: Duration, status: &deadpool_postgres::Status) {
        self.wait.record(waited);
        let idle = status.available.min(status.size);
        self.idle.set_count(idle);
        self.used.set_count(status.size.saturating_sub(idle));
    }
}

/// A connection outside the pools ended by itself.
pub(crate) fn lone_connection_ended(name: &str, error: &tokio_postgres::Error) {
    tracing::warn!(name: "postgres.connection_ended", connection = name, error = %error, "A connection to Postgres ended");
}

/// The migrations of `whose` were applied.
pub(crate) fn migrated(whose: &str, applied: usize) {
    if applied > 0 {
        tracing::info!(name: "postgres.migrated", whose, applied, "The database was migrated");
    }
}
