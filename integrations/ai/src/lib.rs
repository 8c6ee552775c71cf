//! OpenAI-compatible models, as we call them: one question in, a stream of text out.
//!
//! It exists so that deadlines, retries, limits, spans and metrics of a model call are decided in one place, and so
//! that nothing a provider sends can hang a worker, fill its memory or find its way into a log. Any server that
//! speaks `POST {base}/chat/completions` with server-sent events will do.
//!
//! What it refuses to know: which bot asks and why, what a conversation is (callers hand in the turns), how a text
//! is shown, and the queue. It records neither question nor answer.
//!
//! The floor plan is that of every integration: [`client`] calls, [`wire`] says what goes in and comes out,
//! [`error`] says whose fault it was and whether to try again.

pub mod client;
pub mod error;
pub mod settings;
pub mod wire;

mod instruments;

pub use client::{Answer, ModelClient, Models, Probe};
pub use error::{Fault, ModelError, ModelErrorKind, SetupError};
pub use settings::Settings;
pub use wire::{Delta, FinishReason, Finished, Prompt, Role, Turn, Usage};
