//! A string that must not be seen: tokens, webhook secrets, connection strings with passwords.
//!
//! It exists because a derived `Debug` is all it takes to put a token into a log. The value leaves through
//! [`Secret::expose`] alone, which is easy to search for. Where secrets come from is for the binary.

use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::compare::constant_time_eq;

/// What is printed in place of a secret.
const REDACTED: &str = "[redacted]";

/// A secret string. Prints itself as `[redacted]`, cannot be serialised, is wiped from memory when dropped
/// and compares in constant time.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps `value`. The caller's own copies, if any, stay the caller's to wipe.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself. Every call is a place where it could leave the house: keep them few.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no secret at all, which is what an unset variable becomes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(self.expose().as_bytes(), other.expose().as_bytes())
    }
}

impl Eq for Secret {}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::new("1000001:playground");

        assert_eq!(format!("{secret}"), "[redacted]");
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(format!("{:#?}", Some(&secret)), "Some(\n    [redacted],\n)");
    }

    #[test]
    fn a_secret_is_read_from_a_plain_string() {
        let secret: Secret = serde_json::from_str("\"s3cret\"").unwrap();

        assert_eq!(secret.expose(), "s3cret");
        assert_eq!(secret, Secret::from("s3cret"));
        assert_ne!(secret, Secret::from("s3cre"));
        assert!(Secret::default().is_empty());
    }
}
