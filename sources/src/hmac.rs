//! Any sender who signs with an HMAC: which header, over what and in which letters is said by settings.
//!
//! It exists so that a sender nobody thought of needs lines of YAML, not of Rust. What settings cannot make safe they refuse to say:
//! see [`Settings`]. A body must be a JSON object, as everywhere.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName};
use sallyport_security::Secret;
use sallyport_security::signature::{MacHash, MacKey};
use serde_json::value::RawValue;

use crate::delivery::{name_of, plain};
use crate::keys::MacKeys;
use crate::signing::head_of;
use crate::window::{Window, seconds_of};
use crate::{
    Arrival, CannotSign, Delivery, Head, Provider, ReadError, Refusal, UnfitKey, Urgency, encoding,
    fields, head,
};

mod settings;
mod template;

pub(crate) use settings::header;
pub use settings::{Encoding, HashName, Identical, Nonsense, SecretEncoding, Settings};
use template::Template;

/// The kind of the message that a delivery becomes.
pub const KIND: &str = "hmac.event";
/// Version of that message's payload: the body.
pub const KIND_VERSION: u16 = 1;

/// What a sender signs and how, read from settings.
#[derive(Clone, Debug)]
pub(crate) struct Scheme {
    header: HeaderName,
    prefix: String,
    hash: MacHash,
    encoding: Encoding,
    template: Template,
    /// The header with the time, and how far it may be from now.
    timestamp: Option<(HeaderName, Window)>,
    id_header: Option<HeaderName>,
    /// The names on the way to the field whose value is the key.
    key_path: Option<Vec<String>>,
    identical: Identical,
    secret_encoding: SecretEncoding,
}

/// The deliveries of one sender.
#[derive(Debug)]
pub struct Hmac {
    scheme: Scheme,
    keys: MacKeys,
}

/// Why there is no such sender.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSender {
    /// Its settings contradict themselves.
    #[error(transparent)]
    Settings(#[from] Nonsense),
    /// One of its secrets is no key.
    #[error(transparent)]
    Key(#[from] UnfitKey),
}

impl Hmac {
    /// Deliveries signed as `settings` say with one of `secrets`.
    ///
    /// # Errors
    /// Settings that were never validated, or a secret that is not written as they say.
    pub fn new(settings: &Settings, secrets: &[Secret]) -> Result<Self, InvalidSender> {
        let scheme = settings.scheme()?;
        let keys = secrets.iter().map(|secret| scheme.mac_key(secret));
        Ok(Self {
            keys: MacKeys::new(keys.collect::<Result<_, _>>()?),
            scheme,
        })
    }
}

impl Provider for Hmac {
    fn name(&self) -> &'static str {
        "hmac"
    }

    fn check_head(&self, headers: &HeaderMap, now: SystemTime) -> Result<Head, Refusal> {
        self.scheme.signature(headers)?;
        self.scheme.id(headers)?;
        if let Some((header, window)) = &self.scheme.timestamp {
            window.check(header, head::text(headers, header)?, now)?;
        }
        Ok(Head::BodyDecides)
    }

    fn check_body(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        let signature = self.scheme.signature(headers)?;
        let signed = self.scheme.signed(headers, body)?;
        self.keys.check(&self.scheme.header, &[signature], &signed)
    }

    fn read(&self, hook: &str, headers: &HeaderMap, body: &[u8]) -> Result<Arrival, ReadError> {
        let [] = fields::of_body(body, [])?;
        let source = format!("hmac:{hook}");
        let (key, urgency) = Urgency::InOrder.line(&source, self.scheme.place(body).as_deref());
        let delivery_id = match (self.scheme.id(headers)?, self.scheme.identical) {
            (Some(id), _) => Some(plain(id)),
            (None, Identical::Once) => Some(name_of(&self.scheme.signed(headers, body)?)),
            (None, Identical::EveryTime) => None,
        };
        Ok(Arrival::from(Delivery {
            delivery_id,
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

impl Scheme {
    fn signature(&self, headers: &HeaderMap) -> Result<Vec<u8>, Refusal> {
        let text = head::text(headers, &self.header)?.strip_prefix(self.prefix.as_str());
        text.and_then(|text| match self.encoding {
            Encoding::Hex => encoding::from_hex(text),
            Encoding::Base64 => encoding::from_base64(text),
        })
        .filter(|mac| mac.len() == self.hash.bytes())
        .ok_or_else(|| Refusal::HeaderMalformed(self.header.clone()))
    }

    fn id<'h>(&self, headers: &'h HeaderMap) -> Result<Option<&'h str>, Refusal> {
        let header = self.id_header.as_ref();
        header.map(|header| head::id(headers, header)).transpose()
    }

    fn signed<'a>(
        &'a self,
        headers: &'a HeaderMap,
        body: &'a [u8],
    ) -> Result<Vec<&'a [u8]>, Refusal> {
        let timestamp = self.timestamp.as_ref();
        let timestamp = timestamp.map(|(header, _window)| head::text(headers, header));
        let timestamp = timestamp.transpose()?.unwrap_or_default();
        let id = self.id(headers)?.unwrap_or_default();
        Ok(self.template.filled(id, timestamp, body))
    }

    /// The value at the key's path, the source's catch-all line if there is none.
    fn place(&self, body: &[u8]) -> Option<String> {
        let whole: &RawValue = serde_json::from_slice(body).ok()?;
        let mut names = self.key_path.as_ref()?.iter();
        fields::id(names.try_fold(whole, |part, name| {
            let [inner] = fields::of(Some(part), [name.as_str()]);
            inner
        }))
    }

    pub(crate) fn mac_key(&self, secret: &Secret) -> Result<MacKey, UnfitKey> {
        let text = secret.expose();
        let bytes = match self.secret_encoding {
            SecretEncoding::Text => Some(text.as_bytes().to_vec()),
            SecretEncoding::Hex => encoding::from_hex(&text.to_ascii_lowercase()),
            SecretEncoding::Base64 => encoding::from_base64(text),
        };
        let key = bytes.filter(|bytes| (16..=256).contains(&bytes.len()));
        key.map(|key| MacKey::new(self.hash, &key))
            .ok_or(UnfitKey(KEY))
    }
}

const KEY: &str = "16–256 bytes, written as secret_encoding says";

/// The head with which the sender would send `body` now, as the delivery `id`.
///
/// # Errors
/// The settings contradict themselves, `secret` is no key, or `id` cannot stand in a header.
pub fn sign(
    settings: &Settings,
    secret: &Secret,
    id: &str,
    body: &[u8],
    now: SystemTime,
) -> Result<HeaderMap, CannotSign> {
    let scheme = settings.scheme()?;
    let timestamp = seconds_of(now).to_string();
    let mac = scheme.mac_key(secret)?;
    let mac = mac.sign(&scheme.template.filled(id, &timestamp, body));
    let mac = match scheme.encoding {
        Encoding::Hex => encoding::hex(mac.as_bytes()),
        Encoding::Base64 => encoding::base64(mac.as_bytes()),
    };
    let mut head = head_of([(scheme.header, &format!("{}{mac}", scheme.prefix))])?;
    if let Some((header, _window)) = scheme.timestamp {
        head.extend(head_of([(header, &timestamp)])?);
    }
    if let Some(header) = scheme.id_header {
        head.extend(head_of([(header, id)])?);
    }
    Ok(head)
}

#[cfg(test)]
mod tests;
