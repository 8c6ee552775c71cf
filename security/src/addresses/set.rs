//! Many networks to look one address up in.
//!
//! It exists because a deny list may hold a hundred thousand networks and is asked for every connection. A lookup costs one hash per
//! prefix length that occurs in the list, seldom more than ten, however many networks there are.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::SystemTime;

use super::Network;

/// Networks, each for ever or until a moment.
#[derive(Clone, Debug, Default)]
pub struct NetworkSet {
    v4: Family,
    v6: Family,
}

/// By prefix length: the networks, and until when each counts.
type Family = BTreeMap<u8, HashMap<IpAddr, Option<SystemTime>>>;

impl NetworkSet {
    /// Adds a network that counts until a moment, or for ever. Twice the same counts as long as the longer one.
    pub fn insert(&mut self, network: Network, until: Option<SystemTime>) {
        let family = match network.address {
            IpAddr::V4(_) => &mut self.v4,
            IpAddr::V6(_) => &mut self.v6,
        };
        let length = family.entry(network.prefix).or_default();
        let known = length.entry(network.address).or_insert(until);
        *known = match (*known, until) {
            (Some(known), Some(until)) => Some(known.max(until)),
            (None, _) | (_, None) => None,
        };
    }

    /// Whether `address` lies in a network that counts now. IPv4 wrapped in IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr, now: impl FnOnce() -> SystemTime) -> bool {
        let address = address.to_canonical();
        let family = match address {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        };
        let mut found = family.iter().filter_map(|(prefix, networks)| {
            networks.get(&super::masked(address, *prefix)).copied()
        });
        let Some(first) = found.next() else {
            return false;
        };
        // Most addresses are in no network, so the clock is not read for them.
        let now = now();
        std::iter::once(first)
            .chain(found)
            .any(|until| until.is_none_or(|until| now < until))
    }

    /// How many networks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let families = self.v4.values().chain(self.v6.values());
        families.map(HashMap::len).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

impl FromIterator<Network> for NetworkSet {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        let mut set = Self::default();
        networks
            .into_iter()
            .for_each(|network| set.insert(network, None));
        set
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_network_counts_until_its_moment() {
        let mut set = NetworkSet::default();
        set.insert(network("192.0.2.0/24"), Some(at(100)));
        set.insert(network("192.0.2.7"), None);
        let has = |address: &str, seconds| set.contains(address.parse().unwrap(), || at(seconds));

        assert!(has("192.0.2.1", 99));
        assert!(!has("192.0.2.1", 100));
        assert!(has("192.0.2.7", 100));
        assert!(has("::ffff:192.0.2.7", 100));
        assert!(!has("192.0.3.7", 0));
        assert_eq!(set.len(), 2);
    }

    #[test]
    fn of_two_moments_the_later_one_counts() {
        let mut set = NetworkSet::default();
        for until in [Some(at(5)), Some(at(9)), Some(at(7))] {
            set.insert(network("2001:db8::/32"), until);
        }
        let has = |seconds| set.contains("2001:db8::1".parse().unwrap(), || at(seconds));

        assert!(has(8) && !has(9));
        set.insert(network("2001:db8::/32"), None);
        assert!(set.contains("2001:db8::1".parse().unwrap(), || at(u32::MAX.into())));
    }

    proptest! {
        #[test]
        fn it_answers_as_a_walk_over_the_list_does(
            networks in prop::collection::vec((any::<u32>(), 0u8..=32), 0..40),
            addresses in prop::collection::vec(any::<u32>(), 1..40),
        ) {
            let network = |(bits, prefix): (u32, u8)| {
                let address = super::super::masked(IpAddr::V4(bits.into()), prefix);
                network(&format!("{address}/{prefix}"))
            };
            let list: Vec<Network> = networks.iter().copied().map(network).collect();
            let set: NetworkSet = list.iter().copied().collect();
            // Some of the addresses lie in the networks.
            let inside = networks.iter().map(|(bits, _)| *bits ^ 1);
            for bits in addresses.into_iter().chain(inside) {
                let address = IpAddr::V4(bits.into());
                let expected = list.iter().any(|network| network.contains(address));
                prop_assert_eq!(set.contains(address, || at(0)), expected);
            }
        }
    }
}
