//! Comparison that takes the same time wherever two values differ.
//!
//! It exists because a comparison that stops at the first wrong byte tells a patient stranger how many bytes
//! were right. Both sides are hashed first, so their lengths stay hidden too, and no order of bytes a stranger
//! controls reaches the comparison itself.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// Whether `left` and `right` are equal, in a time that depends on their lengths alone and
/// not on where they differ.
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    Digest::of(left).matches(right)
}

/// The fingerprint of a secret, computed once, so that comparing a stranger's value with it hashes that value only. It has no `==`:
///
/// ```compile_fail,E0369
/// use sallyport_security::Digest;
///
/// assert!(Digest::of(b"key") == Digest::of(b"key"));
/// ```
#[derive(Clone)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Fingerprints `secret`.
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Whether `candidate` is the secret this fingerprint was made of; constant time as [`constant_time_eq`].
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.equals(&Self::of(candidate))
    }

    /// Whether it is one of `keys`. Every key is compared, so that the time does not tell which one is current.
    pub fn is_one_of(&self, keys: &[Self]) -> bool {
        keys.iter()
            .fold(false, |found, key| key.equals(self) | found)
    }

    fn equals(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_agrees_with_plain_equality(left in proptest::collection::vec(any::<u8>(), 0..40), right in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(constant_time_eq(&left, &right), left == right);
            prop_assert!(constant_time_eq(&left, &left));
        }
    }

    #[test]
    fn a_candidate_is_found_wherever_it_stands() {
        let keys = [b"one", b"two"].map(|key| Digest::of(key));

        assert!(Digest::of(b"one").is_one_of(&keys));
        assert!(Digest::of(b"two").is_one_of(&keys));
        assert!(!Digest::of(b"six").is_one_of(&keys));
        assert!(!Digest::of(b"one").is_one_of(&[]));
    }

    #[test]
    fn a_fingerprint_prints_nothing() {
        assert_eq!(format!("{:?}", Digest::of(b"key")), "[redacted]");
    }
}
