//! The bounds of the queue: batches, deadlines, how long things are kept.

use serde::Deserialize;
use validator::Validate;

use crate::spool;

/// The settings of this crate.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long the committer gathers at most while another commit is under way, in microseconds (law L1: about a millisecond).
    #[validate(range(max = 50_000))]
    pub accept_gather_us: u64,
    /// The most messages that share one commit.
    #[validate(range(min = 1, max = 2_000))]
    pub accept_batch_max: usize,
    /// The most messages that wait for the committer; more are refused as unavailable.
    #[validate(range(min = 1, max = 100_000))]
    pub accept_waiting_max: usize,
    /// How long an accept may take until it is refused as unavailable.
    #[validate(range(min = 50, max = 60_000))]
    pub accept_deadline_ms: u64,
    /// What a refused sender is told to wait.
    #[validate(range(min = 1, max = 3_600))]
    pub accept_retry_after_seconds: u64,
    /// The largest payload in bytes. The edge has a smaller limit of its own per route.
    #[validate(range(min = 1, max = 67_108_864))]
    pub payload_bytes_max: usize,
    /// The most notifications per second that this process sends (law L13).
    #[validate(range(min = 1, max = 1_000))]
    pub notifications_per_second_max: u64,
    /// How many whole days of the log are kept.
    #[validate(range(min = 1, max = 365))]
    pub keep_days: u16,
    /// How many days ahead partitions are made.
    #[validate(range(min = 1, max = 60))]
    pub days_ahead: u16,
    /// How often the janitor looks after the days.
    #[validate(range(min = 1_000, max = 86_400_000))]
    pub janitor_every_ms: u64,
    /// How often due schedules are looked for.
    #[validate(range(min = 50, max = 60_000))]
    pub schedules_every_ms: u64,
    /// How often the gauges are read from the tables.
    #[validate(range(min = 250, max = 600_000))]
    pub gauges_every_ms: u64,
    /// How often the auditor of the ledger takes a turn.
    #[validate(range(min = 250, max = 3_600_000))]
    pub ledger_every_ms: u64,
    /// How many rows it compares at a turn, about: 50,000 cost Postgres some 100 ms.
    #[validate(range(min = 1_000, max = 10_000_000))]
    pub ledger_rows_max: usize,
    /// How often the live bus is brought up to date.
    #[validate(range(min = 20, max = 60_000))]
    pub live_every_ms: u64,
    /// How many events the live bus is given per second while it catches up. A thousand cost about a fiftieth of a core.
    #[validate(range(min = 100, max = 1_000_000))]
    pub live_events_per_second_max: u32,
    /// The disk that takes what Postgres cannot.
    #[validate(nested)]
    pub spool: spool::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            accept_gather_us: 1_000,
            accept_batch_max: 256,
            accept_waiting_max: 4_096,
            accept_deadline_ms: 4_000,
            accept_retry_after_seconds: 2,
            payload_bytes_max: 1_048_576,
            notifications_per_second_max: 100,
            keep_days: 7,
            days_ahead: 7,
            janitor_every_ms: 600_000,
            schedules_every_ms: 1_000,
            gauges_every_ms: 5_000,
            ledger_every_ms: 5_000,
            ledger_rows_max: 50_000,
            live_every_ms: 200,
            live_events_per_second_max: 10_000,
            spool: spool::Settings::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_pass_their_own_checks() {
        assert!(Settings::default().validate().is_ok());
    }
}
