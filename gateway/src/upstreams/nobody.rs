//! Why a request is not handed on to anybody, and what its caller is told.

use std::time::Duration;

use crate::refusal::whole_seconds;

/// How long it may take until one is found.
const UNKNOWN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why no upstream of a group is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoUpstream {
    /// None is known: its name has never been looked up with success, or its service has no endpoint that may be asked.
    Unknown,
    /// All have as much in hand as they may; try again after so long.
    Busy(Duration),
    /// All that there are failed; one is tried again after so long.
    Open(Duration),
}

impl NoUpstream {
    /// As metrics, logs and spans spell it.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Unknown => "upstream_unknown",
            Self::Busy(_) => "upstream_busy",
            Self::Open(_) => "upstream_circuit_open",
        }
    }

    /// When it makes sense to try again.
    pub(crate) fn retry_after(self) -> Duration {
        match self {
            Self::Unknown => UNKNOWN_RETRY_AFTER,
            Self::Busy(after) | Self::Open(after) => after,
        }
    }

    /// What the caller reads.
    pub(crate) fn detail(self) -> String {
        let why = match self {
            Self::Unknown => "Nobody knows where the service behind this path is",
            Self::Busy(_) => "The service behind this path has its hands full",
            Self::Open(_) => "The service behind this path fails and is given time to recover",
        };
        let seconds = whole_seconds(self.retry_after());
        format!("{why}; nothing was handed on. Try again in {seconds} s.")
    }
}
