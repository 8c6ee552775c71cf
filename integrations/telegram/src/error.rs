//! What can go wrong in a call, and what Telegram's refusals mean.
//!
//! Telegram explains a refusal in English prose. This file is the one place that reads that prose; everybody else
//! matches on [`Refusal`]. It does not decide what happens next: that depends on what was being sent, which the
//! workers know.

use std::time::Duration;

use frankenstein::response::{ErrorResponse, ResponseParameters};
use thiserror::Error;

/// Why a call gave no result. Carries the method's name and never its URL, since that holds the token.
#[derive(Debug, Error)]
pub enum CallError {
    /// Telegram understood the call and said no.
    #[error("Telegram refused {method}: {refusal}")]
    Refused {
        /// The Bot API method.
        method: &'static str,
        /// What the refusal means.
        refusal: Refusal,
    },
    /// No connection came about, so nothing was sent.
    #[error("Telegram could not be reached for {method}")]
    NotSent {
        /// The Bot API method.
        method: &'static str,
        /// What the HTTP client said.
        #[source]
        source: reqwest::Error,
    },
    /// The request went out and no answer came back: it may have been carried out.
    #[error("Telegram did not answer {method}")]
    Unanswered {
        /// The Bot API method.
        method: &'static str,
        /// What the HTTP client said.
        #[source]
        source: reqwest::Error,
    },
    /// An answer came that is not the Bot API's, for example a proxy's error page: it may have been carried out.
    #[error("the answer to {method} with status {status} is not the Bot API's")]
    Unreadable {
        /// The Bot API method.
        method: &'static str,
        /// The HTTP status it came with.
        status: u16,
    },
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What we asked for is wrong, and will be wrong the next time.
    Ours,
    /// The person or the chat made it impossible.
    Theirs,
    /// Telegram or the way to it; it will pass.
    Provider,
}

/// A refusal, by what has to happen because of it. The variants are the table of the product's description.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The person blocked the bot, or it was removed from the group: the chat is unreachable until it writes again.
    #[error("the chat cannot be reached: {0}")]
    Unreachable(String),
    /// An edit would change nothing: it is already done.
    #[error("the message already looks like this")]
    NotModified,
    /// The message to reply to is gone: send without the reply.
    #[error("the message to reply to is gone")]
    ReplyGone,
    /// The message to edit is gone or too old to be edited.
    #[error("the message to edit is gone")]
    MessageGone,
    /// The group became a supergroup: its id must be rewritten everywhere.
    #[error("the group moved to {to}")]
    Migrated {
        /// The id it has now.
        to: i64,
    },
    /// Telegram did not like the formatting: send once more as plain text.
    #[error("the formatting was not accepted: {0}")]
    Formatting(String),
    /// The token is wrong or was revoked: the bot pauses.
    #[error("the token is not valid")]
    Unauthorized,
    /// Somebody else polls with this token, or a webhook is set while we poll.
    #[error("another receiver is active: {0}")]
    Conflict(String),
    /// Too many calls: nothing to this chat before the time is over.
    #[error("too many calls, again in {} s", .retry_after.as_secs())]
    TooFast {
        /// How long Telegram told us to wait.
        retry_after: Duration,
    },
    /// A button press is too old to be answered.
    #[error("the button press is too old")]
    StalePress,
    /// Telegram has trouble of its own.
    #[error("Telegram has trouble of its own ({code})")]
    Trouble {
        /// The error code, 500 or above.
        code: u64,
    },
    /// Anything else: our mistake, or a refusal this table does not know yet.
    #[error("{description} ({code})")]
    Other {
        /// Telegram's error code.
        code: u64,
        /// Telegram's own words.
        description: String,
    },
}

/// What a person learns to do when the way is closed for as long as Telegram gave no number.
const RETRY_AFTER_UNTOLD: Duration = Duration::from_secs(1);

/// Pieces of Telegram's prose and what they mean. Tried in order, in lower case.
const REPLY_GONE: &[&str] = &[
    "message to be replied not found",
    "replied message not found",
    "message to reply not found",
];
const MESSAGE_GONE: &[&str] = &[
    "message to edit not found",
    "message can't be edited",
    "message_id_invalid",
];
const FORMATTING: &[&str] = &["can't parse entities", "entity_", "entities_"];
const UNREACHABLE: &[&str] = &[
    "chat not found",
    "user not found",
    "peer_id_invalid",
    "not enough rights to send",
    "have no rights to send",
    "chat_write_forbidden",
    "need administrator rights in the channel chat",
    "topic_closed",
];
const STALE_PRESS: &[&str] = &["query is too old", "query_id_invalid"];

