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

/// Blocks that are not of the public internet. The first that fits gives the name.
const BLOCKS: &[(Network, &str)] = &[
    (v4([0, 0, 0, 0], 8), "this network"),
    (v4([10, 0, 0, 0], 8), "private use"),
    (v4([100, 64, 0, 0], 10), "shared address space of providers"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    // The metadata of most clouds is at 169.254.169.254.
    (v4([169, 254, 0, 0], 16), "link local"),
    // Not in the registries: the wire server of a cloud, the same in every network of its customers.
    (v4([168, 63, 129, 16], 32), "a cloud's own service"),
    (v4([172, 16, 0, 0], 12), "private use"),
    (v4([192, 0, 0, 0], 24), "protocol assignments"),
    (v4([192, 0, 2, 0], 24), "documentation"),
    (v4([192, 88, 99, 0], 24), "relays of 6to4"),
    (v4([192, 168, 0, 0], 16), "private use"),
    (v4([198, 18, 0, 0], 15), "benchmarking"),
    (v4([198, 51, 100, 0], 24), "documentation"),
    (v4([203, 0, 113, 0], 24), "documentation"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    (v4([255, 255, 255, 255], 32), "limited broadcast"),
    (v4([240, 0, 0, 0], 4), "reserved"),
    (v6(Ipv6Addr::UNSPECIFIED, 128), "unspecified"),
    (v6(Ipv6Addr::LOCALHOST, 128), "loopback"),
    (v6(Ipv6Addr::UNSPECIFIED, 96), "IPv4-compatible"),
    (
        v6(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
        "translation for local use",
    ),
    (
        v6(Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 63),
        "discard only",
    ),
    (v6(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32), "Teredo"),
    (
        v6(Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48),
        "benchmarking",
    ),
    // AMT, AS112, ORCHID and what else has its place here.
    (
        v6(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
        "protocol assignments",
    ),
    (
        v6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
        "documentation",
    ),
    (v6(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), "6to4"),
    (
        v6(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
        "documentation",
    ),
    (
        v6(Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16),
        "segment routing",
    ),
    // A cloud's metadata is at fd00:ec2::254.
    (
        v6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
        "unique local",
    ),
    (
        v6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
        "link local",
    ),
    (
        v6(Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
        "site local",
    ),
    (
        v6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
        "multicast",
    ),
];

/// What is given to hosts at all.
const GLOBAL_UNICAST: Network = v6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// The well-known prefix of NAT64 (RFC 6052): the last 32 bits are the address that is meant.
const NAT64: Network = v6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

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
    let address = translated(address.to_canonical());
    let block = BLOCKS.iter().find(|(block, _)| block.contains(address));
    match block {
        Some((_, name)) => Some(name),
        None if address.is_ipv4() || GLOBAL_UNICAST.contains(address) => None,
        None => Some("not given to anybody"),
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

/// The address behind a translator that everybody knows, and any other as it is.
fn translated(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if NAT64.contains(address) => {
            let [.., a, b, c, d] = v6.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Network {
    Network::around(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix)
}

const fn v6(first: Ipv6Addr, prefix: u8) -> Network {
    Network::around(IpAddr::V6(first), prefix)
}

#[cfg(test)]
mod tests;
