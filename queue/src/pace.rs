//! The pace of the queue's chores: what one worker process does for all, again and again until the queue is closed.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Says when it is a chore's turn: at once, then every so often. A chore that takes longer than its turn delays the next
/// instead of piling up.
pub(crate) struct Pace {
    turns: Interval,
    stop: CancellationToken,
}

impl Pace {
    pub(crate) fn new(every_ms: u64, stop: CancellationToken) -> Self {
        let mut turns = tokio::time::interval(Duration::from_millis(every_ms));
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { turns, stop }
    }

    /// The same, but the first turn was taken by somebody else.
    pub(crate) fn after_the_first(every_ms: u64, stop: CancellationToken) -> Self {
        let mut pace = Self::new(every_ms, stop);
        pace.turns.reset();
        pace
    }

    /// Waits for the next turn; false when there is none any more. Cancel safe.
    pub(crate) async fn next(&mut self) -> bool {
        let turn = self.turns.tick();
        self.stop.run_until_cancelled(turn).await.is_some()
    }
}
