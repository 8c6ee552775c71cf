//! What is sent, and the signature that vouches for it: Standard Webhooks, symmetric scheme `v1`.
//!
//! Source: standard-webhooks/standard-webhooks, `spec/standard-webhooks.md`. The id stays the same in every attempt, so that a
//! receiver can tell a repetition; the time is that of the attempt, so that a receiver can refuse old ones. Each of several keys
//! makes a signature of its own: a receiver that knows one of them is content, which is how keys are replaced.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sallyport_security::Secret;
use sallyport_security::signature::{MacHash, MacKey};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

/// Bytes of a body. The standard asks for less than 20 kB; a receiver's limit is seldom below this.
pub const BODY_BYTES_MAX: usize = 64 * 1_024;

pub(crate) const ID_HEADER: &str = "webhook-id";
pub(crate) const TIMESTAMP_HEADER: &str = "webhook-timestamp";
pub(crate) const SIGNATURE_HEADER: &str = "webhook-signature";

const SECRET_PREFIX: &str = "whsec_";
/// Bytes of a key, as the standard has them.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Sets keys that are derived for this apart from everything else that the same secret may be used for.
const DERIVED: &[u8] = b"sallyport webhook signing key 1";

/// Something that happened, to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The same in every attempt, and of no other event. Letters, digits and `_`: it is a header, and a dot would end it.
    pub id: String,
    /// What happened, in words with dots between them, such as `digest.daily`.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// The rest.
    pub data: Value,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    data: &'a Value,
}

impl Event {
    /// The bytes that are signed and sent, the same in every attempt; none if there are more than [`BODY_BYTES_MAX`].
    #[must_use]
    pub fn body(&self) -> Option<Vec<u8>> {
        let body = Body {
            kind: &self.kind,
            timestamp: self.at.to_string(),
            data: &self.data,
        };
        let bytes = serde_json::to_vec(&body).ok()?;
        (bytes.len() <= BODY_BYTES_MAX).then_some(bytes)
    }
}

/// A secret is no signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a signing key is whsec_ and 24–64 bytes in base64")]
pub struct UnfitKey;

/// A key that we and one receiver share.
#[derive(Debug, Clone)]
pub struct SigningKey(MacKey);

impl SigningKey {
    /// Reads a key as a receiver is given it.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(secret: &Secret) -> Result<Self, UnfitKey> {
        let text = secret.expose();
        let bytes = STANDARD
            .decode(text.strip_prefix(SECRET_PREFIX).unwrap_or(text))
            .map_err(|_| UnfitKey)?;
        if KEY_BYTES.contains(&bytes.len()) {
            Ok(Self(MacKey::new(MacHash::Sha256, &bytes)))
        } else {
            Err(UnfitKey)
        }
    }

    /// The key that grows from a secret of the house for whatever these parts name, in the form in which a receiver is given it.
    /// So nothing needs to be kept that would be worth stealing; another part is another key.
    #[must_use]
    pub fn derive(house: &Secret, parts: &[&[u8]]) -> Secret {
        let key = MacKey::new(MacHash::Sha256, house.expose().as_bytes());
        let lengths: Vec<[u8; 8]> = parts
            .iter()
            .map(|part| u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes())
            .collect();
        let mut signed: Vec<&[u8]> = vec![DERIVED];
        for (length, part) in lengths.iter().zip(parts) {
            signed.extend([length.as_slice(), part]);
        }
        let mac = key.sign(&signed);
        Secret::new(format!(
            "{SECRET_PREFIX}{}",
            STANDARD.encode(mac.as_bytes())
        ))
    }
}

/// The value of the signature's header: one signature for each key.
pub(crate) fn signatures(keys: &[SigningKey], id: &str, seconds: &str, body: &[u8]) -> String {
    let signed: [&[u8]; 5] = [id.as_bytes(), b".", seconds.as_bytes(), b".", body];
    let signatures: Vec<String> = keys
        .iter()
        .map(|SigningKey(key)| format!("v1,{}", STANDARD.encode(key.sign(&signed).as_bytes())))
        .collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests;
