//! Access tokens: JSON web tokens by which a caller shows who it is, signed by somebody whose keys are in the settings.
//!
//! It exists so that a token is judged in one place, by rules that leave a token nothing to choose. Each key has one algorithm, and
//! what a token says about algorithms and keys is compared with that, never followed: a `kid` picks among the names of configured
//! keys, and a token that brings or points to a key of its own is refused for it. A time is a whole number, a token
//! lives for a bounded time, and nothing is decoded before its size is known. The arithmetic is for [`jsonwebtoken`] and aws-lc.
//!
//! Where a token stands in a request, and what a caller reads that shows a bad one, is for the edge.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation};
use serde::{Deserialize, Deserializer};

mod keys;
mod rejected;
mod self_test;
mod settings;

#[cfg(any(test, feature = "test-util"))]
pub mod corpus;

pub use keys::{TokenAlgorithm, UnfitTokenKey};
pub use rejected::Rejected;
pub use settings::{AccessTokenSettings, TokenKeySettings};

use keys::Key;

/// Bytes of a token. One of RS256 with a dozen claims has about 1 KiB; proxies on the way seldom carry more than 8 KiB of head.
pub const TOKEN_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a subject: it becomes a header field and a part of a limit's key.
const SUBJECT_BYTES_MAX: usize = 128;

/// Judges the tokens of one issuer.
///
/// One judgement costs what its signature costs: about 4 µs with HS256, 20–50 µs with the others (measured without optimisation).
pub struct AccessTokens {
    keys: Vec<Key>,
    /// In small letters and without `application/`.
    token_type: String,
    issuer: Arc<str>,
    leeway: Duration,
    lifetime_max: Duration,
}

/// Whom a token has named, and who vouches for it. Two subjects are the same person only under the same issuer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    issuer: Arc<str>,
    name: Arc<str>,
}

impl Subject {
    /// As its issuer calls it: 1–128 visible ASCII characters, so it can stand in a header field as it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who vouches for it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

/// It names a person.
impl std::fmt::Debug for Subject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl AccessTokens {
    /// Prepares the keys, and makes sure that signatures are judged as the standards say.
    ///
    /// # Errors
    /// When a key is none of its algorithm, or this build cannot judge signatures.
    pub fn try_new(settings: &AccessTokenSettings) -> Result<Self, UnfitTokenKey> {
        self_test::run()?;
        let key = |key: &TokenKeySettings| {
            let mut validation = Validation::new(key.algorithm.into());
            validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
            validation.set_audience(&settings.audience);
            validation.set_issuer(&[&settings.issuer]);
            validation.validate_nbf = true;
            validation.leeway = settings.leeway_seconds;
            Key::try_new(key, validation)
        };
        Ok(Self {
            keys: settings.keys.iter().map(key).collect::<Result<_, _>>()?,
            token_type: essence(&settings.token_type),
            issuer: Arc::from(settings.issuer.as_str()),
            leeway: Duration::from_secs(settings.leeway_seconds),
            lifetime_max: Duration::from_secs(settings.lifetime_seconds_max),
        })
    }

    /// Whom `token` names, if it is genuine, meant for us and valid at `now`. Expiry itself is judged by the system's clock.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn verify(&self, token: &[u8], now: SystemTime) -> Result<Subject, Rejected> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Rejected::TooLarge);
        }
        let header =
            jsonwebtoken::decode_header(token).map_err(|_unreadable| Rejected::Malformed)?;
        self.check_header(&header)?;
        let mut verdict = Err(Rejected::UnknownKey);
        for key in self.keys.iter().filter(|key| key.is_meant(&header)) {
            verdict = key.decode::<Claims>(token);
            // Only a token without a `kid` gets past the first one.
            if !matches!(verdict, Err(Rejected::Signature)) {
                break;
            }
        }
        self.check_claims(verdict?, now)
    }

    fn check_header(&self, header: &Header) -> Result<(), Rejected> {
        let brings_a_key = header.jku.is_some()
            || header.jwk.is_some()
            || header.x5u.is_some()
            || header.x5c.is_some();
        if brings_a_key {
            return Err(Rejected::BringsKey);
        }
        // Whoever does not understand a critical extension must refuse it (RFC 7515, 4.1.11); none is understood here.
        if header.crit.is_some() || header.zip.is_some() || header.enc.is_some() {
            return Err(Rejected::Critical);
        }
        let token_type = header.typ.as_deref().map(essence);
        if token_type.as_ref() != Some(&self.token_type) {
            return Err(Rejected::Type);
        }
        Ok(())
    }

    /// What the library does not ask.
    fn check_claims(&self, claims: Claims, now: SystemTime) -> Result<Subject, Rejected> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let soon = now.saturating_add(self.leeway);
        if Duration::from_secs(claims.exp) > soon.saturating_add(self.lifetime_max) {
            return Err(Rejected::LivesTooLong);
        }
        if claims
            .iat
            .is_some_and(|iat| Duration::from_secs(iat) > soon)
        {
            return Err(Rejected::NotYetValid);
        }
        let is_visible = claims.sub.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_visible || !(1..=SUBJECT_BYTES_MAX).contains(&claims.sub.len()) {
            return Err(Rejected::Subject);
        }
        Ok(Subject {
            issuer: Arc::clone(&self.issuer),
            name: Arc::from(claims.sub),
        })
    }
}

/// What is read of a token. A claim that stands there twice, or is of another kind, makes it unreadable; others do not matter.
#[derive(Deserialize)]
struct Claims {
    exp: u64,
    sub: String,
    #[serde(default, deserialize_with = "whole_number")]
    iat: Option<u64>,
    #[serde(default, deserialize_with = "whole_number")]
    #[expect(
        dead_code,
        reason = "the library compares it; here it must be a whole number"
    )]
    nbf: Option<u64>,
    #[expect(
        dead_code,
        reason = "the library compares it; here it must be one text"
    )]
    iss: String,
    #[expect(
        dead_code,
        reason = "the library compares it; here it must stand there once"
    )]
    aud: Audience,
}

#[derive(Deserialize)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "the library compares it; here it must be one or several texts"
)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// A claim that may be missing, but not be something else: `null` is no number.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    u64::deserialize(deserializer).map(Some)
}

/// A type as it is compared: RFC 7515 (4.1.9) lets `application/` be left out and is blind to case.
fn essence(token_type: &str) -> String {
    let small = token_type.to_ascii_lowercase();
    match small.strip_prefix("application/") {
        Some(rest) => rest.to_owned(),
        None => small,
    }
}

/// The library's reason as ours.
fn reason(kind: &ErrorKind) -> Rejected {
    match kind {
        ErrorKind::InvalidSignature => Rejected::Signature,
        ErrorKind::InvalidAlgorithm => Rejected::UnknownKey,
        ErrorKind::ExpiredSignature => Rejected::Expired,
        ErrorKind::ImmatureSignature => Rejected::NotYetValid,
        ErrorKind::InvalidIssuer => Rejected::Issuer,
        ErrorKind::InvalidAudience => Rejected::Audience,
        ErrorKind::MissingRequiredClaim(_)
        | ErrorKind::InvalidClaimFormat(_)
        | ErrorKind::Json(_) => Rejected::Claims,
        _ => Rejected::Malformed,
    }
}

#[cfg(test)]
mod tests;
