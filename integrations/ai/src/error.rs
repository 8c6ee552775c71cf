//! What can go wrong with a model, whose fault it is, and whether to try again.
//!
//! It exists so that callers act on an answer to these questions and never on a text. A provider's own message is
//! not carried: it may quote the question or the key. Its `type`, `code` and `param` are, cleaned and cut.

mod kind;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use async_openai::error::OpenAIError;

pub use self::kind::{Fault, ModelErrorKind};
use crate::wire::Refusal;

/// Longest word of a provider that is repeated in an error.
const WORD_CHARS_MAX: usize = 64;

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The key has characters that no HTTP header can carry.
    #[error("the model key has characters that cannot be sent in a header")]
    Key,
    /// The HTTP client did not start, for example without trust roots.
    #[error("the HTTP client for models could not be made")]
    Http(#[source] reqwest::Error),
}

/// A model call that failed.
#[derive(Debug)]
pub struct ModelError {
    kind: ModelErrorKind,
    status: Option<u16>,
    retry_after: Option<Duration>,
    said: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ModelError {
    pub(crate) fn new(kind: ModelErrorKind) -> Self {
        Self {
            kind,
            status: None,
            retry_after: None,
            said: None,
            source: None,
        }
    }

    pub(crate) fn caused(
        kind: ModelErrorKind,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            source: Some(source.into()),
            ..Self::new(kind)
        }
    }

    /// The error behind an answer that is no success.
    pub(crate) fn answered(status: u16, refusal: &Refusal, retry_after: Option<Duration>) -> Self {
        let kind = kind_of(status, refusal);
        Self {
            status: Some(status),
            retry_after,
            said: said(refusal),
            ..Self::new(kind)
        }
    }

    /// The error behind an `error` object that arrives instead of a chunk.
    pub(crate) fn in_stream(refusal: &Refusal) -> Self {
        let kind = match kind_of(500, refusal) {
            ModelErrorKind::Refused => ModelErrorKind::ServerError,
            kind => kind,
        };
        Self {
            said: said(refusal),
            ..Self::new(kind)
        }
    }

    /// What happened.
    pub fn kind(&self) -> ModelErrorKind {
        self.kind
    }

    /// Who has to change something.
    pub fn whose_fault(&self) -> Fault {
        self.kind.whose_fault()
    }

    /// Whether the same question may fare better later.
    pub fn may_be_retried(&self) -> bool {
        self.kind.may_be_retried()
    }

    /// How long the provider asks to wait; never longer than an hour.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The HTTP status, where there was one.
    pub fn status(&self) -> Option<u16> {
        self.status
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.sentence())?;
        if let Some(status) = self.status {
            write!(f, " (HTTP {status})")?;
        }
        if let Some(said) = &self.said {
            write!(f, " [{said}]")?;
        }
        Ok(())
    }
}

impl StdError for ModelError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

/// The library's error in our words. Its texts stay behind: some quote what the provider sent.
impl From<OpenAIError> for ModelError {
    fn from(error: OpenAIError) -> Self {
        match error {
            OpenAIError::Boxed(error) => match error.downcast::<ModelError>() {
                Ok(ours) => *ours,
                Err(other) => Self::caused(ModelErrorKind::Unreachable, other),
            },
            OpenAIError::Reqwest(error) => {
                Self::caused(ModelErrorKind::Unreachable, error.without_url())
            }
            OpenAIError::ApiError(answer) => {
                Self::answered(answer.status_code.as_u16(), &Refusal::default(), None)
            }
            OpenAIError::StreamError(_) => Self::new(ModelErrorKind::Cut),
            OpenAIError::InvalidArgument(_) => Self::new(ModelErrorKind::Refused),
            OpenAIError::JSONDeserialize(..)
            | OpenAIError::FileSaveError(_)
            | OpenAIError::FileReadError(_) => Self::new(ModelErrorKind::Garbage),
        }
    }
}

impl From<ModelError> for OpenAIError {
    fn from(error: ModelError) -> Self {
        Self::Boxed(Box::new(error))
    }
}

/// One table from status and code to kind. A code is believed before its status, since some hosts answer everything
/// with 400 and `insufficient_quota` shares 429 with being too fast.
fn kind_of(status: u16, refusal: &Refusal) -> ModelErrorKind {
    let word = |value: &Option<serde_json::Value>| {
        value.as_ref().and_then(|v| v.as_str()).map(str::to_owned)
    };
    let words = [word(&refusal.code), word(&refusal.r#type)];
    for word in words.iter().flatten() {
        match word.as_str() {
            "insufficient_quota" | "billing_hard_limit_reached" => {
                return ModelErrorKind::QuotaExhausted;
            }
            "context_length_exceeded" | "string_above_max_length" => {
                return ModelErrorKind::PromptTooLong;
            }
            "content_filter" | "content_policy_violation" => return ModelErrorKind::Filtered,
            "model_not_found" => return ModelErrorKind::UnknownModel,
            "rate_limit_exceeded" => return ModelErrorKind::RateLimited,
            "invalid_api_key" => return ModelErrorKind::Unauthorised,
            _ => {}
        }
    }
    match status {
        401 | 403 => ModelErrorKind::Unauthorised,
        402 => ModelErrorKind::QuotaExhausted,
        404 => ModelErrorKind::UnknownModel,
        408 | 425 => ModelErrorKind::ServerError,
        413 => ModelErrorKind::PromptTooLong,
        429 => ModelErrorKind::RateLimited,
        400..=499 => ModelErrorKind::Refused,
        500..=599 => ModelErrorKind::ServerError,
        _ => ModelErrorKind::Garbage,
    }
}

/// The provider's `type`, `code` and `param`, reduced to what an identifier may hold.
fn said(refusal: &Refusal) -> Option<String> {
    let words: Vec<String> = [&refusal.r#type, &refusal.code, &refusal.param]
        .into_iter()
        .flatten()
        .filter_map(|value| value.as_str())
        .map(|word| {
            word.chars()
                .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
                .take(WORD_CHARS_MAX)
                .collect::<String>()
        })
        .filter(|word| !word.is_empty())
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests;
