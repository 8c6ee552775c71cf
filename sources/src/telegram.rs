//! Telegram: updates, as a webhook brings them and as polling fetches them.
//!
//! It exists to turn an update's bytes into a [`Delivery`] while trusting as little of their shape as possible: Telegram
//! repeats what is refused, so only what cannot be an update at all is refused. The Bot API adds kinds of updates
//! several times a year; one that is new here gets the source's catch-all key and goes on to the workers.

use http::{HeaderMap, HeaderName};
use sallyport_security::{Digest, Secret};

use crate::{Delivery, Urgency};

mod shape;
mod strict;

/// The header in which Telegram repeats the secret that was given to `setWebhook`.
pub const SECRET_HEADER: HeaderName = HeaderName::from_static("x-telegram-bot-api-secret-token");

/// The kind of the message that an update becomes.
pub const KIND: &str = "telegram.update";

/// Version of that message's payload: the update's own bytes.
pub const KIND_VERSION: u16 = 1;

/// Start of the callback data of buttons that stop something. They overtake their chat (law L10).
pub const STOP_BUTTON: &str = "stop";

/// The secrets that a bot's webhook may carry, fingerprinted once. Several at a time, so that one can be rotated
/// without a moment in which Telegram's requests are refused.
#[derive(Clone, Debug)]
pub struct Keys(Vec<Digest>);

impl Keys {
    /// Takes the fingerprints of `secrets`; empty ones are no secrets and are left out.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let fingerprints = secrets
            .into_iter()
            .filter(|secret| !secret.is_empty())
            .map(|secret| Digest::of(secret.expose().as_bytes()))
            .collect();
        Self(fingerprints)
    }

    /// Whether there is no key, so that nothing can be verified.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Why a request is not Telegram's. Says which step failed and never what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no secret header.
    #[error("the header X-Telegram-Bot-Api-Secret-Token is missing")]
    HeaderMissing,
    /// There are several: whichever is meant, it is not Telegram who sends two.
    #[error("the header X-Telegram-Bot-Api-Secret-Token stands there more than once")]
    HeaderRepeated,
    /// It is none of the bot's secrets.
    #[error("no key matched the header X-Telegram-Bot-Api-Secret-Token")]
    NoKeyMatched,
}

/// Checks that a request carries one of the bot's secrets. Reads headers only and takes the same time for every wrong value
/// of one length.
///
/// # Errors
/// The step that failed.
pub fn verify(headers: &HeaderMap, keys: &Keys) -> Result<(), Refusal> {
    let mut values = headers.get_all(SECRET_HEADER).iter();
    let value = values.next().ok_or(Refusal::HeaderMissing)?;
    if values.next().is_some() {
        return Err(Refusal::HeaderRepeated);
    }
    let candidate = Digest::of(value.as_bytes());
    // Every key is compared, so that the time does not tell which one is current.
    let matched = keys
        .0
        .iter()
        .fold(false, |matched, key| key.equals(&candidate) | matched);
    if matched {
        Ok(())
    } else {
        Err(Refusal::NoKeyMatched)
    }
}

/// Why bytes are not an update at all. Everything else is stored.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or JSON that is no object.
    #[error("the body is not a JSON object")]
    NotAnObject(#[source] serde_json::Error),
    /// JSON of which not every reader could make the same: nested too deep, a number beyond all numbers, half a character.
    #[error("the body is JSON that not everybody can read")]
    Unreadable(#[source] serde_json::Error),
    /// It says more than once what happened, so that two readers could disagree.
    #[error("an update says once what happened")]
    RepeatedContent,
    /// `update_id` is missing or is no integer.
    #[error("update_id must be an integer")]
    NoUpdateId,
    /// `update_id` stands there more than once, so that two readers could disagree on which delivery this is.
    #[error("update_id stands there more than once")]
    RepeatedUpdateId,
}

/// Reads what the queue must know about an update sent to `bot`.
///
/// # Errors
/// When `body` is no JSON object with one integer `update_id`, or two readers could understand it differently.
pub fn read(bot: &str, body: &[u8]) -> Result<Delivery, ReadError> {
    let envelope = shape::envelope(body)?;
    let facts = envelope.facts();
    let urgency = facts.urgency();
    let source = format!("telegram:{bot}");
    let line = match urgency {
        Urgency::InOrder => "in",
        Urgency::Now => "now",
    };
    let key = match facts.chat {
        Some(chat) => format!("{line}:{source}:{chat}"),
        None => format!("in:{source}:unknown"),
    };
    Ok(Delivery {
        delivery_id: envelope.update_id.to_string(),
        kind: KIND,
        kind_version: KIND_VERSION,
        key,
        urgency: if facts.chat.is_some() {
            urgency
        } else {
            Urgency::InOrder
        },
        subject: facts.person.map(|person| format!("telegram:{person}")),
        what: facts.what,
        source,
    })
}

#[cfg(test)]
mod tests;