impl Refusal {
    /// Reads the meaning out of an error answer.
    #[must_use]
    pub fn of(answer: ErrorResponse) -> Self {
        let ErrorResponse {
            description,
            error_code: code,
            parameters,
            ..
        } = answer;
        let ResponseParameters {
            migrate_to_chat_id,
            retry_after,
        } = parameters.unwrap_or(ResponseParameters {
            migrate_to_chat_id: None,
            retry_after: None,
        });
        if let Some(to) = migrate_to_chat_id {
            return Self::Migrated { to };
        }
        match code {
            401 | 404 => Self::Unauthorized,
            403 => Self::Unreachable(description),
            409 => Self::Conflict(description),
            429 => Self::TooFast {
                retry_after: retry_after.map_or(RETRY_AFTER_UNTOLD, |seconds| {
                    Duration::from_secs(seconds.into())
                }),
            },
            500.. => Self::Trouble { code },
            _ => Self::of_prose(code, description),
        }
    }

    fn of_prose(code: u64, description: String) -> Self {
        let prose = description.to_lowercase();
        let says = |pieces: &[&str]| pieces.iter().any(|piece| prose.contains(piece));
        if prose.contains("message is not modified") {
            Self::NotModified
        } else if says(REPLY_GONE) {
            Self::ReplyGone
        } else if says(MESSAGE_GONE) {
            Self::MessageGone
        } else if says(STALE_PRESS) {
            Self::StalePress
        } else if says(UNREACHABLE) {
            Self::Unreachable(description)
        } else if says(FORMATTING) {
            Self::Formatting(description)
        } else {
            Self::Other { code, description }
        }
    }

    /// The refusal's name for labels and error kinds: few values, never prose.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::NotModified => "not_modified",
            Self::ReplyGone => "reply_gone",
            Self::MessageGone => "message_gone",
            Self::Migrated { .. } => "migrated",
            Self::Formatting(_) => "formatting",
            Self::Unauthorized => "unauthorized",
            Self::Conflict(_) => "conflict",
            Self::TooFast { .. } => "too_fast",
            Self::StalePress => "stale_press",
            Self::Trouble { .. } => "provider_trouble",
            Self::Other { .. } => "refused",
        }
    }
}

impl CallError {
    /// The refusal, if Telegram gave one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            Self::NotSent { .. } | Self::Unanswered { .. } | Self::Unreadable { .. } => None,
        }
    }

    /// Whether the call may have been carried out although it failed here. Telegram has no idempotency keys, so a
    /// repeat of such a call may show a person the same message twice.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::Unanswered { .. } | Self::Unreadable { .. } => true,
            Self::Refused { refusal, .. } => matches!(refusal, Refusal::Trouble { .. }),
            Self::NotSent { .. } => false,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::NotSent { .. } | Self::Unanswered { .. } | Self::Unreadable { .. } => {
                Fault::Provider
            }
            Self::Refused { refusal, .. } => match refusal {
                Refusal::TooFast { .. } | Refusal::Trouble { .. } => Fault::Provider,
                Refusal::Unreachable(_)
                | Refusal::ReplyGone
                | Refusal::MessageGone
                | Refusal::Migrated { .. }
                | Refusal::StalePress => Fault::Theirs,
                Refusal::NotModified
                | Refusal::Formatting(_)
                | Refusal::Unauthorized
                | Refusal::Conflict(_)
                | Refusal::Other { .. } => Fault::Ours,
            },
        }
    }

    /// How long Telegram asked us to wait, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.refusal() {
            Some(Refusal::TooFast { retry_after }) => Some(*retry_after),
            _ => None,
        }
    }

    /// The error's name for labels and error kinds: few values, never prose.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refused { refusal, .. } => refusal.name(),
            Self::NotSent { .. } => "not_sent",
            Self::Unanswered { .. } => "unanswered",
            Self::Unreadable { .. } => "unreadable",
        }
    }
}

#[cfg(test)]
mod tests;
