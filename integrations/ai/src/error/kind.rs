//! What can happen to a model call, as a closed list, and the answers that follow from it.

/// Who has to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Our configuration: key, quota, names of models, limits.
    Ours,
    /// The one who asks: too long, refused by the filter.
    Caller,
    /// The provider, or the way to it.
    Provider,
}

/// What happened, as a closed list: the `error_type` of spans and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelErrorKind {
    /// No model stands behind this name in the settings.
    UnknownAlias,
    /// The provider does not know the model, or this key may not use it.
    UnknownModel,
    /// The key was refused.
    Unauthorised,
    /// The account has no money or quota left; waiting does not help.
    QuotaExhausted,
    /// Too many calls at once from this process.
    Busy,
    /// The prompt exceeds our own limit or the model's.
    PromptTooLong,
    /// The provider refused the question itself.
    Filtered,
    /// The provider found the request malformed.
    Refused,
    /// Too fast for the provider.
    RateLimited,
    /// The provider failed or was overloaded (5xx).
    ServerError,
    /// No connection, or it broke before an answer began.
    Unreachable,
    /// Nothing came within the deadline for the first token.
    FirstTokenLate,
    /// The stream hung.
    NextTokenLate,
    /// The whole call took too long.
    TotalLate,
    /// The stream ended before the model did.
    Cut,
    /// What came is not what was asked for.
    Garbage,
    /// The answer exceeds our limits.
    ReplyTooLarge,
    /// The model finished without a word.
    Empty,
}

impl ModelErrorKind {
    /// The stable name in spans, metrics and rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownAlias => "unknown_alias",
            Self::UnknownModel => "unknown_model",
            Self::Unauthorised => "unauthorised",
            Self::QuotaExhausted => "quota_exhausted",
            Self::Busy => "busy",
            Self::PromptTooLong => "prompt_too_long",
            Self::Filtered => "filtered",
            Self::Refused => "refused",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::Unreachable => "unreachable",
            Self::FirstTokenLate => "first_token_late",
            Self::NextTokenLate => "next_token_late",
            Self::TotalLate => "total_late",
            Self::Cut => "cut",
            Self::Garbage => "garbage",
            Self::ReplyTooLarge => "reply_too_large",
            Self::Empty => "empty",
        }
    }

    /// Who has to change something before it can go better.
    pub fn whose_fault(self) -> Fault {
        match self {
            Self::UnknownAlias
            | Self::UnknownModel
            | Self::Unauthorised
            | Self::QuotaExhausted
            | Self::Busy => Fault::Ours,
            Self::PromptTooLong | Self::Filtered | Self::Refused => Fault::Caller,
            Self::RateLimited
            | Self::ServerError
            | Self::Unreachable
            | Self::FirstTokenLate
            | Self::NextTokenLate
            | Self::TotalLate
            | Self::Cut
            | Self::Garbage
            | Self::ReplyTooLarge
            | Self::Empty => Fault::Provider,
        }
    }

    /// Whether the same question may fare better later.
    pub fn may_be_retried(self) -> bool {
        match self {
            Self::Busy
            | Self::RateLimited
            | Self::ServerError
            | Self::Unreachable
            | Self::FirstTokenLate
            | Self::NextTokenLate
            | Self::TotalLate
            | Self::Cut
            | Self::Garbage
            | Self::Empty => true,
            Self::UnknownAlias
            | Self::UnknownModel
            | Self::Unauthorised
            | Self::QuotaExhausted
            | Self::PromptTooLong
            | Self::Filtered
            | Self::Refused
            | Self::ReplyTooLarge => false,
        }
    }

    /// Whether the next model under the same name may answer what this one did not.
    pub(crate) fn another_model_may_help(self) -> bool {
        matches!(
            self,
            Self::UnknownModel
                | Self::RateLimited
                | Self::ServerError
                | Self::FirstTokenLate
                | Self::Cut
                | Self::Garbage
                | Self::Empty
        )
    }

    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::UnknownAlias => "no model is configured under this name",
            Self::UnknownModel => "the provider does not know this model",
            Self::Unauthorised => "the provider refused the key",
            Self::QuotaExhausted => "the account's quota is used up",
            Self::Busy => "too many model calls at once",
            Self::PromptTooLong => "the question is too long",
            Self::Filtered => "the provider refused the question",
            Self::Refused => "the provider found the request malformed",
            Self::RateLimited => "the provider asks to slow down",
            Self::ServerError => "the provider failed",
            Self::Unreachable => "the provider cannot be reached",
            Self::FirstTokenLate => "no answer began in time",
            Self::NextTokenLate => "the answer stalled",
            Self::TotalLate => "the answer took too long",
            Self::Cut => "the answer was cut off",
            Self::Garbage => "the answer was not understood",
            Self::ReplyTooLarge => "the answer is too large",
            Self::Empty => "the answer was empty",
        }
    }
}
