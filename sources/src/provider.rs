//! How every provider is driven: head first, then the body's bytes, then their meaning.
//!
//! It exists so that the edge has one way to take a webhook, and so that a new provider cannot forget a step.

use std::fmt;
use std::time::SystemTime;

use http::HeaderMap;

use crate::{Arrival, ReadError, Refusal};

/// What a head alone has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Who sends: the secret itself stood in it.
    Proven,
    /// That it may be genuine: it is written as it should be and is fresh, and the body decides. Until it has,
    /// nothing may be charged to the sender that it claims to be.
    BodyDecides,
}

/// A provider that sends webhooks, with the keys of one hook.
pub trait Provider: Send + Sync + fmt::Debug {
    /// Its name in settings, keys and metrics, for example `github`.
    fn name(&self) -> &'static str;

    /// Media types in which its bodies come.
    fn media_types(&self) -> &'static [&'static str] {
        &["application/json"]
    }

    /// The status by which it understands that it should send again later. 429, but for providers that would drop the delivery.
    fn slow_down_status(&self) -> u16 {
        429
    }

    /// Judges what can be judged before the body has been read, without hashing anything but secrets that stand in the head.
    ///
    /// # Errors
    /// The step that failed.
    fn check_head(&self, headers: &HeaderMap, now: SystemTime) -> Result<Head, Refusal>;

    /// Judges the raw bytes of a body that is not empty, after [`Provider::check_head`]. Nothing is left to judge where the head has
    /// proved who sends.
    ///
    /// # Errors
    /// The step that failed.
    fn check_body(&self, _headers: &HeaderMap, _body: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }

    /// Judges the whole request, head included, on the raw bytes of its body.
    ///
    /// # Errors
    /// The step that failed.
    fn verify(&self, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Result<(), Refusal> {
        self.check_head(headers, now)?;
        if body.is_empty() {
            return Err(Refusal::BodyEmpty);
        }
        self.check_body(headers, body)
    }

    /// Reads what the queue must know about a request that has been verified and was sent to `hook`.
    ///
    /// # Errors
    /// When the body can be no delivery, or two readers could understand it differently.
    fn read(&self, hook: &str, headers: &HeaderMap, body: &[u8]) -> Result<Arrival, ReadError>;
}
