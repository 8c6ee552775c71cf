//! What every session is told before anybody uses it: its role, its deadlines, and that a commit means "on disk".
//!
//! The pools for accepting and settling are also told how to plan. Their statements are few, fixed and made for one plan:
//! walk an index, join row by row. The planner would choose the same while the queue is full, but a plan that was made
//! while the tables were empty is kept, and would then read a million rows from end to end. So these sessions forbid it.

use crate::settings::Settings;

/// What a process is there for: it decides which pools it has, and as whom they log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessRole {
    /// Only takes in.
    Edge,
    /// Only works.
    Workers,
    /// One process does all.
    Both,
}

/// The roles of the database, made by the first migration. None of them may log in by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// May put in, and see what a repeat needs to see.
    Edge,
    /// May do everything with rows and nothing with tables.
    Workers,
    /// Owns the tables that are partitioned by day: makes, detaches and drops their partitions.
    Janitor,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Edge, Self::Workers, Self::Janitor];

    /// Its name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Edge => "sallyport_edge",
            Self::Workers => "sallyport_workers",
            Self::Janitor => "sallyport_janitor",
        }
    }
}

/// The pools of a process; also the label of their metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolName {
    /// For the committer of the edge.
    Accept,
    /// For claiming and settling.
    Settle,
    /// For what handlers do in the database.
    Handlers,
    /// For looking.
    Read,
}

impl PoolName {
    /// One word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Settle => "settle",
            Self::Handlers => "handlers",
            Self::Read => "read",
        }
    }

    pub(crate) fn plans(self) -> Plans {
        match self {
            Self::Accept | Self::Settle => Plans::Fixed,
            Self::Handlers | Self::Read => Plans::Free,
        }
    }
}

/// Who chooses the plans of a session's statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plans {
    /// The planner.
    Free,
    /// We: index scans and nested loops, planned once.
    Fixed,
}

const FIXED_PLANS: &str = " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off \
    -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_mergejoin=off";

/// The options with which a connection is opened, after those that the connection string has already. They are part of
/// the opening itself, so no session exists without its role and its deadlines, not even for one round trip.
pub(crate) fn startup_options(
    given: Option<&str>,
    settings: &Settings,
    role: Role,
    plans: Plans,
) -> String {
    let planning = match plans {
        Plans::Free => "",
        Plans::Fixed => FIXED_PLANS,
    };
    format!(
        "{given} -c role={role} -c synchronous_commit=on -c jit=off -c timezone=UTC -c statement_timeout={statement} \
         -c lock_timeout={lock} -c idle_in_transaction_session_timeout={idle}{planning}",
        given = given.unwrap_or_default(),
        role = role.name(),
        statement = settings.statement_ms,
        lock = settings.lock_ms,
        idle = settings.idle_transaction_ms,
    )
}
