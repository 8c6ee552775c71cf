//! Network addresses as the house may use them: whole for limits, shortened for everything that is written down.
//!
//! It exists so that no log line, span or alert carries a person's address, and so that a limit by address
//! cannot be walked around by hopping through the 2^64 addresses that every IPv6 customer owns.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

mod set;

pub use set::NetworkSet;

/// The address by which a peer is limited: IPv4 whole, IPv6 by its /64, and an IPv4 address that comes
/// wrapped in IPv6 as the IPv4 address it is.
pub fn limit_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(mask_v6(v6, 64)),
    }
}

/// The address as logs and spans may carry it: IPv4 cut to its /24, IPv6 to its /48.
pub fn truncated(address: IpAddr) -> Network {
    match address.to_canonical() {
        IpAddr::V4(v4) => Network {
            address: IpAddr::V4(mask_v4(v4, 24)),
            prefix: 24,
        },
        IpAddr::V6(v6) => Network {
            address: IpAddr::V6(mask_v6(v6, 48)),
            prefix: 48,
        },
    }
}

/// A network in the form `192.0.2.0/24` or `2001:db8::/32`; a bare address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of this size that the address lies in. A prefix that is longer than an address is as long as one.
    #[must_use]
    pub const fn around(address: IpAddr, prefix: u8) -> Self {
        Self {
            address: masked(address, prefix),
            prefix,
        }
    }

    /// Whether `address` lies in this network. IPv4 wrapped in IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(other)) => mask_v4(other, self.prefix) == network,
            (IpAddr::V6(network), IpAddr::V6(other)) => mask_v6(other, self.prefix) == network,
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Why a text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The part before the slash is no IP address.
    #[error("{0:?} is not an IP address")]
    Address(String),
    /// The part after the slash is no prefix length of this family.
    #[error("{0:?} is not a prefix length of this address family")]
    Prefix(String),
    /// Bits beyond the prefix are set: probably a typing mistake, so it is not silently repaired.
    #[error("{0} has bits set beyond its prefix")]
    HostBits(String),
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address_text, prefix_text) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address = IpAddr::from_str(address_text)
            .map_err(|_| NetworkError::Address(address_text.to_owned()))?
            .to_canonical();
        let widest: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix_text {
            None => widest,
            Some(digits) => digits
                .parse::<u8>()
                .ok()
                .filter(|prefix| *prefix <= widest)
                .ok_or_else(|| NetworkError::Prefix(digits.to_owned()))?,
        };
        if masked(address, prefix) == address {
            Ok(Self { address, prefix })
        } else {
            Err(NetworkError::HostBits(text.to_owned()))
        }
    }
}

impl<'de> serde::Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

const fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4(mask_v4(v4, prefix)),
        IpAddr::V6(v6) => IpAddr::V6(mask_v6(v6, prefix)),
    }
}

const fn mask_v4(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let host_bits = 32u32.saturating_sub(prefix as u32);
    let mask = match u32::MAX.checked_shl(host_bits) {
        Some(mask) => mask,
        None => 0,
    };
    Ipv4Addr::from_bits(address.to_bits() & mask)
}

const fn mask_v6(address: Ipv6Addr, prefix: u8) -> Ipv6Addr {
    let host_bits = 128u32.saturating_sub(prefix as u32);
    let mask = match u128::MAX.checked_shl(host_bits) {
        Some(mask) => mask,
        None => 0,
    };
    Ipv6Addr::from_bits(address.to_bits() & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_down_is_cut_to_24_and_48_bits() {
        assert_eq!(truncated(ip("203.0.113.77")).to_string(), "203.0.113.0/24");
        assert_eq!(
            truncated(ip("::ffff:203.0.113.77")).to_string(),
            "203.0.113.0/24"
        );
        assert_eq!(
            truncated(ip("2001:db8:1:2:3::4")).to_string(),
            "2001:db8:1::/48"
        );
    }

    #[test]
    fn hopping_inside_a_64_changes_no_limit() {
        assert_eq!(
            limit_key(ip("2001:db8::1")),
            limit_key(ip("2001:db8::ffff:1"))
        );
        assert_ne!(
            limit_key(ip("2001:db8::1")),
            limit_key(ip("2001:db8:0:1::1"))
        );
        assert_eq!(limit_key(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }

    #[test]
    fn a_network_knows_its_members() {
        let telegram: Network = "149.154.160.0/20".parse().unwrap();
        assert!(telegram.contains(ip("149.154.175.255")));
        assert!(telegram.contains(ip("::ffff:149.154.160.1")));
        assert!(!telegram.contains(ip("149.154.176.0")));
        assert!(
            "0.0.0.0/0"
                .parse::<Network>()
                .unwrap()
                .contains(ip("8.8.8.8"))
        );
        assert!("::1".parse::<Network>().unwrap().contains(ip("::1")));
    }

    #[test]
    fn a_mistyped_network_is_refused_with_its_reason() {
        assert_eq!(
            "10.0.0.1/8".parse::<Network>(),
            Err(NetworkError::HostBits("10.0.0.1/8".into()))
        );
        assert_eq!(
            "10.0.0.0/33".parse::<Network>(),
            Err(NetworkError::Prefix("33".into()))
        );
        assert_eq!(
            "ten/8".parse::<Network>(),
            Err(NetworkError::Address("ten".into()))
        );
    }
}
