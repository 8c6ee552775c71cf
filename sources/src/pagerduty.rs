//! PagerDuty: V3 webhooks of one subscription.
//!
//! It exists to check the signatures over the body, of which there are two while a secret is rotated. There is no timestamp: what tells a
//! replay is the event's own id, which is signed, and which stays the same when PagerDuty sends again. Events of one incident
//! stay in order. PagerDuty waits 5 s, sends again after a 429 or 5xx, and never after another 4xx.
//! Source: PagerDuty/developer-docs, `docs/webhooks`.

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

/// The header that holds the signatures, with commas between them.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("x-pagerduty-signature");

/// The kind of the message that an event becomes.
pub const KIND: &str = "pagerduty.event";
/// Version of that message's payload: the body.
pub const KIND_VERSION: u16 = 1;

const PREFIX: &str = "v1=";

/// Types of events.
const EVENTS: [&str; 23] = [
    "incident.acknowledged",
    "incident.action_invocation.created",
    "incident.action_invocation.terminated",
    "incident.action_invocation.updated",
    "incident.annotated",
    "incident.conference_bridge.updated",
    "incident.custom_field_values.updated",
    "incident.delegated",
    "incident.escalated",
    "incident.incident_type.changed",
    "incident.priority_updated",
    "incident.reassigned",
    "incident.reopened",
    "incident.resolved",
    "incident.responder.added",
    "incident.responder.replied",
    "incident.status_update_published",
    "incident.triggered",
    "incident.unacknowledged",
    "pagey.ping",
    "service.created",
    "service.deleted",
    "service.updated",
];

/// The webhooks of one subscription.
#[derive(Debug)]
pub struct PagerDuty(MacKeys);

impl PagerDuty {
    /// Webhooks signed with one of `secrets`.
    pub fn new(secrets: &[Secret]) -> Self {
        Self(MacKeys::of_text(MacHash::Sha256, secrets))
    }
}

impl Provider for PagerDuty {
    fn name(&self) -> &'static str {
        "pagerduty"
    }

    fn check_head(&self, headers: &HeaderMap, _now: SystemTime) -> Result<Head, Refusal> {
        signatures(headers)?;
        Ok(Head::BodyDecides)
    }

    fn check_body(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        self.0
            .check(&SIGNATURE_HEADER, &signatures(headers)?, &[body])
    }

    fn read(&self, hook: &str, _headers: &HeaderMap, body: &[u8]) -> Result<Arrival, ReadError> {
        let [event] = fields::of_body(body, ["/event"])?;
        let [id, kind, resource, data] =
            fields::of(event, ["id", "event_type", "resource_type", "data"]);
        let delivery_id = fields::id(id).ok_or(ReadError::Field {
            name: "event.id",
            pointer: "/event/id",
            what: "a string",
        })?;
        let kind = fields::text(kind).unwrap_or_default();
        let known = EVENTS.iter().find(|known| **known == kind);
        let source = format!("pagerduty:{hook}");
        let (key, urgency) = Urgency::InOrder.line(&source, place(resource, data).as_deref());
        Ok(Arrival::from(Delivery {
            delivery_id: Some(delivery_id),
            kind: KIND,
            kind_version: KIND_VERSION,
            key,
            urgency,
            subject: None,
            what: known.copied().unwrap_or("other"),
            payload: None,
            source,
        }))
    }
}

/// The incident, which notes and updates name beside themselves; for what is about no incident, the thing itself.
fn place(resource: Option<&RawValue>, data: Option<&RawValue>) -> Option<String> {
    let [id, incident] = fields::of(data, ["id", "incident"]);
    let [incident_id] = fields::of(incident, ["id"]);
    if let Some(incident) = fields::id(incident_id) {
        return Some(format!("incident:{incident}"));
    }
    let resource = fields::id(resource)?;
    let id = fields::id(id)?;
    Some(format!("{resource}:{id}"))
}

/// All signatures of the version that is known here; there must be one.
fn signatures(headers: &HeaderMap) -> Result<Vec<Vec<u8>>, Refusal> {
    let listed = head::text(headers, &SIGNATURE_HEADER)?.split(',');
    let ours = listed.filter(|signature| signature.starts_with(PREFIX));
    ours.map(|signature| prefixed_sha256(signature, PREFIX))
        .collect::<Option<Vec<_>>>()
        .filter(|signatures| !signatures.is_empty())
        .ok_or(Refusal::HeaderMalformed(SIGNATURE_HEADER))
}

/// The head with which PagerDuty would send `body`.
///
/// # Errors
/// Never in practice: what is made here can stand in a header.
pub fn sign(secret: &Secret, body: &[u8]) -> Result<HeaderMap, CannotSign> {
    let signature = format!("{PREFIX}{}", hex_sha256(secret, &[body]));
    head_of([(SIGNATURE_HEADER, &signature)])
}

#[cfg(test)]
mod tests;
