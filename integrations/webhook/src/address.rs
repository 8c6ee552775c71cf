//! Which addresses belong to the public internet: globally routable unicast, and nothing else.
//!
//! Written against IANA's registries as of October 2025: *IPv4 Special-Purpose Address Registry* and *IPv6 Special-Purpose Address
//! Registry* (both RFC 6890), *IPv4 Multicast Address Space Registry*, *IPv6 Global Unicast Address Assignments*. Blocks which these
//! list as globally reachable and which are no host's, such as the anycast addresses of 192.0.0.0/24, are left out all the same:
//! nobody receives webhooks there. Of IPv6 only 2000::/3 is given to anybody, so the rest needs no list to be refused; it has
//! names here so that a refusal can say which.
//!
//! An address that carries another one is judged by what it carries where the way leads there (mapped addresses and the
//! well-known prefix of NAT64), and refused where a relay decides about it (6to4, Teredo). A NAT64 prefix of somebody's own
//! cannot be told from any other network; who runs one has to keep its inside out of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sallyport_security::addresses::Network;

/// Blocks of IPv4 that are not of the public internet: first address, prefix, name.
const IPV4: &[(Ipv4Addr, u8, &str)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private use"),
    (
        Ipv4Addr::new(100, 64, 0, 0),
        10,
        "shared address space of providers",
    ),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    // The metadata of most clouds is at 169.254.169.254.
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link local"),
    // Not in the registries: the wire server of a cloud, the same in every network of its customers.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "a cloud's own service"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private use"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "protocol assignments"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "relays of 6to4"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private use"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarking"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(255, 255, 255, 255), 32, "limited broadcast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// Blocks of IPv6 that are not of the public internet. The first that fits gives the name.
const IPV6: &[(Ipv6Addr, u8, &str)] = &[
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (Ipv6Addr::UNSPECIFIED, 96, "IPv4-compatible"),
    (
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0),
        48,
        "translation for local use",
    ),
    (
        Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0),
        63,
        "discard only",
    ),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, "Teredo"),
    (
        Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0),
        48,
        "benchmarking",
    ),
    // AMT, AS112, ORCHID and what else has its place here.
    (
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        23,
        "protocol assignments",
    ),
    (
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        32,
        "documentation",
    ),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "6to4"),
    (
        Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0),
        20,
        "documentation",
    ),
    (
        Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0),
        16,
        "segment routing",
    ),
    // A cloud's metadata is at fd00:ec2::254.
    (
        Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0),
        7,
        "unique local",
    ),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link local"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "site local"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
];

/// What is given to hosts at all.
const GLOBAL_UNICAST: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// The well-known prefix of NAT64 (RFC 6052): the last 32 bits are the address that is meant.
const NAT64: (Ipv6Addr, u8) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// An address that is not to be called. It does not say which: what a name of somebody's network leads to is theirs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it leads to an address that is not of the public internet ({block})")]
pub struct Forbidden {
    /// The block that it lies in, in a few words.
    pub block: &'static str,
}

/// The special-purpose block that an address lies in; none for globally routable unicast.
#[must_use]
pub fn special_purpose(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped().or_else(|| translated(v6)) {
            Some(carried) => special_v4(carried),
            None => special_v6(v6),
        },
    }
}

/// Whom this house may call: the public internet, and the networks that its operator has named.
#[derive(Debug, Clone, Default)]
pub struct Reach(Vec<Network>);

impl Reach {
    /// The public internet and these networks.
    #[must_use]
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// The address in the form in which it is to be connected to.
    ///
    /// # Errors
    /// When it is not to be called.
    pub fn judge(&self, address: IpAddr) -> Result<IpAddr, Forbidden> {
        let address = address.to_canonical();
        match special_purpose(address) {
            Some(block) if !self.0.iter().any(|network| network.contains(address)) => {
                Err(Forbidden { block })
            }
            Some(_) | None => Ok(address),
        }
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let found = IPV4
        .iter()
        .find(|(first, prefix, _)| shares_v4(address, *first, *prefix));
    found.map(|(_, _, name)| *name)
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let found = IPV6
        .iter()
        .find(|(first, prefix, _)| shares_v6(address, *first, *prefix));
    let (first, prefix) = GLOBAL_UNICAST;
    match found {
        Some((_, _, name)) => Some(*name),
        None if shares_v6(address, first, prefix) => None,
        None => Some("not given to anybody"),
    }
}

/// The address behind a translator that everybody knows.
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (first, prefix) = NAT64;
    let [.., a, b, c, d] = address.octets();
    shares_v6(address, first, prefix).then(|| Ipv4Addr::new(a, b, c, d))
}

/// Whether the first `prefix` bits are alike.
fn shares_v4(one: Ipv4Addr, other: Ipv4Addr, prefix: u8) -> bool {
    let differing = (one.to_bits() ^ other.to_bits()).leading_zeros();
    differing >= u32::from(prefix)
}

fn shares_v6(one: Ipv6Addr, other: Ipv6Addr, prefix: u8) -> bool {
    let differing = (one.to_bits() ^ other.to_bits()).leading_zeros();
    differing >= u32::from(prefix)
}

#[cfg(test)]
mod tests;
