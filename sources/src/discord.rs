//! Discord: interactions, that is, slash commands, pressed buttons and sent dialogues of one application.
//!
//! It exists to check Discord's Ed25519 signature over timestamp and body, and to answer within the three seconds that Discord waits:
//! its probe at once, everything else, once it is stored, with "deferred", after which the workers have 15 minutes for the answer itself.
//! The key is Discord's public one and no secret. Discord sends wrong signatures on purpose and removes a door that lets one in.
//! Source: discord/discord-api-docs, `interactions/overview` and `interactions/receiving-and-responding`.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName};
use sallyport_security::Secret;
use sallyport_security::signature::{PUBLIC_KEY_BYTES, PublicKey, SigningKey};
use serde_json::value::RawValue;

use crate::signing::head_of;
use crate::window::{Window, seconds_of};
use crate::{
    Arrival, CannotSign, Delivery, Head, Provider, ReadError, Refusal, Reply, UnfitKey, Urgency,
    encoding, fields, head,
};

/// The header that holds the signature.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("x-signature-ed25519");
/// The header that says when it was made.
pub const TIMESTAMP_HEADER: HeaderName = HeaderName::from_static("x-signature-timestamp");

/// The kind of the message that an interaction becomes.
pub const KIND: &str = "discord.interaction";
/// Version of that message's payload: the body.
pub const KIND_VERSION: u16 = 1;

/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 64;

/// The interactions of one application.
#[derive(Debug)]
pub struct Discord {
    keys: Vec<PublicKey>,
    window: Window,
}

impl Discord {
    /// Interactions signed by one of `keys`, the hexadecimal public keys of applications, at most `window` ago. Discord names
    /// no window of its own.
    ///
    /// # Errors
    /// One of them is no such key.
    pub fn new(keys: &[Secret], window: Duration) -> Result<Self, UnfitKey> {
        let keys = keys.iter().map(|key| public_key(key.expose()));
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
            window: Window::new(window),
        })
    }
}

