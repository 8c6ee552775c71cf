//! What a limit costs when a million addresses ask: a program of its own, because it looks at how large the whole process is.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use sallyport_redis::Algorithm;
use sallyport_security::{Quota, RateLimiter};

const ADDRESSES: u32 = 1_000_000;
/// What `strangers.addresses_max` is by default.
const KEYS_MAX: usize = 65_536;

/// Bytes that a key may cost, with all that the map around it keeps free, for each way of counting.
const BYTES_PER_KEY: [(Algorithm, usize); 3] = [
    (Algorithm::TokenBucket, 96),
    (Algorithm::FixedWindow, 128),
    (Algorithm::SlidingWindow, 512),
];

#[test]
fn a_million_addresses_cost_what_the_remembered_ones_do() {
    let start = Instant::now();
    for (algorithm, bytes_per_key) in BYTES_PER_KEY {
        let quota = Quota::try_new(6_000, Duration::from_secs(60)).unwrap();
        let limiter = RateLimiter::new(quota.counted_by(algorithm), KEYS_MAX, start);
        let before = resident_bytes();

        flood(&limiter, 0, start);
        let first = resident_bytes().saturating_sub(before);
        flood(&limiter, ADDRESSES, start + Duration::from_secs(1));
        let second = resident_bytes().saturating_sub(before);

        assert!(limiter.key_count() <= KEYS_MAX);
        let most = KEYS_MAX * bytes_per_key;
        assert!(
            first <= most,
            "{algorithm:?}: {first} bytes, {most} at most"
        );
        assert!(
            second <= most,
            "{algorithm:?}: {second} bytes, {most} at most"
        );
        println!(
            "{algorithm:?}: {} bytes for each of {KEYS_MAX} keys",
            second / KEYS_MAX
        );
    }
}

/// A request of each of a million addresses, none of which was seen before.
fn flood(limiter: &RateLimiter<IpAddr>, first: u32, now: Instant) {
    for number in first..first + ADDRESSES {
        let [a, b, c, d] = number.to_be_bytes().map(u16::from);
        let address = Ipv6Addr::new(0x2001, 0xdb8, a << 8 | b, c << 8 | d, 0, 0, 0, 1);
        limiter.check(&IpAddr::V6(address), now);
    }
}

/// What the kernel keeps in memory of this process.
fn resident_bytes() -> usize {
    const PAGE_BYTES: usize = 4_096;
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let resident = pages.split(' ').nth(1).unwrap();
    resident.parse::<usize>().unwrap() * PAGE_BYTES
}
