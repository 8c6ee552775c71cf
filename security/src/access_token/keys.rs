//! A key, and the one algorithm that it is for.
//!
//! It exists so that a key is looked at once, when settings are read: what is no key of its algorithm, or too weak for it, never
//! meets a token.

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::rejected::Rejected;
use super::settings::TokenKeySettings;

/// A key under a MAC is no shorter than what the MAC puts out (RFC 7518, 3.2).
const SECRET_BYTES_MIN: usize = 32;
/// The shortest modulus of RSA that is still called sound (RFC 7518, 3.3).
const RSA_BITS_MIN: usize = 2_048;
/// Beyond, a signature costs whoever checks it more than whoever sends it.
const RSA_BITS_MAX: usize = 4_096;
/// id-Ed25519 of RFC 8410.
const ED25519: &str = "1.3.101.112";
/// secp256r1 of RFC 5480.
const P256: &str = "1.2.840.10045.3.1.7";

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub enum TokenAlgorithm {
    /// Ed25519: short, quick, nothing to choose.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA over P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSA (PKCS #1, 1.5) with SHA-256, of 2048–4096 bits: what most issuers still use.
    #[serde(rename = "RS256")]
    Rs256,
    /// HMAC with SHA-256: whoever can check a token can make one.
    #[serde(rename = "HS256")]
    Hs256,
}

impl From<TokenAlgorithm> for Algorithm {
    fn from(algorithm: TokenAlgorithm) -> Self {
        match algorithm {
            TokenAlgorithm::EdDsa => Self::EdDSA,
            TokenAlgorithm::Es256 => Self::ES256,
            TokenAlgorithm::Rs256 => Self::RS256,
            TokenAlgorithm::Hs256 => Self::HS256,
        }
    }
}

/// Why a key cannot be used. Says which by its name, and nothing of the key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitTokenKey {
    /// It is no public key in PEM.
    #[error("the key {id:?} must be a public key as PEM (BEGIN PUBLIC KEY)")]
    Unreadable {
        /// Its name.
        id: String,
    },
    /// It is a public key of something else.
    #[error("the key {id:?} is none of {algorithm:?}")]
    OtherAlgorithm {
        /// Its name.
        id: String,
        /// The algorithm that it was said to be for.
        algorithm: TokenAlgorithm,
    },
    /// It is too weak, or too costly.
    #[error("the key {id:?} must be {must_be}")]
    Size {
        /// Its name.
        id: String,
        /// What it must be.
        must_be: &'static str,
    },
    /// This build judges a signature wrongly whose verdict is known.
    #[error("this build cannot judge signatures of {0:?}")]
    SelfTest(TokenAlgorithm),
}

/// A key that can be used.
pub(super) struct Key {
    id: String,
    algorithm: Algorithm,
    key: DecodingKey,
    validation: Validation,
}

impl Key {
    pub(super) fn try_new(
        settings: &TokenKeySettings,
        validation: Validation,
    ) -> Result<Self, UnfitTokenKey> {
        let key = match settings.algorithm {
            TokenAlgorithm::Hs256 => secret(settings)?,
            TokenAlgorithm::EdDsa | TokenAlgorithm::Es256 | TokenAlgorithm::Rs256 => {
                public_key(settings)?
            }
        };
        Ok(Self {
            id: settings.id.clone(),
            algorithm: settings.algorithm.into(),
            key,
            validation,
        })
    }

    /// Whether a token with this header can be signed with it: of its algorithm, and by name if it names one.
    pub(super) fn is_meant(&self, header: &Header) -> bool {
        let is_named = header.kid.as_ref().is_none_or(|kid| *kid == self.id);
        is_named && header.alg == self.algorithm
    }

    /// The claims of a token that this key has signed and that is valid.
    pub(super) fn decode<T: DeserializeOwned>(&self, token: &[u8]) -> Result<T, Rejected> {
        jsonwebtoken::decode::<T>(token, &self.key, &self.validation)
            .map(|decoded| decoded.claims)
            .map_err(|refused| super::reason(refused.kind()))
    }
}

fn secret(settings: &TokenKeySettings) -> Result<DecodingKey, UnfitTokenKey> {
    let secret = settings.key.expose().as_bytes();
    // A public key that everybody knows must never be taken for a secret.
    if secret.len() < SECRET_BYTES_MIN || secret.starts_with(b"-----BEGIN") {
        return Err(UnfitTokenKey::Size {
            id: settings.id.clone(),
            must_be: "a secret of at least 32 bytes, and no PEM",
        });
    }
    Ok(DecodingKey::from_secret(secret))
}

fn public_key(settings: &TokenKeySettings) -> Result<DecodingKey, UnfitTokenKey> {
    let unreadable = || UnfitTokenKey::Unreadable {
        id: settings.id.clone(),
    };
    let pem = settings.key.expose().as_bytes();
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_no_pem| unreadable())?;
    let (rest, info) = SubjectPublicKeyInfo::from_der(&der).map_err(|_no_key| unreadable())?;
    let parsed = info.parsed().map_err(|_no_key| unreadable())?;
    if !rest.is_empty() {
        return Err(unreadable());
    }
    let bits = info.subject_public_key.data.as_ref();
    let identifier = info.algorithm.algorithm.to_id_string();
    let curve = info.algorithm.parameters.as_ref();
    let curve = curve
        .and_then(|any| any.as_oid().ok())
        .map(|oid| oid.to_id_string());
    let key = match (settings.algorithm, parsed) {
        (TokenAlgorithm::EdDsa, _) if identifier == ED25519 && bits.len() == 32 => {
            DecodingKey::from_ed_der(bits)
        }
        // A point in its long form: what the library's verifier takes.
        (TokenAlgorithm::Es256, PublicKey::EC(point))
            if curve.as_deref() == Some(P256) && point.data().len() == 65 =>
        {
            DecodingKey::from_ec_der(bits)
        }
        (TokenAlgorithm::Rs256, PublicKey::RSA(rsa)) => {
            if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&rsa.key_size()) {
                return Err(UnfitTokenKey::Size {
                    id: settings.id.clone(),
                    must_be: "an RSA key of 2048–4096 bits",
                });
            }
            DecodingKey::from_rsa_der(bits)
        }
        _ => {
            return Err(UnfitTokenKey::OtherAlgorithm {
                id: settings.id.clone(),
                algorithm: settings.algorithm,
            });
        }
    };
    Ok(key)
}
