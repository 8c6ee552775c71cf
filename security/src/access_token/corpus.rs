//! Tokens that must be refused, and some that must not: what judges the judge.
//!
//! It exists once, for the tests of this crate, of the edge and of the whole house. Each token differs in one thing from a good one,
//! so that whoever believes it has overlooked just that.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair as RsaPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::{aws_lc, sign};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::Rejected;

mod algorithms;
mod claims;
mod forms;
mod headers;
mod times;

/// Who issues the good ones.
pub const ISSUER: &str = "https://id.example.org";
/// What they are for.
pub const AUDIENCE: &str = "api";
/// Whom they name.
pub const SUBJECT: &str = "person-7";
/// How far clocks may be apart.
pub const LEEWAY_SECONDS: u64 = 30;
/// A secret of HS256.
const SECRET: &str = "a-secret-of-more-than-thirty-two-bytes";

/// What stands before a key of RSA with 2048 bits in PKCS #8.
const PKCS8_HEAD_BYTES: usize = 26;

/// Somebody with a key of each algorithm, and somebody without any that count.
pub struct Issuer {
    ed25519: EncodingKey,
    p256: EncodingKey,
    rsa: EncodingKey,
    hmac: EncodingKey,
    /// The public ones, as PEM.
    public: [String; 3],
    stranger: EncodingKey,
}

/// A token that must be refused.
pub struct Bad {
    /// What is wrong with it.
    pub name: String,
    /// What is shown.
    pub token: String,
    /// What the house's own people should read.
    pub why: Rejected,
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

/// The key itself, for those who want no PKCS #8 around it.
fn unwrapped(pkcs8: &[u8]) -> &[u8] {
    pkcs8.get(PKCS8_HEAD_BYTES..).unwrap_or_default()
}

fn part(json: &str) -> String {
    URL_SAFE_NO_PAD.encode(json)
}

/// `value` with the keys of `changes` in their place; `null` takes one away.
fn with(mut value: Value, changes: &Value) -> Value {
    if let (Some(fields), Some(changes)) = (value.as_object_mut(), changes.as_object()) {
        for (key, change) in changes {
            match change {
                Value::Null => fields.remove(key),
                other => fields.insert(key.clone(), other.clone()),
            };
        }
    }
    value
}

impl Issuer {
    /// With new keys; those of RSA take a moment.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn new() -> Result<Self, aws_lc_rs::error::Unspecified> {
        aws_lc::DEFAULT_PROVIDER.install_default().ok();
        let ed25519 = Ed25519KeyPair::generate()?;
        let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let rsa = RsaPair::generate(KeySize::Rsa2048)?;
        let stranger = Ed25519KeyPair::generate()?;
        let public = [
            pem(ed25519.public_key().as_der()?.as_ref()),
            pem(p256.public_key().as_der()?.as_ref()),
            pem(rsa.public_key().as_der()?.as_ref()),
        ];
        let rsa = rsa.as_der()?;
        Ok(Self {
            ed25519: EncodingKey::from_ed_der(ed25519.to_pkcs8()?.as_ref()),
            p256: EncodingKey::from_ec_der(p256.to_pkcs8v1()?.as_ref()),
            rsa: EncodingKey::from_rsa_der(unwrapped(rsa.as_ref())),
            hmac: EncodingKey::from_secret(SECRET.as_bytes()),
            public,
            stranger: EncodingKey::from_ed_der(stranger.to_pkcs8()?.as_ref()),
        })
    }

    /// The settings under which its tokens are believed.
    pub fn settings(&self) -> Value {
        let [ed25519, p256, rsa] = &self.public;
        json!({
            "issuer": ISSUER,
            "audience": [AUDIENCE, "another"],
            "leeway_seconds": LEEWAY_SECONDS,
            "keys": [
                {"id": "ed", "algorithm": "EdDSA", "key": ed25519},
                {"id": "ec", "algorithm": "ES256", "key": p256},
                {"id": "rsa", "algorithm": "RS256", "key": rsa},
                {"id": "mac", "algorithm": "HS256", "key": SECRET},
            ],
        })
    }

    fn header() -> Value {
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "ed"})
    }

    fn claims() -> Value {
        let now = now();
        json!({"iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, "iat": now, "nbf": now, "exp": now + 900})
    }

    /// A token of exactly this header and these claims, signed as `algorithm` says.
    fn written(&self, header: &str, claims: &str, algorithm: Algorithm) -> String {
        let key = match algorithm {
            Algorithm::ES256 => &self.p256,
            Algorithm::RS256 => &self.rsa,
            Algorithm::HS256 => &self.hmac,
            _ => &self.ed25519,
        };
        Self::sealed(header, claims, key, algorithm)
    }

    fn sealed(header: &str, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let signature = sign(message.as_bytes(), key, algorithm).unwrap_or_default();
        format!("{message}.{signature}")
    }

    /// A good token but for these changes, signed with Ed25519.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        let header = with(Self::header(), header).to_string();
        let claims = with(Self::claims(), claims).to_string();
        self.written(&header, &claims, Algorithm::EdDSA)
    }

    /// A token that is good for `subject`.
    pub fn good(&self, subject: &str) -> String {
        self.token(&json!({}), &json!({"sub": subject}))
    }

    /// Good tokens in all their forms: each algorithm, with and without `kid`, and a moment past their time.
    pub fn good_ones(&self) -> Vec<(&'static str, String)> {
        let claims = Self::claims().to_string();
        let signed =
            |header: Value, algorithm| self.written(&header.to_string(), &claims, algorithm);
        let late = now() - LEEWAY_SECONDS + 5;
        vec![
            ("EdDSA", self.good(SUBJECT)),
            (
                "EdDSA without a kid",
                self.token(&json!({"kid": null}), &json!({})),
            ),
            (
                "ES256",
                signed(
                    json!({"alg": "ES256", "typ": "at+jwt", "kid": "ec"}),
                    Algorithm::ES256,
                ),
            ),
            (
                "RS256",
                signed(
                    json!({"alg": "RS256", "typ": "at+jwt", "kid": "rsa"}),
                    Algorithm::RS256,
                ),
            ),
            (
                "HS256",
                signed(
                    json!({"alg": "HS256", "typ": "at+jwt", "kid": "mac"}),
                    Algorithm::HS256,
                ),
            ),
            (
                "the type in full",
                self.token(&json!({"typ": "application/AT+JWT"}), &json!({})),
            ),
            (
                "one of several audiences",
                self.token(&json!({}), &json!({"aud": ["other", AUDIENCE]})),
            ),
            (
                "expired within the leeway",
                self.token(&json!({}), &json!({"exp": late})),
            ),
            (
                "without nbf and iat",
                self.token(&json!({}), &json!({"nbf": null, "iat": null})),
            ),
        ]
    }

    /// All that must be refused.
    pub fn corpus(&self) -> Vec<Bad> {
        [
            self.unsigned(),
            self.under_public_keys(),
            self.under_other_keys(),
            self.of_headers(),
            self.of_claims(),
            self.doubled_and_nested(),
            self.of_times(),
            self.of_no_times(),
            self.of_forms(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn bad(name: impl Into<String>, token: String, why: Rejected) -> Bad {
    Bad {
        name: name.into(),
        token,
        why,
    }
}
