//! What can go wrong in a delivery: whose fault it is, and whether and when it may be tried again.
//!
//! Errors name hosts and never URLs. What the receiver wrote into its answer is not read: it is a stranger's, and would only reach
//! somebody's log.

use std::time::Duration;

use thiserror::Error;

use crate::address::Forbidden;

/// Why a delivery was not taken.
#[derive(Debug, Error)]
pub enum SendError {
    /// The host leads to an address that must not be called. Nothing was sent, and no connection was opened.
    #[error("{host} may not be called")]
    Forbidden {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: Forbidden,
    },
    /// The event has too many bytes.
    #[error("the event is too large for a webhook")]
    TooLarge,
    /// No connection came about, so nothing was sent.
    #[error("{host} could not be reached")]
    NotSent {
        /// The host.
        host: String,
        /// What the HTTP client said.
        #[source]
        source: reqwest::Error,
    },
    /// The event went out and no answer came back: it may have been taken.
    #[error("{host} did not answer")]
    Unanswered {
        /// The host.
        host: String,
        /// What the HTTP client said.
        #[source]
        source: reqwest::Error,
    },
    /// The receiver sent us elsewhere, which is not followed.
    #[error(
        "{host} answered with a redirect ({status}), which is not followed; enter the address that it leads to"
    )]
    Redirected {
        /// The host.
        host: String,
        /// The answer's status.
        status: u16,
    },
    /// The receiver wants no more of them, ever.
    #[error("{host} wants no more deliveries (410)")]
    Gone {
        /// The host.
        host: String,
    },
    /// The receiver wants fewer of them.
    #[error("{host} asks to wait ({status})")]
    Busy {
        /// The host.
        host: String,
        /// The answer's status.
        status: u16,
        /// How long it asked for, if it said so.
        retry_after: Option<Duration>,
    },
    /// The receiver refused it, or failed.
    #[error("{host} answered {status}")]
    Refused {
        /// The host.
        host: String,
        /// The answer's status.
        status: u16,
    },
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What we wanted to send is wrong.
    Ours,
    /// Whoever entered the URL has to enter another one.
    Theirs,
    /// The receiver, or the way to it; it may pass.
    Receiver,
}

/// Whether a delivery may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Yes, but not before this long.
    After(Duration),
    /// This one never.
    Never,
    /// Neither this one nor any other: the subscription is over.
    Ended,
}

impl SendError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::TooLarge => Fault::Ours,
            Self::Forbidden { .. } | Self::Redirected { .. } | Self::Gone { .. } => Fault::Theirs,
            Self::NotSent { .. }
            | Self::Unanswered { .. }
            | Self::Busy { .. }
            | Self::Refused { .. } => Fault::Receiver,
        }
    }

    /// Whether and when it may be tried again. The standard has every answer but 2xx and 410 tried again, since receivers are
    /// mended by people; a redirect is answered the same way until somebody enters another URL.
    #[must_use]
    pub fn again(&self) -> Again {
        match self {
            Self::Forbidden { .. } | Self::TooLarge | Self::Redirected { .. } => Again::Never,
            Self::Gone { .. } => Again::Ended,
            Self::Busy { retry_after, .. } => Again::After(retry_after.unwrap_or_default()),
            Self::NotSent { .. } | Self::Unanswered { .. } | Self::Refused { .. } => {
                Again::After(Duration::ZERO)
            }
        }
    }

    /// Whether it may have arrived all the same.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::Unanswered { .. } => true,
            // A gateway gave up on what stands behind it, or something broke while it was worked on.
            Self::Refused { status, .. } | Self::Busy { status, .. } => *status >= 500,
            Self::Forbidden { .. }
            | Self::TooLarge
            | Self::NotSent { .. }
            | Self::Redirected { .. }
            | Self::Gone { .. } => false,
        }
    }

    /// Its name for labels and error kinds: few values, never prose.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Forbidden { .. } => "forbidden_address",
            Self::TooLarge => "too_large",
            Self::NotSent { .. } => "not_sent",
            Self::Unanswered { .. } => "unanswered",
            Self::Redirected { .. } => "redirected",
            Self::Gone { .. } => "gone",
            Self::Busy { .. } => "busy",
            Self::Refused { .. } => "refused",
        }
    }
}
