//! What a token bucket promises, as examples and as properties.

use proptest::prelude::*;

use super::*;

fn quota(burst: u32, window_ms: u64) -> Quota {
    Quota::try_new(burst, Duration::from_millis(window_ms)).unwrap()
}

#[test]
fn a_bucket_gives_its_burst_and_then_says_when() {
    let start = Instant::now();
    let limiter = RateLimiter::new(quota(3, 3_000), 100, start);

    let given: Vec<_> = (0..3)
        .map(|_| limiter.check(&"a", start).remaining)
        .collect();
    let refused = limiter.check(&"a", start);

    assert_eq!(given, [2, 1, 0]);
    assert!(!refused.allowed);
    assert_eq!(refused.retry_after, Duration::from_secs(1));
    assert_eq!(refused.reset_after, Duration::from_secs(3));
    assert!(limiter.check(&"a", start + refused.retry_after).allowed);
}

#[test]
fn one_keys_flood_does_not_touch_another() {
    let start = Instant::now();
    let limiter = RateLimiter::new(quota(1, 1_000), 100, start);

    for _ in 0..1_000 {
        limiter.check(&"loud", start);
    }

    assert!(limiter.check(&"quiet", start).allowed);
}

#[test]
fn peeking_takes_nothing() {
    let start = Instant::now();
    let limiter = RateLimiter::new(quota(1, 1_000), 100, start);

    for _ in 0..10 {
        assert!(limiter.peek(&"a", start).allowed);
    }

    assert_eq!(limiter.key_count(), 0);
    assert!(limiter.check(&"a", start).allowed);
    assert!(!limiter.peek(&"a", start).allowed);
}

#[test]
fn a_million_strangers_cost_no_more_than_the_keys_allowed() {
    let start = Instant::now();
    let limiter = RateLimiter::new(quota(5, 60_000), 1_000, start);

    let allowed = (0..100_000u32)
        .filter(|stranger| limiter.check(stranger, start).allowed)
        .count();

    assert!(limiter.key_count() <= 1_000 + SHARDS);
    assert!(allowed <= 1_000 + SHARDS * (1 + 5), "{allowed}");
}

#[test]
fn keys_that_are_full_again_make_room() {
    let start = Instant::now();
    let limiter = RateLimiter::new(quota(1, 1_000), 16, start);
    for key in 0..200u32 {
        limiter.check(&key, start);
    }

    let later = start + Duration::from_secs(2);
    for key in 1_000..1_200u32 {
        limiter.check(&key, later);
    }

    assert!(limiter.key_count() <= 16 + SHARDS);
    assert!(limiter.peek(&0, later).allowed);
}

#[test]
fn a_quota_that_means_nothing_is_refused() {
    assert_eq!(Quota::try_new(0, Duration::from_secs(1)), Err(InvalidQuota));
    assert_eq!(Quota::try_new(1, Duration::ZERO), Err(InvalidQuota));
    assert_eq!(
        Quota::try_new(1, Duration::from_secs(90_000)),
        Err(InvalidQuota)
    );
}

proptest! {
    #[test]
    fn no_window_ever_sees_more_than_twice_the_burst(
        burst in 1u32..50,
        gaps_ms in proptest::collection::vec(0u64..200, 1..400),
    ) {
        let window = Duration::from_secs(1);
        let start = Instant::now();
        let limiter = RateLimiter::new(Quota::try_new(burst, window).unwrap(), 10, start);

        let mut now = start;
        let mut allowed = Vec::new();
        for gap in gaps_ms {
            now += Duration::from_millis(gap);
            if limiter.check(&(), now).allowed {
                allowed.push(now);
            }
        }

        for (index, first) in allowed.iter().enumerate() {
            let within = allowed.iter().skip(index).take_while(|at| **at < *first + window).count();
            prop_assert!(within <= 2 * burst as usize, "{within} of burst {burst}");
        }
    }

    #[test]
    fn whoever_waits_as_told_is_let_through(burst in 1u32..20, hurry_ms in 0u64..50) {
        let start = Instant::now();
        let limiter = RateLimiter::new(quota(burst, 1_000), 10, start);
        let mut now = start;
        for _ in 0..100 {
            let decision = limiter.check(&(), now);
            if !decision.allowed {
                prop_assert!(limiter.check(&(), now + decision.retry_after).allowed);
                now += decision.retry_after;
            }
            now += Duration::from_millis(hurry_ms);
        }
    }
}
