//! Standard Webhooks: what many senders have agreed upon, so that each need not be known by name.
//!
//! It exists to check its symmetric scheme, `v1`, over id, time and body. The id is signed and stays the same when the sender
//! sends again, so it is the delivery's. Signatures with public keys (`v1a`) are passed over: no sender met so far needs them.
//! Source: standard-webhooks/standard-webhooks, `spec/standard-webhooks.md`.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName};
use sallyport_security::Secret;
use sallyport_security::signature::{MacHash, MacKey};

use crate::delivery::plain;
use crate::keys::MacKeys;
use crate::signing::head_of;
use crate::window::{Window, seconds_of};
use crate::{
    Arrival, CannotSign, Delivery, Head, Provider, ReadError, Refusal, UnfitKey, Urgency, encoding,
    fields, head,
};

/// The header that holds the id of the delivery.
pub const ID_HEADER: HeaderName = HeaderName::from_static("webhook-id");
/// The header that says when it was signed.
pub const TIMESTAMP_HEADER: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The header that holds the signatures, with a blank between them.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("webhook-signature");

/// The kind of the message that a delivery becomes.
pub const KIND: &str = "standard_webhooks.event";
/// Version of that message's payload: the body.
pub const KIND_VERSION: u16 = 1;

const SCHEME: &str = "v1,";
const SECRET_PREFIX: &str = "whsec_";

/// The deliveries of one endpoint.
#[derive(Debug)]
pub struct StandardWebhooks {
    keys: MacKeys,
    window: Window,
}

impl StandardWebhooks {
    /// Deliveries signed with one of `secrets` at most `window` ago.
    ///
    /// # Errors
    /// One of them is no such secret.
    pub fn new(secrets: &[Secret], window: Duration) -> Result<Self, UnfitKey> {
        let keys = secrets.iter().map(|secret| mac_key(secret.expose()));
        Ok(Self {
            keys: MacKeys::new(keys.collect::<Result<_, _>>()?),
            window: Window::new(window),
        })
    }
}

impl Provider for StandardWebhooks {
    fn name(&self) -> &'static str {
        "standard_webhooks"
    }

    fn check_head(&self, headers: &HeaderMap, now: SystemTime) -> Result<Head, Refusal> {
        id(headers)?;
        signatures(headers)?;
        let timestamp = head::text(headers, &TIMESTAMP_HEADER)?;
        self.window.check(&TIMESTAMP_HEADER, timestamp, now)?;
        Ok(Head::BodyDecides)
    }

    fn check_body(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        let timestamp = head::text(headers, &TIMESTAMP_HEADER)?;
        let parts = signed(id(headers)?, timestamp, body);
        self.keys
            .check(&SIGNATURE_HEADER, &signatures(headers)?, &parts)
    }

    fn read(&self, hook: &str, headers: &HeaderMap, body: &[u8]) -> Result<Arrival, ReadError> {
        let [data] = fields::of_body(body, ["/data"])?;
        // The standard leaves `data` to the sender; an id in it is the object's that something happened to.
        let [object] = fields::of(data, ["id"]);
        let source = format!("standard_webhooks:{hook}");
        let (key, urgency) = Urgency::InOrder.line(&source, fields::id(object).as_deref());
        Ok(Arrival::from(Delivery {
            delivery_id: Some(plain(id(headers)?)),
            kind: KIND,
            kind_version: KIND_VERSION,
            key,
            urgency,
            subject: None,
            what: "event",
            payload: None,
            source,
        }))
    }
}

/// An id with a dot could be split from the time behind it in two ways.
fn id(headers: &HeaderMap) -> Result<&str, Refusal> {
    let id = head::id(headers, &ID_HEADER)?;
    if id.contains('.') {
        return Err(Refusal::HeaderMalformed(ID_HEADER));
    }
    Ok(id)
}

/// All signatures of the scheme that is known here; there must be one.
fn signatures(headers: &HeaderMap) -> Result<Vec<Vec<u8>>, Refusal> {
    let listed = head::text(headers, &SIGNATURE_HEADER)?.split(' ');
    let ours = listed.filter_map(|signature| signature.strip_prefix(SCHEME));
    let decoded = ours
        .map(|text| encoding::from_base64(text).filter(|mac| mac.len() == MacHash::Sha256.bytes()));
    decoded
        .collect::<Option<Vec<_>>>()
        .filter(|signatures| !signatures.is_empty())
        .ok_or(Refusal::HeaderMalformed(SIGNATURE_HEADER))
}

fn signed<'a>(id: &'a str, timestamp: &'a str, body: &'a [u8]) -> [&'a [u8]; 5] {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body]
}

/// What a secret is.
pub(crate) const KEY: &str = "whsec_ and 24–64 bytes in base64";

/// Reads a secret; its prefix may be left out, as the standard's libraries allow.
pub(crate) fn mac_key(secret: &str) -> Result<MacKey, UnfitKey> {
    encoding::from_base64(secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret))
        .filter(|key| (24..=64).contains(&key.len()))
        .map(|key| MacKey::new(MacHash::Sha256, &key))
        .ok_or(UnfitKey(KEY))
}

/// The head with which a sender would send `body` now, as the delivery `id`.
///
/// # Errors
/// `secret` is none, or `id` cannot stand in a header.
pub fn sign(
    secret: &Secret,
    id: &str,
    body: &[u8],
    now: SystemTime,
) -> Result<HeaderMap, CannotSign> {
    let timestamp = seconds_of(now).to_string();
    let mac = mac_key(secret.expose())?.sign(&signed(id, &timestamp, body));
    let signature = format!("{SCHEME}{}", encoding::base64(mac.as_bytes()));
    head_of([
        (ID_HEADER, id),
        (TIMESTAMP_HEADER, &timestamp),
        (SIGNATURE_HEADER, &signature),
    ])
}

#[cfg(test)]
mod tests;
