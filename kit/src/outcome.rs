//! How handling a message ends: with an outcome, or with a failure that says whether trying again makes sense.
//!
//! Retries, back-off and dead letters belong to the queue; a handler only says what it knows.

use std::{error::Error, fmt, time::Duration};

use crate::ModelError;

/// How a message ends when nothing went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was handled.
    Done,
    /// Try again; it counts as an attempt. `after` is the shortest wait, the back-off may be longer.
    Retry {
        /// The shortest wait.
        after: Duration,
        /// Why, for the story.
        why: String,
    },
    /// Not yet: come back after this long, without counting an attempt.
    Snooze {
        /// How long.
        wait: Duration,
    },
    /// Ended on purpose, and not as a failure.
    Cancel {
        /// Why, for the story.
        why: String,
    },
    /// Nobody handles this kind.
    Ignored,
    /// It came too late to be run.
    Expired,
}

/// Why handling failed. `Display` is one sentence for the story, never shown to the person and free of their words.
#[derive(Debug)]
pub struct Failure {
    kind: &'static str,
    text: String,
    retry: RetryAdvice,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Whether trying again makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAdvice {
    /// Yes, with the queue's own back-off.
    Later,
    /// Yes, but not before this long.
    After(Duration),
    /// No: the same input fails the same way.
    Never,
}

impl Failure {
    /// A failure that may pass. `kind` groups failures and becomes a metric label: a few fixed words, such as `model_unavailable`.
    pub fn passing(kind: &'static str, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            retry: RetryAdvice::Later,
            source: None,
        }
    }

    /// A failure that trying again cannot help.
    pub fn lasting(kind: &'static str, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            retry: RetryAdvice::Never,
            source: None,
        }
    }

    /// The same failure, not to be tried again before `wait`.
    #[must_use]
    pub fn not_before(mut self, wait: Duration) -> Self {
        self.retry = RetryAdvice::After(wait);
        self
    }

    /// The same failure with its cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The group it belongs to.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whether trying again makes sense.
    #[must_use]
    pub fn retry(&self) -> RetryAdvice {
        self.retry
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_ref()
            .map(|source| source.as_ref() as &(dyn Error + 'static))
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::passing("database", "The app's tables could not be read or written").caused_by(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::lasting(
            "schema",
            "A stored value has another shape than this version expects",
        )
        .caused_by(error)
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        let failure = Self::passing("model", "The model did not answer");
        match error.retry_after() {
            Some(wait) => failure.not_before(wait).caused_by(error),
            None => failure.caused_by(error),
        }
    }
}
