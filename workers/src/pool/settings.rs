//! The bounds of the pool.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Deserialize;
use validator::Validate;

/// The settings of the pool.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct PoolSettings {
    /// Handlers that run at the same time. Handlers mostly wait for others, so this is far above the number of cores.
    pub slots: NonZeroUsize,
    /// Messages in hand that somebody waits for, waiting or running; deliveries may be three quarters as many beside them and
    /// background work half as many, and a quarter more of each come from other tenants when one fills the hands. Whatever a
    /// crash leaves in hand counts as attempted, so more is not better.
    pub in_hand_max: NonZeroUsize,
    /// Messages of one key in hand (law L9): one chatty key must not fill the hands of all.
    pub in_hand_per_key_max: NonZeroUsize,
    /// Messages settled in one transaction.
    pub settle_batch_max: NonZeroUsize,
    /// Batches that are settled at the same time; the second is gathered while the first is being written.
    pub settle_batches_max: NonZeroUsize,
    /// Settlements with effects of their own, each a transaction, at the same time.
    pub settle_effects_max: NonZeroUsize,
    /// The net under the wake-ups: how often to look for messages nobody told us of (law L13).
    #[validate(range(
        min = 100,
        max = 60_000,
        message = "must lie between 100 and 60000 milliseconds"
    ))]
    pub sweep_ms: u64,
    /// How long a partition that is handed over may take to finish what runs (law L14).
    #[validate(range(max = 60_000, message = "must be at most 60000 milliseconds"))]
    pub handover_ms: u64,
    /// Starts without claiming anything, until somebody resumes it (law L15).
    pub paused: bool,
}

const fn at_least_one(number: usize) -> NonZeroUsize {
    match NonZeroUsize::new(number) {
        Some(number) => number,
        None => NonZeroUsize::MIN,
    }
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            slots: at_least_one(1_024),
            in_hand_max: at_least_one(4_096),
            in_hand_per_key_max: at_least_one(16),
            settle_batch_max: at_least_one(1_024),
            settle_batches_max: at_least_one(2),
            settle_effects_max: at_least_one(8),
            sweep_ms: 5_000,
            handover_ms: 5_000,
            paused: false,
        }
    }
}

impl PoolSettings {
    pub(super) fn sweep(&self) -> Duration {
        Duration::from_millis(self.sweep_ms)
    }

    pub(super) fn handover(&self) -> Duration {
        Duration::from_millis(self.handover_ms)
    }
}
