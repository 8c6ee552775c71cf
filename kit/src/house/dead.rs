//! Dead letters as operators see them: grouped by what went wrong.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Which group of dead letters: its kind of message and kind of error.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GroupRef {
    /// The kind of message.
    pub kind: String,
    /// The kind of error.
    pub error_kind: String,
}

/// Dead letters that died of the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadGroup {
    /// Which group.
    pub group: GroupRef,
    /// The newest error, one sentence.
    pub error: String,
    /// How many letters.
    pub count: u64,
    /// How many different people wait for them.
    pub people: u64,
    /// When the first died.
    pub first: Timestamp,
    /// When the last died.
    pub last: Timestamp,
    /// The support code of the newest.
    pub newest_code: String,
}

/// What a replay did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// How many letters are back on the queue.
    pub count: u64,
}
