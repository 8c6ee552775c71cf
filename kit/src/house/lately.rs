//! What an owner should hear of without having asked.

use jiff::Timestamp;

/// What happened lately that somebody may have to do something about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    /// What failed for good, the most frequent first.
    pub dead: Vec<DeadCount>,
    /// What is paused, however long ago it was.
    pub paused: Vec<PausedNow>,
}

/// How many messages failed of the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadCount {
    /// Their kind.
    pub kind: String,
    /// The kind of error.
    pub error_kind: String,
    /// How many.
    pub count: u64,
}

/// What is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PausedNow {
    /// Which kind; `None` for everything.
    pub kind: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
}

impl Lately {
    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.dead.is_empty() && self.paused.is_empty()
    }
}
