//! The bounds of the spool.

use std::path::PathBuf;

use serde::Deserialize;
use validator::Validate;

use super::Limits;

/// Where the spool is, and how large it may become.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The folder of this machine's spools; each edge takes a numbered slot in it. Empty means that there is no spool.
    pub directory: PathBuf,
    /// The most bytes that wait on the disk. More is refused with a time to come back.
    #[validate(range(min = 65_536, max = 1_099_511_627_776_u64))]
    pub bytes_max: u64,
    /// How large one file becomes. A small one is removed sooner, a large one costs fewer names.
    #[validate(range(min = 4_096, max = 268_435_456))]
    pub segment_bytes: u64,
    /// How long an accept waits for Postgres before it goes to the disk instead.
    #[validate(range(min = 20, max = 10_000))]
    pub commit_deadline_ms: u64,
    /// The most messages that wait for the disk at a time. Whoever comes when so many wait is refused at once, with a time to
    /// come back; so is whoever a slow disk would not have flushed before the accept's deadline.
    #[validate(range(min = 1, max = 100_000))]
    pub waiting_max: usize,
    /// The most messages that are replayed in one statement.
    #[validate(range(min = 1, max = 2_000))]
    pub replay_batch_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            directory: PathBuf::new(),
            bytes_max: 1 << 30,
            segment_bytes: 8 << 20,
            commit_deadline_ms: 600,
            waiting_max: 4_096,
            replay_batch_max: 256,
        }
    }
}

impl Settings {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            bytes_max: self.bytes_max,
            segment_bytes: self.segment_bytes,
        }
    }
}
