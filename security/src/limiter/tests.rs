//! What the algorithms promise, as examples and as properties.

use proptest::prelude::*;

use super::*;

fn quota(burst: u32, window_ms: u64) -> Quota {
    Quota::try_new(burst, Duration::from_millis(window_ms)).unwrap()
}

const ALGORITHMS: [Algorithm; 3] = [
    Algorithm::TokenBucket,
    Algorithm::SlidingWindow,
    Algorithm::FixedWindow,
];

/// Asks again and again, each time so much later; returns when it was allowed, in milliseconds.
fn allowed_at(quota: Quota, gaps_ms: &[u64]) -> Vec<u64> {
    let start = Instant::now();
    let limiter = RateLimiter::new(quota, 10, start);
    let mut now = 0;
    let mut allowed = Vec::new();
    for gap in gaps_ms {
        now += gap;
        if limiter
            .check(&(), start + Duration::from_millis(now))
            .allowed
        {
            allowed.push(now);
        }
    }
    allowed
}

/// The most that passed within any window of this length.
fn most_within(allowed: &[u64], window_ms: u64) -> usize {
    let within = |(index, first): (usize, &u64)| {
        let later = allowed.iter().skip(index);
        later.take_while(|at| **at < first + window_ms).count()
    };
    allowed.iter().enumerate().map(within).max().unwrap_or(0)
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
    for algorithm in ALGORITHMS {
        let start = Instant::now();
        let limiter = RateLimiter::new(quota(1, 1_000).counted_by(algorithm), 100, start);

        for _ in 0..1_000 {
            limiter.check(&"loud", start);
        }

        assert!(limiter.check(&"quiet", start).allowed, "{algorithm:?}");
    }
}

#[test]
fn peeking_takes_nothing() {
    for algorithm in ALGORITHMS {
        let start = Instant::now();
        let limiter = RateLimiter::new(quota(1, 1_000).counted_by(algorithm), 100, start);

        let peeked = limiter.peek(&"a", start);
        for _ in 0..10 {
            assert_eq!(limiter.peek(&"a", start), peeked, "{algorithm:?}");
        }

        assert_eq!(limiter.key_count(), 0);
        assert_eq!(limiter.check(&"a", start), peeked, "{algorithm:?}");
        assert!(!limiter.peek(&"a", start).allowed, "{algorithm:?}");
    }
}

#[test]
fn a_million_strangers_cost_no_more_than_the_keys_allowed() {
    for algorithm in ALGORITHMS {
        let start = Instant::now();
        let limiter = RateLimiter::new(quota(5, 60_000).counted_by(algorithm), 1_000, start);

        let allowed = (0..1_000_000u32)
            .filter(|stranger| limiter.check(stranger, start).allowed)
            .count();

        assert!(limiter.key_count() <= 1_000 + SHARDS);
        assert!(
            allowed <= 1_000 + SHARDS * (1 + 5),
            "{algorithm:?}: {allowed}"
        );
    }
}

#[test]
fn a_flood_of_strangers_frees_nobody_who_is_limited() {
    for algorithm in ALGORITHMS {
        let start = Instant::now();
        let limiter = RateLimiter::new(quota(1, 60_000).counted_by(algorithm), 1_000, start);
        assert!(limiter.check(&u32::MAX, start).allowed);

        for stranger in 0..100_000 {
            limiter.check(&stranger, start + Duration::from_secs(30));
        }

        let later = start + Duration::from_secs(59);
        assert!(!limiter.check(&u32::MAX, later).allowed, "{algorithm:?}");
    }
}

#[test]
fn keys_that_are_full_again_make_room() {
    for algorithm in ALGORITHMS {
        let start = Instant::now();
        let limiter = RateLimiter::new(quota(1, 1_000).counted_by(algorithm), 16, start);
        for key in 0..200u32 {
            limiter.check(&key, start);
        }

        let later = start + Duration::from_secs(2);
        for key in 1_000..1_200u32 {
            limiter.check(&key, later);
        }

        assert!(limiter.key_count() <= 16 + SHARDS);
        assert_eq!(limiter.key_count(), 16, "{algorithm:?}");
        let much_later = start + Duration::from_secs(4);
        assert!(limiter.peek(&0, much_later).allowed, "{algorithm:?}");
    }
}

#[test]
fn a_look_says_what_asking_would_when_nobody_else_is_remembered() {
    for algorithm in ALGORITHMS {
        let start = Instant::now();
        let limiter = RateLimiter::new(quota(1, 60_000).counted_by(algorithm), 16, start);
        for stranger in 0..1_000u32 {
            limiter.check(&stranger, start);
        }

        let newcomers = 1_000..1_100u32;

        for newcomer in newcomers {
            assert!(!limiter.peek(&newcomer, start).allowed, "{algorithm:?}");
            assert!(!limiter.check(&newcomer, start).allowed, "{algorithm:?}");
        }
    }
}

