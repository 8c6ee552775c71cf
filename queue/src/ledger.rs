//! The auditor of the ledger: whatever was accepted has ended or waits, or it is lost and somebody is told.
//!
//! Every message of the log must be in exactly one other place: among what is not finished, or among the endings; and whatever is there must be
//! in the log. The auditor walks the log again and again, newest rows first, a bounded number of rows at a turn, and compares
//! within one snapshot, so nothing that is just changing places is missed. It changes nothing. One process audits at a
//! time; another takes over when that one is gone.
//!
//! It cannot see what was never written: that is the edge's and the spool's to keep.

mod book;
mod walk;

use std::time::SystemTime;

use sallyport_postgres::{Pools, Role};
use sallyport_telemetry::metrics::Gauge;
use sallyport_telemetry::{Metric, gauge};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::StoreError;
use crate::events;
use crate::message::MessageId;
use crate::pace::Pace;
use book::Book;
use walk::Walk;

/// How many numbers of unaccounted messages an event names.
const NAMED_MAX: usize = 20;

/// What one turn of the auditor found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audited {
    /// How many messages are unaccounted for, as far as the walk has come: zero in a sound house.
    pub unaccounted: usize,
    /// The oldest of them, at most twenty.
    pub oldest: Vec<MessageId>,
    /// How many rows were compared at this turn.
    pub rows: usize,
    /// Whether this turn saw everything there is, rather than going on where the last one stopped.
    pub whole: bool,
}

/// Compares what was accepted with what ended or waits.
#[derive(Debug)]
pub struct Ledger {
    pools: Pools,
    tasks: TaskTracker,
    rows_max: usize,
    /// The connection that holds the right to audit, while this process has it.
    elected: Option<Client>,
    walk: Walk,
    book: Book,
}

impl Ledger {
    pub(crate) fn new(pools: Pools, rows_max: usize, tasks: TaskTracker) -> Self {
        Self {
            pools,
            tasks,
            rows_max,
            elected: None,
            walk: Walk::default(),
            book: Book::default(),
        }
    }

    /// Makes one turn: compares at most as many rows as the settings allow. `None` while another process audits.
    ///
    /// # Errors
    /// The database is away or slow. The walk goes on where it was.
    ///
    /// # Cancel safety
    /// Safe: a turn that is dropped is made again.
    pub async fn audit(&mut self) -> Result<Option<Audited>, StoreError> {
        let Some(client) = self.election().await? else {
            *self = Self::new(self.pools.clone(), self.rows_max, self.tasks.clone());
            return Ok(None);
        };
        let turn = self
            .walk
            .turn(&client, &mut self.book, self.rows_max)
            .await?;
        self.elected = Some(client);
        Ok(Some(Audited {
            unaccounted: self.book.unaccounted(),
            oldest: self.book.oldest(NAMED_MAX),
            rows: turn.rows,
            whole: turn.whole,
        }))
    }

    /// The connection that may audit: the one we have, or a new one that was elected just now.
    async fn election(&mut self) -> Result<Option<Client>, StoreError> {
        if let Some(client) = self.elected.take().filter(|client| !client.is_closed()) {
            return Ok(Some(client));
        }
        let client = self
            .pools
            .connect_driven("ledger", Role::Workers, &self.tasks)
            .await
            .map_err(StoreError::pool("audit the ledger"))?;
        let elected = client
            .query_one(
                "SELECT pg_try_advisory_lock(hashtext('sallyport ledger'))",
                &[],
            )
            .await
            .map_err(StoreError::postgres("audit the ledger"))?;
        Ok(elected.get::<_, bool>(0).then_some(client))
    }
}

/// Audits until `stop`.
pub(crate) async fn run(mut ledger: Ledger, every_ms: u64, stop: CancellationToken) {
    let mut pace = Pace::new(every_ms, stop);
    let meters = Meters {
        unaccounted: gauge(Metric::LedgerUnaccounted, &[]),
        succeeded: gauge(Metric::LedgerAuditLastSuccess, &[]),
    };
    let mut known = 0;
    while pace.next().await {
        match ledger.audit().await {
            Ok(Some(audited)) => {
                meters.show(&audited);
                if audited.unaccounted != known {
                    events::ledger_changed(known, &audited);
                    known = audited.unaccounted;
                }
            }
            Ok(None) => {
                meters.unaccounted.set_count(0);
                known = 0;
            }
            Err(error) => events::chore_failed("ledger", &error),
        }
    }
}

struct Meters {
    unaccounted: Gauge,
    succeeded: Gauge,
}

impl Meters {
    fn show(&self, audited: &Audited) {
        self.unaccounted.set_count(audited.unaccounted);
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.succeeded.set(now.as_secs_f64());
    }
}
