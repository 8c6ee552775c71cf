//! Stripe, and those who sign as Stripe does: one header that holds a time and the signatures over it and the body.
//!
//! It exists because that header is a little language of its own. While a secret is rotated Stripe signs with both, so several
//! signatures are in order; signatures of other schemes than `v1` are passed over, as Stripe asks. The event's own `id` is
//! signed and stays the same when Stripe sends again.
//! Source: docs.stripe.com, "Verify webhook signatures manually" and "The Event object".

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName};
use sallyport_security::Secret;
use sallyport_security::signature::MacHash;

use crate::keys::{MacKeys, prefixed_sha256};
use crate::signing::{head_of, hex_sha256};
use crate::window::{Window, seconds_of};
use crate::{
    Arrival, CannotSign, Delivery, Head, Provider, ReadError, Refusal, Urgency, fields, head,
};

/// The header that Stripe uses; others who sign alike call it differently.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("stripe-signature");

/// The kind of the message that an event becomes.
pub const KIND: &str = "stripe.event";
/// Version of that message's payload: the body.
pub const KIND_VERSION: u16 = 1;

/// What stands before the first dot of the type of an event that bots commonly hear of.
const FAMILIES: [&str; 12] = [
    "account",
    "charge",
    "checkout",
    "customer",
    "invoice",
    "payment_intent",
    "payment_method",
    "payout",
    "price",
    "product",
    "refund",
    "setup_intent",
];

/// The events of one endpoint.
#[derive(Debug)]
pub struct Stripe {
    keys: MacKeys,
    header: HeaderName,
    window: Window,
}

impl Stripe {
    /// Events signed in `header` with one of `secrets`, whose whole text is the key, at most `window` ago.
    pub fn new(secrets: &[Secret], header: HeaderName, window: Duration) -> Self {
        Self {
            keys: MacKeys::of_text(MacHash::Sha256, secrets),
            header,
            window: Window::new(window),
        }
    }

    fn signed_head<'h>(&self, headers: &'h HeaderMap) -> Result<SignedHead<'h>, Refusal> {
        SignedHead::new(head::text(headers, &self.header)?)
            .ok_or_else(|| Refusal::HeaderMalformed(self.header.clone()))
    }
}

impl Provider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn check_head(&self, headers: &HeaderMap, now: SystemTime) -> Result<Head, Refusal> {
        let signed = self.signed_head(headers)?;
        self.window.check(&self.header, signed.timestamp, now)?;
        Ok(Head::BodyDecides)
    }

    fn check_body(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        let signed = self.signed_head(headers)?;
        let parts: [&[u8]; 3] = [signed.timestamp.as_bytes(), b".", body];
        self.keys.check(&self.header, &signed.signatures, &parts)
    }

    fn read(&self, hook: &str, _headers: &HeaderMap, body: &[u8]) -> Result<Arrival, ReadError> {
        let [id, kind, data] = fields::of_body(body, ["/id", "/type", "/data"])?;
        let delivery_id = fields::id(id).ok_or(ReadError::Field {
            name: "id",
            pointer: "/id",
            what: "a string",
        })?;
        let [object] = fields::of(data, ["object"]);
        let [object] = fields::of(object, ["id"]);
        let kind = fields::text(kind).unwrap_or_default();
        let source = format!("stripe:{hook}");
        let (key, urgency) = Urgency::InOrder.line(&source, fields::id(object).as_deref());
        Ok(Arrival::from(Delivery {
            delivery_id: Some(delivery_id),
            kind: KIND,
            kind_version: KIND_VERSION,
            key,
            urgency,
            subject: None,
            what: family(&kind),
            payload: None,
            source,
        }))
    }
}

fn family(kind: &str) -> &'static str {
    let first = kind.split('.').next().unwrap_or_default();
    let family = FAMILIES.iter().find(|family| **family == first);
    family.copied().unwrap_or("other")
}

/// `t=1492774577,v1=5257a8…,v0=6ffbb5…`
struct SignedHead<'h> {
    timestamp: &'h str,
    signatures: Vec<Vec<u8>>,
}

impl<'h> SignedHead<'h> {
    /// There must be one time, and signatures of which each can be read.
    fn new(text: &'h str) -> Option<Self> {
        let mut timestamp = None;
        let mut signatures = Vec::new();
        for element in text.split(',') {
            let (scheme, value) = element.split_once('=')?;
            match scheme {
                "t" if timestamp.replace(value).is_some() => return None,
                "v1" => signatures.push(prefixed_sha256(value, "")?),
                _ => {}
            }
        }
        let timestamp = timestamp.filter(|_time| !signatures.is_empty())?;
        Some(Self {
            timestamp,
            signatures,
        })
    }
}

/// The head with which Stripe would send `body` now; `header` is [`SIGNATURE_HEADER`] for Stripe itself.
///
/// # Errors
/// Never in practice: what is made here can stand in a header.
pub fn sign(
    secret: &Secret,
    header: HeaderName,
    body: &[u8],
    now: SystemTime,
) -> Result<HeaderMap, CannotSign> {
    let timestamp = seconds_of(now).to_string();
    let mac = hex_sha256(secret, &[timestamp.as_bytes(), b".", body]);
    head_of([(header, &format!("t={timestamp},v1={mac}"))])
}

#[cfg(test)]
mod tests;
