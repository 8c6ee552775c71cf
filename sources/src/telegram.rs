//! Telegram: updates, as a webhook brings them and as polling fetches them.
//!
//! It exists to turn an update's bytes into a [`Delivery`] while trusting as little of their shape as possible: Telegram
//! repeats what is refused, so only what cannot be an update at all is refused. The Bot API adds kinds of updates
//! several times a year; one that is new here gets the source's catch-all key and goes on to the workers.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName};
use sallyport_security::{Digest, Secret};

pub use crate::STOP_BUTTON;
use crate::signing::head_of;
use crate::{Arrival, CannotSign, Delivery, Head, Provider, ReadError, Refusal, Reply, head};

mod shape;

/// The header in which Telegram repeats the secret that was given to `setWebhook`.
pub const SECRET_HEADER: HeaderName = HeaderName::from_static("x-telegram-bot-api-secret-token");

/// The kind of the message that an update becomes.
pub const KIND: &str = "telegram.update";

/// Version of that message's payload: the update's own bytes.
pub const KIND_VERSION: u16 = 1;

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

/// Checks that a request carries one of the bot's secrets. Reads headers only and takes the same time for every wrong value
/// of one length.
///
/// # Errors
/// The step that failed.
pub fn verify(headers: &HeaderMap, keys: &Keys) -> Result<(), Refusal> {
    if Digest::of(head::one(headers, &SECRET_HEADER)?).is_one_of(&keys.0) {
        Ok(())
    } else {
        Err(Refusal::NoKeyMatched(SECRET_HEADER))
    }
}

/// Reads what the queue must know about an update sent to `bot`.
///
/// # Errors
/// When `body` is no JSON object with one integer `update_id`, or two readers could understand it differently.
pub fn read(bot: &str, body: &[u8]) -> Result<Delivery, ReadError> {
    let envelope = shape::envelope(body)?;
    let facts = envelope.facts();
    let source = format!("telegram:{bot}");
    let chat = facts.chat.map(|chat| chat.to_string());
    let (key, urgency) = facts.urgency().line(&source, chat.as_deref());
    Ok(Delivery {
        delivery_id: Some(envelope.update_id.to_string()),
        kind: KIND,
        kind_version: KIND_VERSION,
        key,
        urgency,
        subject: facts.person.map(|person| format!("telegram:{person}")),
        what: facts.what,
        payload: None,
        source,
    })
}

/// Telegram's webhook of one bot.
#[derive(Debug)]
pub struct Telegram(Keys);

impl Telegram {
    /// The webhook that carries one of `secrets`.
    pub fn new(secrets: &[Secret]) -> Self {
        Self(Keys::new(secrets))
    }
}

impl Provider for Telegram {
    fn name(&self) -> &'static str {
        "telegram"
    }

    fn check_head(&self, headers: &HeaderMap, _now: SystemTime) -> Result<Head, Refusal> {
        verify(headers, &self.0).map(|()| Head::Proven)
    }

    fn read(&self, hook: &str, _headers: &HeaderMap, body: &[u8]) -> Result<Arrival, ReadError> {
        Ok(Arrival::Delivery {
            delivery: read(hook, body)?,
            // Telegram takes a body for a method that it should call.
            reply: Some(Reply::json("{}")),
        })
    }
}

/// The head with which Telegram would send: the secret itself.
///
/// # Errors
/// When `secret` cannot stand in a header.
pub fn sign(secret: &Secret) -> Result<HeaderMap, CannotSign> {
    head_of([(SECRET_HEADER, secret.expose())])
}

/// What a key is: the rule of `setWebhook` for `secret_token`, with a floor under its length.
pub(crate) const KEY: &str = "16–256 of A–Z, a–z, 0–9, '-' and '_'";

/// Whether `secret` is such a key.
pub(crate) fn is_key(secret: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (16..=256).contains(&secret.len()) && secret.bytes().all(plain)
}

#[cfg(test)]
mod tests;