#[test]
fn a_fixed_window_begins_with_its_first_request() {
    let quota = quota(2, 1_000).counted_by(Algorithm::FixedWindow);

    let allowed = allowed_at(quota, &[5_300, 0, 0, 999, 1, 0, 0]);

    assert_eq!(allowed, [5_300, 5_300, 6_300, 6_300]);
}

#[test]
fn a_sliding_window_gives_back_what_is_a_window_old() {
    let quota = quota(2, 6_400).counted_by(Algorithm::SlidingWindow);

    // At 0 and at 3,000; the first comes back within a sixty-fourth (100 ms) of 6,400, the second of 9,400.
    let allowed = allowed_at(quota, &[0, 3_000, 0, 3_399, 101, 0, 2_899, 101]);

    assert_eq!(allowed, [0, 3_000, 6_500, 9_500]);
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
        for algorithm in [Algorithm::TokenBucket, Algorithm::FixedWindow] {
            let allowed = allowed_at(quota(burst, 1_000).counted_by(algorithm), &gaps_ms);

            let most = most_within(&allowed, 1_000);
            prop_assert!(most <= 2 * burst as usize, "{algorithm:?}: {most} of burst {burst}");
        }
    }

    #[test]
    fn a_sliding_window_never_sees_more_than_its_quota(
        burst in 1u32..50,
        window_ms in 1u64..3_000,
        gaps_ms in proptest::collection::vec(0u64..200, 1..400),
    ) {
        let quota = quota(burst, window_ms).counted_by(Algorithm::SlidingWindow);

        let allowed = allowed_at(quota, &gaps_ms);

        let most = most_within(&allowed, window_ms);
        prop_assert!(most <= burst as usize, "{most} of {burst}");
    }

    /// The model remembers every request, and forgets it a sixty-fourth of a window late.
    #[test]
    fn a_sliding_window_refuses_only_what_its_quota_and_a_slice_more_would(
        burst in 1u32..50,
        gaps_ms in proptest::collection::vec(0u64..200, 1..400),
    ) {
        const WINDOW: u64 = 6_400;
        let quota = quota(burst, WINDOW).counted_by(Algorithm::SlidingWindow);

        let allowed = allowed_at(quota, &gaps_ms);

        let mut now = 0;
        for gap in gaps_ms {
            now += gap;
            let before = allowed.iter().filter(|at| **at < now && **at + WINDOW + WINDOW / 64 > now).count();
            let at_once = allowed.iter().filter(|at| **at == now).count();
            if before < burst as usize {
                prop_assert!(at_once > 0, "refused at {now} after {before} of {burst}");
            }
        }
    }

    /// The model remembers for everybody until when they were told to wait. There is room for one key in each shard, so that they
    /// make room for each other all the time.
    #[test]
    fn room_that_comes_free_lets_nobody_out_before_their_time(
        burst in 1u32..5,
        asks in proptest::collection::vec((0u32..60, 0u64..150), 1..600),
    ) {
        for algorithm in ALGORITHMS {
            let start = Instant::now();
            let limiter = RateLimiter::new(quota(burst, 1_000).counted_by(algorithm), 1, start);
            let mut waits: HashMap<u32, Instant> = HashMap::new();
            let mut now = start;
            for (key, gap_ms) in &asks {
                now += Duration::from_millis(*gap_ms);
                let looked = limiter.peek(key, now);
                let decision = limiter.check(key, now);
                prop_assert_eq!(looked, decision, "{:?}", algorithm);
                if decision.allowed {
                    let is_early = waits.get(key).is_some_and(|until| now < *until);
                    prop_assert!(!is_early, "{:?}: {} is let out early", algorithm, key);
                } else {
                    waits.insert(*key, now + decision.retry_after);
                }
            }
        }
    }

    #[test]
    fn whoever_waits_as_told_is_let_through(burst in 1u32..20, hurry_ms in 0u64..50) {
        for algorithm in ALGORITHMS {
            let start = Instant::now();
            let limiter = RateLimiter::new(quota(burst, 1_000).counted_by(algorithm), 10, start);
            let mut now = start;
            for _ in 0..100 {
                let decision = limiter.check(&(), now);
                if !decision.allowed {
                    prop_assert!(limiter.check(&(), now + decision.retry_after).allowed, "{algorithm:?}");
                    now += decision.retry_after;
                }
                now += Duration::from_millis(hurry_ms);
            }
        }
    }

    #[test]
    fn whoever_waits_for_the_reset_has_the_whole_quota(burst in 1u32..20, hurry_ms in 0u64..200) {
        for algorithm in ALGORITHMS {
            let start = Instant::now();
            let limiter = RateLimiter::new(quota(burst, 1_000).counted_by(algorithm), 10, start);
            let mut now = start;
            let mut reset = now;
            for _ in 0..30 {
                now += Duration::from_millis(hurry_ms);
                reset = now + limiter.check(&(), now).reset_after;
            }
            prop_assert_eq!(limiter.peek(&(), reset).remaining, burst - 1, "{:?}", algorithm);
        }
    }
}
