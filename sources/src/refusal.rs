//! Why a request is not the provider's, and why a verified one is no delivery.
//!
//! It exists so that every provider refuses in the same words, which say the step that failed, and never what was expected or
//! what was sent. Which status follows is for the edge.

use http::HeaderName;

/// Why a request is not the provider's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A header that the provider always sends is not there.
    #[error("the header {0} is missing")]
    HeaderMissing(HeaderName),
    /// There are several: whichever is meant, it is not the provider who sends two.
    #[error("the header {0} stands there more than once")]
    HeaderRepeated(HeaderName),
    /// It is not written as the provider writes it: other letters, another length, another prefix, several where there is one.
    #[error("the header {0} is not written as the provider writes it")]
    HeaderMalformed(HeaderName),
    /// More signatures than any rotation of keys explains.
    #[error("the header {0} holds too many signatures")]
    TooManySignatures(HeaderName),
    /// It was signed too long ago, so it may be a replay.
    #[error("the timestamp in {0} is too old")]
    TooOld(HeaderName),
    /// It claims to have been signed in the future.
    #[error("the timestamp in {0} is in the future")]
    TooNew(HeaderName),
    /// There is nothing that could have been signed.
    #[error("the body is empty")]
    BodyEmpty,
    /// It was made with none of the keys, or over other bytes.
    #[error("no key matched the header {0}")]
    NoKeyMatched(HeaderName),
}

impl Refusal {
    /// The outcome as metrics spell it. Few values.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::HeaderMissing(_) => "missing",
            Self::TooOld(_) | Self::TooNew(_) => "stale",
            Self::HeaderRepeated(_)
            | Self::HeaderMalformed(_)
            | Self::TooManySignatures(_)
            | Self::BodyEmpty
            | Self::NoKeyMatched(_) => "bad",
        }
    }
}

/// Why a verified body is no delivery. Everything else is stored.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or JSON that is no object.
    #[error("the body is not a JSON object")]
    NotAnObject(#[source] serde_json::Error),
    /// JSON of which not every reader could make the same: nested too deep, a number beyond all numbers, half a character.
    #[error("the body is JSON that not everybody can read")]
    Unreadable(#[source] serde_json::Error),
    /// A form of which not every reader could make the same: a repeated field, or bytes that are no text.
    #[error("the body is a form that not everybody can read")]
    UnreadableForm,
    /// It says more than once what happened, so that two readers could disagree.
    #[error("an update says once what happened")]
    RepeatedContent,
    /// A field on which identity or order hang stands there more than once, so that two readers could disagree.
    #[error("{name} stands there more than once")]
    Repeated {
        /// The field.
        name: &'static str,
        /// Where it is: a JSON pointer, empty for the whole body.
        pointer: &'static str,
    },
    /// A field without which this is no delivery is missing, or is something else.
    #[error("{name} must be {what}")]
    Field {
        /// The field.
        name: &'static str,
        /// Where it should be: a JSON pointer, empty for the whole body.
        pointer: &'static str,
        /// What it must be.
        what: &'static str,
    },
    /// A header is not what [`Provider::check_head`](crate::Provider::check_head) would have let through.
    #[error(transparent)]
    Head(#[from] Refusal),
}

impl ReadError {
    /// The place that it is about: a JSON pointer, empty for the whole body.
    pub fn pointer(&self) -> &'static str {
        match self {
            Self::Repeated { pointer, .. } | Self::Field { pointer, .. } => pointer,
            Self::NotAnObject(_)
            | Self::Unreadable(_)
            | Self::UnreadableForm
            | Self::RepeatedContent
            | Self::Head(_) => "",
        }
    }
}
