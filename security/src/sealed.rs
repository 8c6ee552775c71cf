//! Files that only whoever knows a password may read: Fernet under a key that PBKDF2 derives from the password.
//!
//! It exists for what must survive the machine that it belongs to, such as a backup of the configuration and its secrets. A
//! sealed text is JSON: how the key is derived, the salt, the number of rounds, and a Fernet token. What the value is called
//! and its version stand *inside* the token, so that one sealed file cannot be put in the place of another. Where the password
//! comes from and what the bytes mean is for the caller; so is telling a damaged file from a wrong password, which nothing
//! sealed can tell apart by itself (keep a checksum beside it).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use fernet::Fernet;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::Secret;

/// Rounds of PBKDF2 for a new value: OWASP's number of 2023 for HMAC-SHA-256, about half a second on a laptop.
pub const ROUNDS: u32 = 600_000;
/// More than this in a file that claims to be ours is an attempt to keep us busy.
const ROUNDS_MAX: u32 = 20_000_000;
/// Bytes of a salt.
const SALT_BYTES: usize = 16;
const FORMAT: u32 = 1;
const DERIVATION: &str = "pbkdf2-hmac-sha256";
const MAGIC: &[u8] = b"sallyport sealed\n";

/// What a sealed value is; it opens under exactly this and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Title<'a> {
    /// Its name, such as `backup settings 20261121T031500Z`.
    pub name: &'a str,
    /// The version of what is in it.
    pub version: u32,
}

/// Why nothing was sealed: a fault of ours or of the system's source of randomness.
#[derive(Debug, thiserror::Error)]
#[error("the value could not be sealed")]
pub struct SealError;

/// Why a sealed value stays shut.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OpenError {
    /// This is no sealed text, or one of a later format.
    #[error("this is no sealed value of a known format")]
    Malformed,
    /// Derived with fewer rounds than we accept, or with absurdly many.
    #[error("the key of this value is derived with {rounds} rounds, which is not acceptable")]
    Rounds {
        /// How many it says.
        rounds: u32,
    },
    /// The password is wrong (or the value was changed since it was sealed).
    #[error("the password is wrong")]
    WrongPassword,
    /// The password is right and the value is another one.
    #[error("this is another value than the one asked for")]
    AnotherValue,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    format: u32,
    derivation: String,
    rounds: u32,
    salt: String,
    token: String,
}

/// Seals `bytes` with [`ROUNDS`] rounds and a fresh salt. Takes about half a second of processor time by design.
///
/// # Errors
/// Never in practice; see [`SealError`].
pub fn seal(password: &Secret, title: Title<'_>, bytes: &[u8]) -> Result<String, SealError> {
    let salt: [u8; SALT_BYTES] = rand::random();
    let token = cipher(password, &salt, ROUNDS)
        .ok_or(SealError)?
        .encrypt(&inside(title, bytes));
    let envelope = Envelope {
        format: FORMAT,
        derivation: DERIVATION.to_owned(),
        rounds: ROUNDS,
        salt: URL_SAFE.encode(salt),
        token,
    };
    serde_json::to_string(&envelope).map_err(|_| SealError)
}

/// Opens what [`seal`] made.
///
/// # Errors
/// See [`OpenError`]. None of them says anything about the content.
pub fn open(
    password: &Secret,
    title: Title<'_>,
    sealed: &str,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let envelope: Envelope = serde_json::from_str(sealed).map_err(|_| OpenError::Malformed)?;
    if envelope.format != FORMAT || envelope.derivation != DERIVATION {
        return Err(OpenError::Malformed);
    }
    let rounds = envelope.rounds;
    if !(ROUNDS..=ROUNDS_MAX).contains(&rounds) {
        return Err(OpenError::Rounds { rounds });
    }
    let salt = URL_SAFE
        .decode(&envelope.salt)
        .map_err(|_| OpenError::Malformed)?;
    let opened = cipher(password, &salt, rounds)
        .ok_or(OpenError::Malformed)?
        .decrypt(&envelope.token)
        .map_err(|_| OpenError::WrongPassword)?;
    let opened = Zeroizing::new(opened);
    opened
        .strip_prefix(heading(title).as_slice())
        .map(|bytes| Zeroizing::new(bytes.to_vec()))
        .ok_or(OpenError::AnotherValue)
}

fn cipher(password: &Secret, salt: &[u8], rounds: u32) -> Option<Fernet> {
    let mut key = Zeroizing::new([0_u8; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(
        password.expose().as_bytes(),
        salt,
        rounds,
        key.as_mut_slice(),
    );
    Fernet::new(&Zeroizing::new(URL_SAFE.encode(key.as_slice())))
}

fn inside(title: Title<'_>, bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut inside = heading(title);
    inside.extend_from_slice(bytes);
    Zeroizing::new(inside)
}

/// The name's length stands before the name, so no two titles have one heading.
fn heading(title: Title<'_>) -> Vec<u8> {
    let length = u64::try_from(title.name.len()).unwrap_or(u64::MAX);
    let mut heading = MAGIC.to_vec();
    heading.extend_from_slice(&length.to_be_bytes());
    heading.extend_from_slice(title.name.as_bytes());
    heading.extend_from_slice(&title.version.to_be_bytes());
    heading
}

#[cfg(test)]
mod tests;
