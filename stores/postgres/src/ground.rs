//! The honest ground (law L15): a start on a database that may lie about durability is refused.

use tokio_postgres::Client;

use crate::session::Role;

/// The oldest server that the statements of the house were tried on.
const SERVER_VERSION_MIN: i32 = 150_000;

/// What was found under our feet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// The server's version as a number, for example 150018.
    pub server_version: i32,
    /// The name of this cluster and the branch of its history: it changes after a restore or a failover.
    pub history: String,
}

/// Why the start is refused. All of them are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    /// A question to the server failed.
    #[error("the database could not be examined")]
    Ask(#[source] tokio_postgres::Error),
    /// A setting would let the server forget what it had confirmed.
    #[error(
        "the database runs with {setting}={value}: a confirmed message could be lost; set {setting}=on"
    )]
    Dishonest {
        /// Which setting.
        setting: &'static str,
        /// What it is.
        value: String,
    },
    /// A replica takes no writes.
    #[error("the database is a replica in recovery; connect to the primary")]
    Replica,
    /// The server is too old.
    #[error("the database server has version {found}, at least {SERVER_VERSION_MIN} is needed")]
    TooOld {
        /// What it is.
        found: i32,
    },
    /// A role is missing, or we may not become it.
    #[error(
        "the login may not become {role}; run `sallyport migrate` with an owner's login, or grant it"
    )]
    Role {
        /// Which role.
        role: &'static str,
    },
}

/// Examines the server behind `client`.
///
/// # Errors
/// The first reason not to start.
pub async fn check_ground(client: &Client) -> Result<Ground, GroundError> {
    for setting in ["fsync", "full_page_writes"] {
        let row = client
            .query_one("SELECT current_setting($1)", &[&setting])
            .await
            .map_err(GroundError::Ask)?;
        let value: String = row.get(0);
        if value != "on" {
            return Err(GroundError::Dishonest { setting, value });
        }
    }
    check_roles(client).await?;
    let row = client
        .query_one(
            "SELECT pg_is_in_recovery(), current_setting('server_version_num')::int,
                    (SELECT system_identifier FROM pg_control_system()) || ':' ||
                    (SELECT timeline_id FROM pg_control_checkpoint())",
            &[],
        )
        .await
        .map_err(GroundError::Ask)?;
    if row.get(0) {
        return Err(GroundError::Replica);
    }
    let ground = Ground {
        server_version: row.get(1),
        history: row.get(2),
    };
    if ground.server_version < SERVER_VERSION_MIN {
        return Err(GroundError::TooOld {
            found: ground.server_version,
        });
    }
    Ok(ground)
}

/// A role that does not exist counts as one that we may not become.
async fn check_roles(client: &Client) -> Result<(), GroundError> {
    for role in Role::ALL {
        let row = client
            .query_one(
                "SELECT coalesce((SELECT pg_has_role(session_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = $1), false)",
                &[&role.name()],
            )
            .await
            .map_err(GroundError::Ask)?;
        if !row.get::<_, bool>(0) {
            return Err(GroundError::Role { role: role.name() });
        }
    }
    Ok(())
}
