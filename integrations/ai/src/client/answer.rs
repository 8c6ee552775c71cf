//! One question and its answer: tries with their deadlines until the first text, then the text to its end.
//!
//! It exists as a stream, because a person should read the first sentence while the model writes the second. Once a
//! text has been handed out, nothing is tried again: the caller has shown it already.

mod reading;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_openai::Client;
use async_openai::config::Config;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use self::reading::{Piece, Reading};
use super::Inner;
use super::transport::Transport;
use crate::error::{ModelError, ModelErrorKind};
use crate::wire::{Delta, Prompt};

/// The answer to one prompt, as it is being written.
#[must_use = "an answer does nothing unless it is polled"]
pub struct Answer(BoxStream<'static, Result<Delta, ModelError>>);

impl Answer {
    pub(super) fn begin(inner: Arc<Inner>, prompt: Prompt) -> Self {
        let call = Call { inner, prompt };
        let steps = stream::unfold(
            Stage::Asking(call),
            |stage| async move { stage.step().await },
        );
        Self(steps.boxed())
    }
}

impl Stream for Answer {
    type Item = Result<Delta, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

/// Where a call stands between two items of its stream.
enum Stage {
    Asking(Call),
    Reading(Box<Reading>),
    Over,
}

impl Stage {
    async fn step(self) -> Option<(Result<Delta, ModelError>, Self)> {
        match self {
            Self::Asking(call) => Some(match call.ask().await {
                Ok((text, reading)) => (Ok(Delta::Text(text)), Self::Reading(reading)),
                Err(error) => (Err(error), Self::Over),
            }),
            Self::Reading(mut reading) => Some(match reading.next().await {
                Ok(Piece::Text(text)) => (Ok(Delta::Text(text)), Self::Reading(reading)),
                Ok(Piece::End(reason)) => {
                    (Ok(Delta::Finished(reading.conclude(reason))), Self::Over)
                }
                Err(error) => (Err(reading.fail(error)), Self::Over),
            }),
            Self::Over => None,
        }
    }
}

/// A call before its first text.
struct Call {
    inner: Arc<Inner>,
    prompt: Prompt,
}

impl Call {
    /// Tries until a first text is there, or until trying is no use.
    async fn ask(self) -> Result<(String, Box<Reading>), ModelError> {
        let settings = &self.inner.settings;
        if self.prompt.bytes() > settings.prompt_bytes_max {
            return Err(ModelError::new(ModelErrorKind::PromptTooLong));
        }
        let models = settings
            .aliases
            .get(&self.prompt.alias)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mut models = models.iter();
        let mut model = models
            .next()
            .ok_or_else(|| ModelError::new(ModelErrorKind::UnknownAlias))?;
        let deadline = Instant::now() + settings.total();
        let permit = self.slot(deadline).await?;
        self.inner.budget.earn();

        let mut attempts = 0;
        loop {
            let error = match self.attempt(model, attempts, deadline).await {
                Ok((text, mut reading)) => {
                    reading.permit = Some(permit);
                    return Ok((text, reading));
                }
                Err(error) => error,
            };
            attempts += 1;
            if attempts < settings.attempts_max
                && error.kind().another_model_may_help()
                && let Some(next) = models.next()
            {
                model = next;
                continue;
            }
            self.pause(attempts, error, deadline).await?;
        }
    }

    async fn slot(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, ModelError> {
        let patience = deadline.min(Instant::now() + self.inner.settings.first_token());
        match timeout_at(patience, Arc::clone(&self.inner.slots).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(ModelError::new(ModelErrorKind::Busy)),
        }
    }

    /// Waits before the next try, or gives the error back when there is to be none.
    async fn pause(
        &self,
        attempts: u32,
        error: ModelError,
        deadline: Instant,
    ) -> Result<(), ModelError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(wait) = self
            .inner
            .policy
            .wait(&error, attempts, left, &mut rand::rng())
        else {
            return Err(error);
        };
        if !self.inner.budget.spend() {
            return Err(error);
        }
        tracing::debug!(
            name: "model.retried",
            {
                error.r#type = error.kind().as_str(),
                attempt = attempts,
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
            },
            "Model call is tried again"
        );
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// One try: ask, and read up to the first text.
    async fn attempt(
        &self,
        model: &str,
        resent: u32,
        deadline: Instant,
    ) -> Result<(String, Box<Reading>), ModelError> {
        let attempt = self
            .inner
            .instruments
            .attempt(&self.prompt.alias, model, resent);
        let mut reading = Box::new(Reading::new(&self.inner, model, attempt, deadline));
        let started = match self.open(model, &mut reading).await {
            Ok(()) => reading.first_text().await,
            Err(error) => Err(error),
        };
        match started {
            Ok(text) => Ok((text, reading)),
            Err(error) => Err(reading.fail(error)),
        }
    }

    /// Sends the question; the answer's head must be there within the deadline for the first token.
    async fn open(&self, model: &str, reading: &mut Reading) -> Result<(), ModelError> {
        let settings = &self.inner.settings;
        let transport = Transport {
            http: self.inner.http.clone(),
            stream_bytes_max: settings.stream_bytes_max,
            broken: reading.broken.clone(),
        };
        let endpoint: Arc<dyn Config> = Arc::clone(&self.inner.endpoint) as Arc<dyn Config>;
        let client = Client::build(self.inner.http.clone(), endpoint).with_http_service(transport);
        let request = self.prompt.request(model, settings.reply_tokens_max);
        let chat = client.chat();
        let opening = chat.create_stream_byot::<_, Box<RawValue>>(request);
        reading.chunks = Some(match timeout_at(reading.due, opening).await {
            Ok(opened) => opened?,
            Err(_) => return Err(reading.late()),
        });
        Ok(())
    }
}
