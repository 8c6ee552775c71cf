//! What an operator can set about the access tokens of a route.

use std::collections::HashSet;

use serde::Deserialize;
use validator::{Validate, ValidationError};

use super::AccessTokens;
use super::keys::TokenAlgorithm;
use crate::secret::Secret;

/// Keys that count at the same time: two while one is exchanged, for each of several services of an issuer.
const KEYS_MAX: usize = 8;
/// Of access tokens by RFC 9068, so that no ID token and no refresh token of the same issuer is taken for one.
const TOKEN_TYPE: &str = "at+jwt";
/// Clocks that are kept by NTP differ by less than a second; this is for those that are not.
const LEEWAY_SECONDS: u64 = 30;
/// Four times the quarter of an hour that an access token should live.
const LIFETIME_SECONDS_MAX: u64 = 3_600;

/// Which access tokens a route believes. A field of `keys` is a secret, so no check of a single field may see it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[validate(
    schema(function = "names_are_sound"),
    schema(function = "keys_are_sound")
)]
pub struct AccessTokenSettings {
    /// Who issues them: `iss` must be exactly this.
    #[validate(length(min = 1, max = 256, message = "must be 1–256 bytes"))]
    pub issuer: String,
    /// What they must be meant for: `aud` must name one of these.
    #[validate(length(min = 1, max = 8, message = "must be one to eight"))]
    pub audience: Vec<String>,
    /// Their `typ`.
    #[serde(default = "default_token_type", rename = "type")]
    #[validate(length(min = 1, max = 64, message = "must be 1–64 bytes"))]
    pub token_type: String,
    /// How far the issuer's clock and ours may be apart.
    #[serde(default = "default_leeway_seconds")]
    #[validate(range(max = 60, message = "must be at most 60 s"))]
    pub leeway_seconds: u64,
    /// How far ahead `exp` may lie.
    #[serde(default = "default_lifetime_seconds_max")]
    #[validate(range(min = 1, max = 86_400, message = "must be 1–86400 s"))]
    pub lifetime_seconds_max: u64,
    /// Whose signatures are believed.
    pub keys: Vec<TokenKeySettings>,
    /// Whether what stands behind the edge gets the token, too, and not only whom it names.
    #[serde(default)]
    pub hand_on: bool,
}

/// A key under which tokens are signed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKeySettings {
    /// Its name: the `kid` of tokens that name one.
    pub id: String,
    /// The one algorithm that it is for.
    pub algorithm: TokenAlgorithm,
    /// For HS256 the secret, of at least 32 bytes; else the public key as PEM (`BEGIN PUBLIC KEY`).
    pub key: Secret,
}

fn default_token_type() -> String {
    TOKEN_TYPE.to_owned()
}

fn default_leeway_seconds() -> u64 {
    LEEWAY_SECONDS
}

fn default_lifetime_seconds_max() -> u64 {
    LIFETIME_SECONDS_MAX
}

fn refuse(code: &'static str, message: impl Into<String>) -> ValidationError {
    ValidationError::new(code).with_message(message.into().into())
}

fn names_are_sound(settings: &AccessTokenSettings) -> Result<(), ValidationError> {
    match settings.audience.iter().any(String::is_empty) {
        true => Err(refuse("audience", "audience must not hold an empty name")),
        false => Ok(()),
    }
}

fn keys_are_sound(settings: &AccessTokenSettings) -> Result<(), ValidationError> {
    let keys = &settings.keys;
    let ids: HashSet<_> = keys.iter().map(|key| key.id.as_str()).collect();
    let named = |key: &TokenKeySettings| (1..=128).contains(&key.id.len());
    if keys.is_empty() || keys.len() > KEYS_MAX || ids.len() < keys.len() || !keys.iter().all(named)
    {
        let message =
            format!("keys must be 1–{KEYS_MAX}, each with an id of its own of 1–128 bytes");
        return Err(refuse("keys", message));
    }
    match AccessTokens::try_new(settings) {
        Ok(_) => Ok(()),
        Err(unfit) => Err(refuse("key", unfit.to_string())),
    }
}
