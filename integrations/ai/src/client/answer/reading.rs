//! An answer that is being read: chunk by chunk, with a deadline for each and a limit on all.
//!
//! It exists apart from asking, because its rules begin where those of retrying end.

use std::time::Duration;

use async_openai::types::stream::StreamResponse;
use futures::StreamExt;
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::client::Inner;
use crate::client::transport::BrokenBody;
use crate::error::{ModelError, ModelErrorKind};
use crate::instruments::Attempt;
use crate::wire::{Chunk, FinishReason, Finished, Usage};

/// How long a finished answer waits for its bill, which some hosts never send.
const USAGE_WAIT: Duration = Duration::from_secs(2);

/// What the next chunk that matters brought.
pub(super) enum Piece {
    Text(String),
    End(FinishReason),
}

/// An answer that is being read.
pub(super) struct Reading {
    pub(super) chunks: Option<StreamResponse<Box<RawValue>>>,
    pub(super) broken: BrokenBody,
    attempt: Attempt,
    model: String,
    text_bytes: usize,
    text_bytes_max: usize,
    /// When the next sign of life must be there.
    pub(super) due: Instant,
    /// When the whole call must be over.
    deadline: Instant,
    next_token: Duration,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

impl Reading {
    pub(super) fn new(inner: &Inner, model: &str, attempt: Attempt, deadline: Instant) -> Self {
        Self {
            chunks: None,
            broken: BrokenBody::default(),
            attempt,
            model: model.to_owned(),
            text_bytes: 0,
            text_bytes_max: inner.settings.reply_bytes_max,
            due: deadline.min(Instant::now() + inner.settings.first_token()),
            deadline,
            next_token: inner.settings.next_token(),
            finish: None,
            usage: None,
            permit: None,
        }
    }

    pub(super) async fn first_text(&mut self) -> Result<String, ModelError> {
        match self.next().await? {
            Piece::Text(text) => Ok(text),
            Piece::End(FinishReason::Filtered) => Err(ModelError::new(ModelErrorKind::Filtered)),
            Piece::End(FinishReason::Stop | FinishReason::Length | FinishReason::Other) => {
                Err(ModelError::new(ModelErrorKind::Empty))
            }
        }
    }

    /// Reads up to the next text or the end. Chunks that carry neither do not extend the deadline.
    pub(super) async fn next(&mut self) -> Result<Piece, ModelError> {
        loop {
            let Some(chunk) = self.chunk().await? else {
                return self
                    .finish
                    .map(Piece::End)
                    .ok_or_else(|| self.broke(ModelErrorKind::Cut));
            };
            if let Some(text) = self.digest(chunk)? {
                return Ok(Piece::Text(text));
            }
        }
    }

    /// The next chunk; none once the stream is over, or once a finished answer has waited long enough for its bill.
    async fn chunk(&mut self) -> Result<Option<Chunk>, ModelError> {
        let Some(chunks) = self.chunks.as_mut() else {
            return Ok(None);
        };
        let raw = match timeout_at(self.due, chunks.next()).await {
            Ok(Some(Ok(raw))) => raw,
            Ok(None) => return Ok(None),
            // An answer that is whole stays whole, whatever happens to the connection behind it.
            Ok(Some(Err(_))) | Err(_) if self.finish.is_some() => return Ok(None),
            Ok(Some(Err(error))) => {
                let error = ModelError::from(error);
                return Err(self.broken.kind().map_or(error, ModelError::new));
            }
            Err(_) => return Err(self.late()),
        };
        match serde_json::from_str(raw.get()) {
            Ok(chunk) => Ok(Some(chunk)),
            Err(error) => Err(ModelError::caused(ModelErrorKind::Garbage, error)),
        }
    }

    /// Takes from a chunk what it brings, and returns its text.
    fn digest(&mut self, chunk: Chunk) -> Result<Option<String>, ModelError> {
        if let Some(refusal) = &chunk.error {
            return Err(ModelError::in_stream(refusal));
        }
        self.usage = chunk.usage.or(self.usage);
        let Some(mut choice) = chunk.choices.into_iter().next() else {
            return Ok(None);
        };
        let text = choice.text();
        if let Some(text) = &text {
            self.text_bytes = self.text_bytes.saturating_add(text.len());
            if self.text_bytes > self.text_bytes_max {
                return Err(ModelError::new(ModelErrorKind::ReplyTooLarge));
            }
            self.attempt.saw_text();
        }
        let now = Instant::now();
        if let Some(reason) = choice.finish_reason() {
            self.finish = Some(reason);
            self.due = self.deadline.min(now + USAGE_WAIT);
        } else if text.is_some() || choice.thinks() {
            self.due = self.deadline.min(now + self.next_token);
        }
        Ok(text)
    }

    pub(super) fn late(&self) -> ModelError {
        ModelError::new(if Instant::now() >= self.deadline {
            ModelErrorKind::TotalLate
        } else if self.text_bytes == 0 {
            ModelErrorKind::FirstTokenLate
        } else {
            ModelErrorKind::NextTokenLate
        })
    }

    fn broke(&self, otherwise: ModelErrorKind) -> ModelError {
        ModelError::new(self.broken.kind().unwrap_or(otherwise))
    }

    pub(super) fn conclude(&mut self, reason: FinishReason) -> Finished {
        self.attempt.succeeded(reason, self.usage);
        Finished {
            reason,
            usage: self.usage,
            model: self.model.clone(),
        }
    }

    pub(super) fn fail(&mut self, error: ModelError) -> ModelError {
        self.attempt.failed(&error, self.usage);
        error
    }
}
