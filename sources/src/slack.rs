//! Slack: events, slash commands and pressed buttons of one app.
//!
//! It exists to check Slack's `v0` signature, which covers the timestamp and the body's bytes, and to tell apart the three things that
//! come through one door. What is no JSON becomes JSON here, so that nobody after us decodes a form in another way.
//! An event has an id, which a retry keeps; commands and buttons have none, so theirs is made of the signed bytes: a replay within
//! the window is the same delivery. Slack waits 3 s for an answer.
//! Source: docs.slack.dev, "Verifying requests from Slack", "Events API", "Slash commands", "Interactivity".

use std::time::SystemTime;

use http::{HeaderMap, HeaderName};
use sallyport_security::Secret;
use sallyport_security::signature::MacHash;

use crate::delivery::name_of;
use crate::keys::{MacKeys, prefixed_sha256};
use crate::signing::{head_of, hex_sha256};
use crate::window::{FIVE_MINUTES, Window, seconds_of};
use crate::{Arrival, CannotSign, Head, Provider, ReadError, Refusal, head};

mod form;
mod reading;

/// The header that holds the signature.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("x-slack-signature");
/// The header that says when it was made.
pub const TIMESTAMP_HEADER: HeaderName = HeaderName::from_static("x-slack-request-timestamp");

/// The kind of the message that an event becomes; its payload is the body.
pub const EVENT_KIND: &str = "slack.event";
/// The kind of the message that a slash command becomes; its payload is one JSON object of the form's fields.
pub const COMMAND_KIND: &str = "slack.command";
/// The kind of the message that a pressed button, a shortcut or a sent dialogue becomes; its payload is the JSON in the form's field `payload`.
pub const INTERACTION_KIND: &str = "slack.interaction";
/// Version of the payloads of all three.
pub const KIND_VERSION: u16 = 1;

const PREFIX: &str = "v0=";

/// The requests of one Slack app.
#[derive(Debug)]
pub struct Slack(MacKeys);

impl Slack {
    /// Requests signed with one of `secrets`.
    pub fn new(secrets: &[Secret]) -> Self {
        Self(MacKeys::of_text(MacHash::Sha256, secrets))
    }
}

impl Provider for Slack {
    fn name(&self) -> &'static str {
        "slack"
    }

    fn media_types(&self) -> &'static [&'static str] {
        &["application/json", "application/x-www-form-urlencoded"]
    }

    fn check_head(&self, headers: &HeaderMap, now: SystemTime) -> Result<Head, Refusal> {
        signature(headers)?;
        let timestamp = head::text(headers, &TIMESTAMP_HEADER)?;
        Window::new(FIVE_MINUTES).check(&TIMESTAMP_HEADER, timestamp, now)?;
        Ok(Head::BodyDecides)
    }

    fn check_body(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        let timestamp = head::text(headers, &TIMESTAMP_HEADER)?;
        let signature = signature(headers)?;
        self.0
            .check(&SIGNATURE_HEADER, &[signature], &signed(timestamp, body))
    }

    fn read(&self, hook: &str, headers: &HeaderMap, body: &[u8]) -> Result<Arrival, ReadError> {
        let timestamp = head::text(headers, &TIMESTAMP_HEADER)?;
        let name = name_of(&signed(timestamp, body));
        let source = format!("slack:{hook}");
        // What type it says it is stands in the head, which nobody signed. An object begins with a brace, and no form does.
        if body.trim_ascii_start().starts_with(b"{") {
            reading::event(source, name, body)
        } else {
            reading::form(source, name, body)
        }
    }
}

fn signature(headers: &HeaderMap) -> Result<Vec<u8>, Refusal> {
    prefixed_sha256(head::text(headers, &SIGNATURE_HEADER)?, PREFIX)
        .ok_or(Refusal::HeaderMalformed(SIGNATURE_HEADER))
}

fn signed<'a>(timestamp: &'a str, body: &'a [u8]) -> [&'a [u8]; 4] {
    [b"v0:", timestamp.as_bytes(), b":", body]
}

/// The head with which Slack would send `body` now.
///
/// # Errors
/// Never in practice: what is made here can stand in a header.
pub fn sign(secret: &Secret, body: &[u8], now: SystemTime) -> Result<HeaderMap, CannotSign> {
    let timestamp = seconds_of(now).to_string();
    let signature = format!("{PREFIX}{}", hex_sha256(secret, &signed(&timestamp, body)));
    head_of([
        (SIGNATURE_HEADER, &signature),
        (TIMESTAMP_HEADER, &timestamp),
    ])
}

#[cfg(test)]
mod tests;
