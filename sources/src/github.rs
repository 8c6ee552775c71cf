//! GitHub: webhooks of repositories, organisations and Apps.
//!
//! It exists because GitHub signs the body alone: which event it is, and the id of the delivery, stand in the head and are vouched for
//! by TLS only. So the event's name goes with the body into what is stored, and whoever acts on an event looks into the body, too.
//! There is no timestamp: a replay is told by its delivery id, which a redelivery keeps. GitHub does not send again by itself what was refused.
//! Source: docs.github.com, "Validating webhook deliveries" and "Webhook events and payloads".

use std::time::SystemTime;

use http::{HeaderMap, HeaderName};
use sallyport_security::Secret;
use sallyport_security::signature::MacHash;
use serde_json::value::RawValue;

use crate::keys::{MacKeys, prefixed_sha256};
use crate::signing::{head_of, hex_sha256};
use crate::{
    Arrival, CannotSign, Delivery, Head, Provider, ReadError, Refusal, Urgency, fields, head,
};

mod events;

/// The header that holds the signature. The one with SHA-1, `X-Hub-Signature`, is not looked at.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("x-hub-signature-256");
/// The header that names the event.
pub const EVENT_HEADER: HeaderName = HeaderName::from_static("x-github-event");
/// The header that holds the id of the delivery.
pub const DELIVERY_HEADER: HeaderName = HeaderName::from_static("x-github-delivery");

/// The kind of the message that an event becomes.
pub const KIND: &str = "github.event";

/// Version of that message's payload: `{"event":…,"payload":…}`, the name from the head and the body as it came.
pub const KIND_VERSION: u16 = 1;

const PREFIX: &str = "sha256=";
/// The longest name of an event; today's are half as long.
const EVENT_BYTES_MAX: usize = 64;

/// GitHub's webhooks under one set of secrets.
#[derive(Debug)]
pub struct GitHub(MacKeys);

impl GitHub {
    /// Webhooks signed with one of `secrets`.
    pub fn new(secrets: &[Secret]) -> Self {
        Self(MacKeys::of_text(MacHash::Sha256, secrets))
    }
}

impl Provider for GitHub {
    fn name(&self) -> &'static str {
        "github"
    }

    fn check_head(&self, headers: &HeaderMap, _now: SystemTime) -> Result<Head, Refusal> {
        signature(headers)?;
        event(headers)?;
        head::id(headers, &DELIVERY_HEADER)?;
        Ok(Head::BodyDecides)
    }

    fn check_body(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        self.0
            .check(&SIGNATURE_HEADER, &[signature(headers)?], &[body])
    }

    fn read(&self, hook: &str, headers: &HeaderMap, body: &[u8]) -> Result<Arrival, ReadError> {
        let event = event(headers)?;
        let delivery_id = head::id(headers, &DELIVERY_HEADER)?;
        let places = fields::of_body(body, PLACES.map(|(pointer, _name)| pointer))?;
        let source = format!("github:{hook}");
        let (key, urgency) = Urgency::InOrder.line(&source, place(places).as_deref());
        Ok(Arrival::from(Delivery {
            delivery_id: Some(delivery_id.to_owned()),
            kind: KIND,
            kind_version: KIND_VERSION,
            key,
            urgency,
            subject: None,
            what: events::known(event),
            payload: Some(payload(event, body)),
            source,
        }))
    }
}

/// What an event may belong to, the narrowest first: the top-level field, and how a key calls it. Numbers do not change when names do.
const PLACES: [(&str, &str); 4] = [
    ("/repository", "repository"),
    ("/organization", "organization"),
    ("/installation", "installation"),
    ("/enterprise", "enterprise"),
];

fn place(values: [Option<&RawValue>; PLACES.len()]) -> Option<String> {
    let mut named = PLACES.iter().zip(values);
    named.find_map(|((_pointer, name), value)| {
        let [id] = fields::of(value, ["id"]);
        let id = fields::integer(id)?;
        Some(format!("{name}:{id}"))
    })
}

fn signature(headers: &HeaderMap) -> Result<Vec<u8>, Refusal> {
    prefixed_sha256(head::text(headers, &SIGNATURE_HEADER)?, PREFIX)
        .ok_or(Refusal::HeaderMalformed(SIGNATURE_HEADER))
}

/// The event's name. It is made of letters that need no escaping anywhere, which is what [`payload`] relies on.
fn event(headers: &HeaderMap) -> Result<&str, Refusal> {
    let name = head::text(headers, &EVENT_HEADER)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.len() > EVENT_BYTES_MAX || !name.bytes().all(plain) {
        return Err(Refusal::HeaderMalformed(EVENT_HEADER));
    }
    Ok(name)
}

/// The body with the event's name beside it. The body is one JSON value, or nothing would have been read from it.
fn payload(event: &str, body: &[u8]) -> Vec<u8> {
    let mut payload = format!(r#"{{"event":"{event}","payload":"#).into_bytes();
    payload.extend_from_slice(body);
    payload.push(b'}');
    payload
}

/// The head with which GitHub would send `body` as the delivery `id` of `event`.
///
/// # Errors
/// When `event` or `id` cannot stand in a header.
pub fn sign(secret: &Secret, event: &str, id: &str, body: &[u8]) -> Result<HeaderMap, CannotSign> {
    let signature = format!("{PREFIX}{}", hex_sha256(secret, &[body]));
    head_of([
        (SIGNATURE_HEADER, &signature),
        (EVENT_HEADER, event),
        (DELIVERY_HEADER, id),
    ])
}

#[cfg(test)]
mod tests;
