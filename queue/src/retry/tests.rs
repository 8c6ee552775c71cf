use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Backoff, backoff};

fn policy(first_ms: u64, longest_ms: u64) -> Backoff {
    Backoff {
        first: Duration::from_millis(first_ms),
        longest: Duration::from_millis(longest_ms),
    }
}

proptest! {
    #[test]
    fn no_wait_is_longer_than_its_ceiling(
        first in 0_u64..100_000, longest in 0_u64..10_000_000, failures: u16, seed: u64,
    ) {
        let policy = policy(first, longest);

        let wait = backoff(&policy, failures, &mut StdRng::seed_from_u64(seed));

        prop_assert!(wait <= policy.ceiling(failures));
        prop_assert!(wait <= policy.longest);
    }

    #[test]
    fn the_ceiling_never_shrinks_with_more_failures(first in 0_u64..100_000, longest in 0_u64..10_000_000, failures in 0_u16..u16::MAX) {
        let policy = policy(first, longest);

        prop_assert!(policy.ceiling(failures) <= policy.ceiling(failures + 1));
    }

    #[test]
    fn the_ceiling_doubles_until_it_meets_the_longest_wait(first in 1_u64..1_000, failures in 1_u16..15) {
        let policy = policy(first, u64::MAX / 2);

        prop_assert_eq!(policy.ceiling(failures + 1), policy.ceiling(failures) * 2);
    }
}

#[test]
fn the_waits_are_spread_over_the_whole_range() {
    let policy = policy(1_000, 60_000);
    let mut rng = StdRng::seed_from_u64(7);

    let waits: Vec<_> = (0..1_000).map(|_| backoff(&policy, 3, &mut rng)).collect();

    let in_quarter = |quarter: u32| {
        let low = policy.ceiling(3) / 4 * quarter;
        let high = policy.ceiling(3) / 4 * (quarter + 1);
        waits
            .iter()
            .filter(|wait| (low..high).contains(*wait))
            .count()
    };
    for quarter in 0..4 {
        assert!(
            (180..=320).contains(&in_quarter(quarter)),
            "quarter {quarter} got {}",
            in_quarter(quarter)
        );
    }
}
