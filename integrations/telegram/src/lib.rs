//! The Telegram Bot API, as we call it: a client, what its refusals mean, and text that Telegram accepts.
//!
//! It exists so that nobody else writes a Telegram URL, guesses at an error text or counts UTF-16 units. It knows no
//! queue, no person and no command: when to send, how often and what to remember is for the workers. The bot's token
//! is part of every URL, so no URL ever leaves this crate: not in an error, not in a span, not in a log line.

mod settings;

mod client;
mod error;
mod format;
mod split;

pub mod wire;

pub use client::{BotApi, InvalidToken, NewText, TextEdit};
pub use error::{CallError, Fault, Refusal};
pub use format::{Formatted, format_complete, format_growing, plain};
pub use settings::Settings;
pub use split::{CAPTION_UNITS_MAX, TEXT_UNITS_MAX, split, units};
