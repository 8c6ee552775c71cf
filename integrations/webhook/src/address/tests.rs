//! The first and the last address of every block, and their neighbours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// First and last address of a block, the block before it or `-`, and the block behind it or `-`, as the registries have them.
const EDGES: &[(&str, &str, &str, &str)] = &[
    ("0.0.0.0", "0.255.255.255", "", "1.0.0.0"),
    ("10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
    (
        "100.64.0.0",
        "100.127.255.255",
        "100.63.255.255",
        "100.128.0.0",
    ),
    (
        "127.0.0.0",
        "127.255.255.255",
        "126.255.255.255",
        "128.0.0.0",
    ),
    (
        "168.63.129.16",
        "168.63.129.16",
        "168.63.129.15",
        "168.63.129.17",
    ),
    (
        "169.254.0.0",
        "169.254.255.255",
        "169.253.255.255",
        "169.255.0.0",
    ),
    (
        "172.16.0.0",
        "172.31.255.255",
        "172.15.255.255",
        "172.32.0.0",
    ),
    ("192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"),
    ("192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"),
    (
        "192.88.99.0",
        "192.88.99.255",
        "192.88.98.255",
        "192.88.100.0",
    ),
    (
        "192.168.0.0",
        "192.168.255.255",
        "192.167.255.255",
        "192.169.0.0",
    ),
    (
        "198.18.0.0",
        "198.19.255.255",
        "198.17.255.255",
        "198.20.0.0",
    ),
    (
        "198.51.100.0",
        "198.51.100.255",
        "198.51.99.255",
        "198.51.101.0",
    ),
    (
        "203.0.113.0",
        "203.0.113.255",
        "203.0.112.255",
        "203.0.114.0",
    ),
    ("224.0.0.0", "255.255.255.255", "223.255.255.255", ""),
    ("::", "::fffe:ffff:ffff", "", ""),
    ("::1:0:0:0", "64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "", ""),
    (
        "64:ff9b::1:0:0",
        "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "",
        "2000::",
    ),
    (
        "2001::",
        "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:200::",
    ),
    (
        "2001:db8::",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db9::",
    ),
    (
        "2002::",
        "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2003::",
    ),
    (
        "3fff::",
        "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff:1000::",
    ),
    (
        "4000::",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "",
    ),
];

#[test]
fn every_block_is_refused_from_its_first_address_to_its_last_and_its_neighbours_are_not() {
    for (first, last, before, after) in EDGES {
        for inside in [first, last] {
            assert!(special_purpose(ip(inside)).is_some(), "{inside}");
        }
        for outside in [before, after].into_iter().filter(|text| !text.is_empty()) {
            assert_eq!(special_purpose(ip(outside)), None, "{outside}");
        }
    }
}

#[test]
fn every_block_of_the_table_has_its_own_name() {
    let named = [
        ("127.0.0.1", "loopback"),
        ("169.254.169.254", "link local"),
        ("255.255.255.255", "limited broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::7f00:1", "IPv4-compatible"),
        ("64:ff9b:1::a00:1", "translation for local use"),
        ("100::1", "discard only"),
        ("100:0:0:1::1", "discard only"),
        ("2001::1", "Teredo"),
        ("2001:2::1", "benchmarking"),
        ("2001:20::1", "protocol assignments"),
        ("2002:7f00:1::", "6to4"),
        ("5f00::1", "segment routing"),
        ("fd00:ec2::254", "unique local"),
        ("fe80::1", "link local"),
        ("fec0::1", "site local"),
        ("ff02::1", "multicast"),
        ("4000::1", "not given to anybody"),
    ];
    for (address, block) in named {
        assert_eq!(special_purpose(ip(address)), Some(block), "{address}");
    }
}

#[test]
fn an_address_that_carries_another_is_judged_by_it() {
    for (carrying, is_public) in [
        ("::ffff:127.0.0.1", false),
        ("::ffff:169.254.169.254", false),
        ("::ffff:8.8.8.8", true),
        ("64:ff9b::127.0.0.1", false),
        ("64:ff9b::a9fe:a9fe", false),
        ("64:ff9b::8.8.8.8", true),
    ] {
        assert_eq!(
            special_purpose(ip(carrying)).is_none(),
            is_public,
            "{carrying}"
        );
    }
}

#[test]
fn a_network_that_was_named_is_open_and_its_neighbours_are_not() {
    let reach = Reach::new(vec!["127.0.0.2/32".parse().expect("a network")]);

    assert_eq!(reach.judge(ip("127.0.0.2")), Ok(ip("127.0.0.2")));
    assert_eq!(reach.judge(ip("::ffff:127.0.0.2")), Ok(ip("127.0.0.2")));
    for closed in ["127.0.0.1", "127.0.0.3", "::1", "64:ff9b::127.0.0.2"] {
        assert!(reach.judge(ip(closed)).is_err(), "{closed}");
    }
}

proptest! {
    #[test]
    fn an_ipv4_address_is_judged_alike_however_it_is_wrapped(bits: u32) {
        let plain = Ipv4Addr::from_bits(bits);
        let judged = special_purpose(IpAddr::V4(plain));
        let prefix = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);
        let wrapped = Ipv6Addr::from_bits(prefix.to_bits() | u128::from(bits));

        prop_assert_eq!(special_purpose(IpAddr::V6(plain.to_ipv6_mapped())), judged);
        prop_assert_eq!(special_purpose(IpAddr::V6(wrapped)), judged);
    }

    #[test]
    fn what_the_standard_library_calls_special_is_refused(bits: u32) {
        let address = Ipv4Addr::from_bits(bits);
        let is_special = address.is_private() || address.is_loopback() || address.is_link_local() || address.is_multicast()
            || address.is_broadcast() || address.is_documentation() || address.is_unspecified();

        prop_assert!(!is_special || special_purpose(IpAddr::V4(address)).is_some());
    }

    #[test]
    fn what_is_not_global_unicast_of_ipv6_is_refused(bits: u128) {
        let address = Ipv6Addr::from_bits(bits);
        let carries = address.to_ipv4_mapped().is_some() || translated(IpAddr::V6(address)).is_ipv4();

        prop_assert!(carries || bits >> 125 == 1 || special_purpose(IpAddr::V6(address)).is_some());
    }

    #[test]
    fn whatever_is_let_through_is_special_to_nobody(bits: u128) {
        let judged = Reach::default().judge(IpAddr::V6(Ipv6Addr::from_bits(bits)));

        prop_assert!(judged.is_err() || judged.is_ok_and(|address| special_purpose(address).is_none()));
    }
}
