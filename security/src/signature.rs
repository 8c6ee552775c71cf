//! Signatures of what came from outside: a MAC under a shared key, or Ed25519 under the sender's public key.
//!
//! It exists so that bytes are judged in one place, in constant time, by code that has been judged itself (ring). What is signed
//! where, and in which letters a signature is written, differs from provider to provider and is theirs to know.
//!
//! Nowhere else in the house is a MAC made: `clippy.toml` bans it, and what is made here has no `==`.

#![expect(
    clippy::disallowed_types,
    reason = "this is where MACs are made and compared"
)]

use ring::hmac;
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

use crate::compare::Digest;

/// Bytes of a public key of Ed25519.
pub const PUBLIC_KEY_BYTES: usize = 32;

/// The hash under a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacHash {
    /// Broken as a hash and still sound under a MAC; for senders that offer nothing newer.
    Sha1,
    /// What nearly everybody uses.
    Sha256,
    /// As sound as the one before, and longer.
    Sha512,
}

impl MacHash {
    /// Bytes of a MAC made with it.
    pub fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn algorithm(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// A key that sender and receiver share, prepared once.
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// Prepares `key`. Whether it is long enough is for whoever chose it.
    pub fn new(hash: MacHash, key: &[u8]) -> Self {
        Self(hmac::Key::new(hash.algorithm(), key))
    }

    /// The MAC of `parts`, one after the other, with nothing between them.
    pub fn sign(&self, parts: &[&[u8]]) -> Mac {
        Mac(self.tag(parts))
    }

    /// Whether one of `candidates` is the MAC of `parts`. All of them are compared, in constant time, whichever matches.
    pub fn matches_any<'c>(
        &self,
        parts: &[&[u8]],
        candidates: impl IntoIterator<Item = &'c [u8]>,
    ) -> bool {
        let expected = Digest::of(self.tag(parts).as_ref());
        candidates
            .into_iter()
            .fold(false, |matched, one| expected.matches(one) | matched)
    }

    fn tag(&self, parts: &[&[u8]]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        context.sign()
    }
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A MAC, to be sent. It cannot be compared, or somebody would: what came from outside is for [`MacKey::matches_any`].
///
/// ```compile_fail,E0369
/// use sallyport_security::signature::{MacHash, MacKey};
///
/// let key = MacKey::new(MacHash::Sha256, b"key");
/// assert!(key.sign(&[b"body"]) == key.sign(&[b"body"]));
/// ```
pub struct Mac(hmac::Tag);

impl Mac {
    /// Its bytes, for whoever writes them into a request.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }
}

/// Who somebody is whose signatures of Ed25519 are believed. No secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; PUBLIC_KEY_BYTES]);

impl PublicKey {
    /// The key of these bytes. One that is no point of the curve matches no signature.
    pub fn new(bytes: [u8; PUBLIC_KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Whether `signature` is this key's over `message`. Signatures that could be bent into other valid ones are refused.
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(message, signature)
            .is_ok()
    }
}

/// The private half of a key of Ed25519: for signing what a provider would sign, when a hook is tried out.
pub struct SigningKey(Ed25519KeyPair);

/// The bytes are no private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a private key of Ed25519 has 32 bytes")]
pub struct NotASigningKey;

impl SigningKey {
    /// The key that grows from these 32 bytes, which RFC 8032 calls the private key.
    ///
    /// # Errors
    /// When they are not 32.
    pub fn from_seed(seed: &[u8]) -> Result<Self, NotASigningKey> {
        Ed25519KeyPair::from_seed_unchecked(seed)
            .map(Self)
            .map_err(|_rejected| NotASigningKey)
    }

    /// Its signature over `message`.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The SHA-256 of `parts`, one after the other: a name for bytes that have none, the same for the same bytes. Of no use
/// for secrets that somebody could guess.
pub fn fingerprint(parts: &[&[u8]]) -> [u8; 32] {
    let hash = parts
        .iter()
        .fold(Sha256::new(), |hash, part| hash.chain_update(part));
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn macs_are_those_of_rfc_2202_and_rfc_4231() {
        let parts: &[&[u8]] = &[b"what do ya want ", b"for nothing?"];
        let mac = |hash| hex(MacKey::new(hash, b"Jefe").sign(parts).as_bytes());

        assert_eq!(
            mac(MacHash::Sha1),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
        assert_eq!(
            mac(MacHash::Sha256),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            mac(MacHash::Sha512),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        );
    }

    #[test]
    fn signatures_are_those_of_rfc_8032() {
        let seed: Vec<u8> =
            unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let public: Vec<u8> =
            unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        let public = PublicKey::new(public.try_into().unwrap());

        assert_eq!(
            hex(&SigningKey::from_seed(&seed).unwrap().sign(&[0x72])),
            signature
        );
        assert!(public.signed(&[0x72], &unhex(signature)));
        assert!(!public.signed(&[0x73], &unhex(signature)));
        assert!(!public.signed(&[0x72], &[]));
        assert_eq!(SigningKey::from_seed(&[1; 31]).unwrap_err(), NotASigningKey);
    }

    #[test]
    fn keys_print_nothing() {
        assert_eq!(
            format!("{:?}", MacKey::new(MacHash::Sha256, b"k")),
            "[redacted]"
        );
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "[redacted]");
    }

    proptest! {
        #[test]
        fn one_of_several_candidates_is_found_wherever_it_stands(body: Vec<u8>, before in 0_usize..4, after in 0_usize..4) {
            let key = MacKey::new(MacHash::Sha256, b"key");
            let right = key.sign(&[&body]);
            let wrong = MacKey::new(MacHash::Sha256, b"other").sign(&[&body]);
            let mut candidates = vec![wrong.as_bytes(); before];
            candidates.push(right.as_bytes());
            candidates.extend(vec![wrong.as_bytes(); after]);

            prop_assert!(key.matches_any(&[&body], candidates.iter().copied()));
            candidates.remove(before);
            prop_assert!(!key.matches_any(&[&body], candidates));
        }
    }

    fn unhex(text: &str) -> Vec<u8> {
        text.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }
}
