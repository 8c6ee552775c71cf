//! What an app asks a language model, and how that can fail.
//!
//! Which model answers, with which key, deadlines and retries, is the business of the services behind it.

use std::time::Duration;

use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

/// A question to a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Which kind of model.
    pub model: ModelClass,
    /// Who the model is to be, and how it is to answer.
    pub instructions: String,
    /// What was said before, oldest first.
    pub turns: Vec<Turn>,
    /// The question.
    pub question: String,
}

/// Kinds of models; the configuration names the model behind each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelClass {
    /// Answers at once.
    Fast,
    /// Thinks longer.
    Smart,
}

impl ModelClass {
    /// The alias in the configuration: `fast` or `smart`.
    #[must_use]
    pub fn alias(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Smart => "smart",
        }
    }
}

/// One thing said in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who said it.
    pub speaker: Speaker,
    /// What was said.
    pub text: String,
}

/// Who said something to, or as, the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The person.
    Person,
    /// The model.
    Model,
}

/// The answer as it arrives, piece by piece. It ends without an item when the answer is whole; an error is its last item.
pub type ModelStream = BoxStream<'static, Result<String, ModelError>>;

/// Why a model did not answer, or stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// No model is configured. Asking again cannot help.
    #[error("no model is configured")]
    NotConfigured,
    /// Every model that could answer is busy or down.
    #[error("no model answered")]
    Unavailable {
        /// When asking again makes sense, if the provider said so.
        retry_after: Option<Duration>,
    },
    /// The provider refused this question; asking the same again cannot help.
    #[error("the model refused the question")]
    Refused,
    /// The answer broke off after its beginning.
    #[error("the answer broke off")]
    CutOff,
}

impl ModelError {
    /// Whether asking the same again may help.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::CutOff => true,
            Self::NotConfigured | Self::Refused => false,
        }
    }

    /// The provider's word on when to ask again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after } => *retry_after,
            Self::NotConfigured | Self::Refused | Self::CutOff => None,
        }
    }
}
