//! Alertmanager: notifications of Prometheus' alerts.
//!
//! It exists because Alertmanager signs nothing: what it is given to prove itself with is a bearer token, or a name and a password.
//! It has no ids either, and repeats what still burns on purpose, so everything that it sends is stored (law L2). A group of alerts
//! keeps its order. Only a 5xx makes Alertmanager send again: after a 429 the notification would be lost.
//! Source: prometheus/alertmanager, `docs/configuration.md` and `notify/webhook/webhook.go`.

use std::time::SystemTime;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use sallyport_security::{Digest, Secret};

use crate::delivery::name_of;
use crate::signing::head_of;
use crate::{
    Arrival, CannotSign, Delivery, Head, Provider, ReadError, Refusal, Urgency, encoding, fields,
    head,
};

/// The header that holds token or password.
pub const CREDENTIALS_HEADER: HeaderName = AUTHORIZATION;

/// The kind of the message that a notification becomes.
pub const KIND: &str = "alertmanager.notification";
/// Version of that message's payload: the body.
pub const KIND_VERSION: u16 = 1;

/// The notifications of one receiver.
#[derive(Debug)]
pub struct Alertmanager {
    scheme: &'static str,
    keys: Vec<Digest>,
}

impl Alertmanager {
    /// Notifications that carry one of `secrets`: as bearer token, or as the password of `username` if there is one.
    pub fn new(secrets: &[Secret], username: Option<&str>) -> Self {
        let given = secrets.iter().filter(|secret| !secret.is_empty());
        let keys = given.map(|secret| Digest::of(credentials(secret, username).as_bytes()));
        Self {
            scheme: scheme(username),
            keys: keys.collect(),
        }
    }
}

impl Provider for Alertmanager {
    fn name(&self) -> &'static str {
        "alertmanager"
    }

    fn slow_down_status(&self) -> u16 {
        503
    }

    fn check_head(&self, headers: &HeaderMap, _now: SystemTime) -> Result<Head, Refusal> {
        let malformed = || Refusal::HeaderMalformed(CREDENTIALS_HEADER);
        let text = head::text(headers, &CREDENTIALS_HEADER)?;
        let (scheme, given) = text.split_once(' ').ok_or_else(malformed)?;
        // HTTP gives the scheme's case no meaning; in what follows it has one.
        if !scheme.eq_ignore_ascii_case(self.scheme) {
            return Err(malformed());
        }
        if Digest::of(given.as_bytes()).is_one_of(&self.keys) {
            Ok(Head::Proven)
        } else {
            Err(Refusal::NoKeyMatched(CREDENTIALS_HEADER))
        }
    }

    fn read(&self, hook: &str, _headers: &HeaderMap, body: &[u8]) -> Result<Arrival, ReadError> {
        let [group, status] = fields::of_body(body, ["/groupKey", "/status"])?;
        let source = format!("alertmanager:{hook}");
        // A group's key spells out its labels, so it is long and says too much for a log.
        let group = fields::text(group).map(|key| name_of(&[key.as_bytes()]));
        let (key, urgency) = Urgency::InOrder.line(&source, group.as_deref());
        Ok(Arrival::from(Delivery {
            delivery_id: None,
            kind: KIND,
            kind_version: KIND_VERSION,
            key,
            urgency,
            subject: None,
            what: match fields::text(status).as_deref() {
                Some("firing") => "firing",
                Some("resolved") => "resolved",
                _ => "other",
            },
            payload: None,
            source,
        }))
    }
}

fn scheme(username: Option<&str>) -> &'static str {
    match username {
        Some(_) => "Basic",
        None => "Bearer",
    }
}

/// What follows the scheme.
fn credentials(secret: &Secret, username: Option<&str>) -> String {
    match username {
        Some(name) => encoding::base64(format!("{name}:{}", secret.expose()).as_bytes()),
        None => secret.expose().to_owned(),
    }
}

/// The head with which Alertmanager would send.
///
/// # Errors
/// When `secret` cannot stand in a header.
pub fn sign(secret: &Secret, username: Option<&str>) -> Result<HeaderMap, CannotSign> {
    let value = format!("{} {}", scheme(username), credentials(secret, username));
    head_of([(CREDENTIALS_HEADER, &value)])
}

#[cfg(test)]
mod tests;