impl Provider for Discord {
    fn name(&self) -> &'static str {
        "discord"
    }

    fn check_head(&self, headers: &HeaderMap, now: SystemTime) -> Result<Head, Refusal> {
        signature(headers)?;
        let timestamp = head::text(headers, &TIMESTAMP_HEADER)?;
        self.window.check(&TIMESTAMP_HEADER, timestamp, now)?;
        Ok(Head::BodyDecides)
    }

    fn check_body(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        let signature = signature(headers)?;
        let message = message(head::text(headers, &TIMESTAMP_HEADER)?, body);
        let signed = |key: &PublicKey| key.signed(&message, &signature);
        if self.keys.iter().any(signed) {
            Ok(())
        } else {
            Err(Refusal::NoKeyMatched(SIGNATURE_HEADER))
        }
    }

    fn read(&self, hook: &str, _headers: &HeaderMap, body: &[u8]) -> Result<Arrival, ReadError> {
        let interaction = Interaction::new(body)?;
        match interaction.kind {
            Kind::Ping => Ok(Arrival::Question(Reply::json(r#"{"type":1}"#))),
            // Suggestions cannot be deferred, and no worker is that quick: an empty list is better than an error.
            Kind::Autocomplete => Ok(Arrival::Question(Reply::json(
                r#"{"type":8,"data":{"choices":[]}}"#,
            ))),
            Kind::Command | Kind::Dialogue | Kind::Other => {
                interaction.stored(hook, Reply::json(r#"{"type":5}"#))
            }
            Kind::Component => interaction.stored(hook, Reply::json(r#"{"type":6}"#)),
        }
    }
}

fn signature(headers: &HeaderMap) -> Result<Vec<u8>, Refusal> {
    // Discord's own libraries read either case.
    let digits = head::text(headers, &SIGNATURE_HEADER)?.to_ascii_lowercase();
    encoding::from_hex(&digits)
        .filter(|bytes| bytes.len() == SIGNATURE_BYTES)
        .ok_or(Refusal::HeaderMalformed(SIGNATURE_HEADER))
}

fn message(timestamp: &str, body: &[u8]) -> Vec<u8> {
    [timestamp.as_bytes(), body].concat()
}

/// What a key is.
pub(crate) const KEY: &str = "the 64 hexadecimal digits of the application's public key";

/// Reads the public key of an application.
pub(crate) fn public_key(digits: &str) -> Result<PublicKey, UnfitKey> {
    encoding::from_hex(&digits.to_ascii_lowercase())
        .and_then(|bytes| <[u8; PUBLIC_KEY_BYTES]>::try_from(bytes).ok())
        .map(PublicKey::new)
        .ok_or(UnfitKey(KEY))
}

/// What kinds of interactions there are.
#[derive(Clone, Copy)]
enum Kind {
    Ping,
    Command,
    Component,
    Autocomplete,
    Dialogue,
    Other,
}

impl Kind {
    fn new(number: i64) -> Self {
        match number {
            1 => Self::Ping,
            2 => Self::Command,
            3 => Self::Component,
            4 => Self::Autocomplete,
            5 => Self::Dialogue,
            _ => Self::Other,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Command => "command",
            Self::Component => "component",
            Self::Autocomplete => "autocomplete",
            Self::Dialogue => "modal",
            Self::Other => "other",
        }
    }
}

/// As much of an interaction as order and identity need.
struct Interaction<'a> {
    kind: Kind,
    id: Option<&'a RawValue>,
    channel: Option<String>,
    person: Option<String>,
    data: Option<&'a RawValue>,
}

impl<'a> Interaction<'a> {
    fn new(body: &'a [u8]) -> Result<Self, ReadError> {
        let wanted = [
            "/type",
            "/id",
            "/channel_id",
            "/user",
            "/member",
            "/data",
            "/event",
        ];
        let [kind, id, channel, user, member, data, event] = fields::of_body(body, wanted)?;
        let kind = fields::integer(kind).ok_or(ReadError::Field {
            name: "type",
            pointer: "/type",
            what: "an integer",
        })?;
        if event.is_some() {
            // Its types count differently: read as an interaction, an event would pass for a probe and be lost.
            return Err(ReadError::Field {
                name: "event",
                pointer: "/event",
                what: "absent: this door takes interactions, not webhook events",
            });
        }
        let [of_member] = fields::of(member, ["user"]);
        // In a server the person is a member, in a private chat a user.
        let [person] = fields::of(of_member.or(user), ["id"]);
        Ok(Self {
            kind: Kind::new(kind),
            id,
            channel: fields::id(channel),
            person: fields::id(person),
            data,
        })
    }

    fn stored(self, hook: &str, reply: Reply) -> Result<Arrival, ReadError> {
        let delivery_id = fields::id(self.id).ok_or(ReadError::Field {
            name: "id",
            pointer: "/id",
            what: "a string",
        })?;
        let source = format!("discord:{hook}");
        let [button] = fields::of(self.data, ["custom_id"]);
        let urgency = match fields::text(button) {
            Some(data) => Urgency::of_button(&data),
            None => Urgency::InOrder,
        };
        let person = self.person.as_ref();
        let place = self.channel.or(person.map(|id| format!("user:{id}")));
        let (key, urgency) = urgency.line(&source, place.as_deref());
        let delivery = Delivery {
            delivery_id: Some(delivery_id),
            kind: KIND,
            kind_version: KIND_VERSION,
            key,
            urgency,
            subject: person.map(|id| format!("discord:{id}")),
            what: self.kind.name(),
            payload: None,
            source,
        };
        Ok(Arrival::Delivery {
            delivery,
            reply: Some(reply),
        })
    }
}

/// The head with which Discord would send `body` now, if `key` were Discord's own private one: 64 hexadecimal digits.
///
/// # Errors
/// It is no such key.
pub fn sign(key: &Secret, body: &[u8], now: SystemTime) -> Result<HeaderMap, CannotSign> {
    const PRIVATE: UnfitKey = UnfitKey("the 64 hexadecimal digits of a private key of Ed25519");
    let seed = encoding::from_hex(&key.expose().to_ascii_lowercase()).ok_or(PRIVATE)?;
    let key = SigningKey::from_seed(&seed).map_err(|_no_key| PRIVATE)?;
    let timestamp = seconds_of(now).to_string();
    let signature = encoding::hex(&key.sign(&message(&timestamp, body)));
    head_of([
        (SIGNATURE_HEADER, &signature),
        (TIMESTAMP_HEADER, &timestamp),
    ])
}

#[cfg(test)]
mod tests;
