//! What an operator may tell the recorder.

use serde::Deserialize;
use validator::Validate;

/// A month: long enough to compare with "last time", short enough for a laptop's disk.
const RETENTION_DAYS: u16 = 30;
/// About 20 MB: some seconds of a busy house.
const QUEUE_SPANS_MAX: usize = 20_000;

/// The settings of the recorder.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Days for which spans are kept, today included.
    #[validate(range(min = 1, max = 365, message = "must be between 1 and 365"))]
    pub retention_days: u16,
    /// Spans that may wait to be written; what comes on top is dropped and counted.
    #[validate(range(
        min = 1000,
        max = 1_000_000,
        message = "must be between 1000 and 1000000"
    ))]
    pub queue_spans_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retention_days: RETENTION_DAYS,
            queue_spans_max: QUEUE_SPANS_MAX,
        }
    }
}
