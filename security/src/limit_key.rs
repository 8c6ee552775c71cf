//! Whom a request counts for under a limit: sixteen bytes, whatever the limit tells apart.
//!
//! It exists so that a limit by address, one by API key and one by person and route are counted in the same maps at the same
//! cost, and so that no key, no name and no number of a person stands in Redis or in a dump of our memory.

use std::fmt;
use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

use crate::addresses;

/// One of those that a limit counts apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitKey([u8; 16]);

impl LimitKey {
    /// For a limit that tells nobody apart.
    pub const ALL: Self = Self([0; 16]);

    /// A peer: IPv4 whole, IPv6 by its /64. Costs no hashing, since it stands in the way of a flood.
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        let address = match addresses::limit_key(address) {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self(address.octets())
    }

    /// Everything that a limit tells apart by, in its order: the first half of a SHA-256 over the parts, each behind its
    /// length, so that two different lists never read alike. The same in every process. Below a microsecond.
    #[must_use]
    pub fn of<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part.len().to_le_bytes());
            hasher.update(part);
        }
        let mut key = [0; 16];
        key.iter_mut()
            .zip(hasher.finalize())
            .for_each(|(byte, hashed)| *byte = hashed);
        Self(key)
    }
}

impl From<&str> for LimitKey {
    /// A limit that tells apart by one name.
    fn from(name: &str) -> Self {
        Self::of([name.as_bytes()])
    }
}

/// As it stands in Redis: 32 hexadecimal digits.
impl fmt::Display for LimitKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for LimitKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LimitKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_as_its_owner() {
        let key = |text: &str| LimitKey::of_address(text.parse().unwrap());

        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:2"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    }

    #[test]
    fn lists_of_parts_that_join_alike_are_different() {
        let of = |parts: &[&str]| LimitKey::of(parts.iter().map(|part| part.as_bytes()));

        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        assert_ne!(of(&["ab", ""]), of(&["a", "b"]));
        assert_ne!(of(&["ab"]), of(&["a", "b"]));
        assert_eq!(LimitKey::from("a"), of(&["a"]));
    }

    #[test]
    fn what_stands_in_redis_does_not_name_anybody() {
        let text = LimitKey::from("a-secret-key").to_string();

        assert_eq!(text.len(), 32);
        assert!(text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
