//! Postgres: pools with bounds, sessions with deadlines and roles, migrations, and the ground checks.
//!
//! It exists so that no room opens a connection of its own making: every session that leaves here has its role, its
//! deadlines and `synchronous_commit=on`, and every pool a bound on waiting (design §4, law L15). It knows no table but
//! those it needs for migrating; what the rows mean is for the rooms above.

mod cached;
mod error;
mod events;
mod fault;
mod ground;
mod migrate;
mod pools;
mod session;
mod settings;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;

pub use error::PoolError;
pub use fault::{Fault, classify, may_pass};
pub use ground::{Ground, GroundError, check_ground};
pub use migrate::{AppMigration, MigrateError, migrate, migrate_app};
pub use pools::{Connection, Pool, Pools};
pub use session::{PoolName, ProcessRole, Role};
pub use settings::{DatabaseUrl, Settings};

/// What rooms need of the driver, so that they name one version of it.
pub use cached::Cached;
pub use deadpool_postgres::GenericClient;
