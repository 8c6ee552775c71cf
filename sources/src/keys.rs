//! The keys of a hook: several at a time, so that one can be rotated without a moment in which its provider is refused.

use http::HeaderName;
use sallyport_security::Secret;
use sallyport_security::signature::{MacHash, MacKey};

use crate::Refusal;
use crate::encoding;

/// Signatures that one request may carry: one for each key that its sender has, and keys are rotated one at a time.
const SIGNATURES_MAX: usize = 8;

/// A secret cannot be this provider's key. Says what such a key looks like, and nothing about the one that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key must be {0}")]
pub struct UnfitKey(pub(crate) &'static str);

/// The shared keys of one hook.
#[derive(Clone, Debug)]
pub(crate) struct MacKeys(Vec<MacKey>);

impl MacKeys {
    /// Prepares `secrets`, whose text is the key; empty ones are no secrets and are left out.
    pub(crate) fn of_text(hash: MacHash, secrets: &[Secret]) -> Self {
        let given = secrets.iter().filter(|secret| !secret.is_empty());
        Self(
            given
                .map(|secret| MacKey::new(hash, secret.expose().as_bytes()))
                .collect(),
        )
    }

    /// Takes keys that were prepared before.
    pub(crate) fn new(keys: Vec<MacKey>) -> Self {
        Self(keys)
    }

    /// Checks that one of `signatures`, which were read from `header`, is one of these keys' over `parts`. Every key and every
    /// signature is compared, so that the time does not tell which one is current.
    ///
    /// # Errors
    /// There are too many, or none matches.
    pub(crate) fn check(
        &self,
        header: &HeaderName,
        signatures: &[Vec<u8>],
        parts: &[&[u8]],
    ) -> Result<(), Refusal> {
        if signatures.len() > SIGNATURES_MAX {
            return Err(Refusal::TooManySignatures(header.clone()));
        }
        let matched = self.0.iter().fold(false, |matched, key| {
            key.matches_any(parts, signatures.iter().map(Vec::as_slice)) | matched
        });
        if matched {
            Ok(())
        } else {
            Err(Refusal::NoKeyMatched(header.clone()))
        }
    }
}

/// Reads the lower-case hexadecimal MAC with SHA-256 that follows `prefix`, and nothing after it.
pub(crate) fn prefixed_sha256(text: &str, prefix: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix(prefix)?;
    encoding::from_hex(digits).filter(|mac| mac.len() == MacHash::Sha256.bytes())
}
