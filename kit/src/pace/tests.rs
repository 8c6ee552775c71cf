//! The bucket's promises, for any sequence of uses.

use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

#[test]
fn a_burst_goes_through_and_the_next_one_waits() {
    let pacer = Pacer::new();
    let rate = Rate::per_minute(3);

    let paces: Vec<Pace> = (0..4)
        .map(|n| pacer.take("ann", rate, at(0), &n.to_string()))
        .collect();

    assert_eq!(
        paces,
        [
            Pace::Go,
            Pace::Go,
            Pace::Go,
            Pace::Wait(Duration::from_secs(20))
        ]
    );
}

#[test]
fn a_long_wait_is_announced_once_per_window() {
    let pacer = Pacer::new();
    let rate = Rate::per_hour(1);
    pacer.take("ann", rate, at(0), "1");

    assert_eq!(
        pacer.take("ann", rate, at(10), "2"),
        Pace::ComeBack {
            at: at(3600),
            first: true
        }
    );
    assert_eq!(
        pacer.take("ann", rate, at(20), "3"),
        Pace::ComeBack {
            at: at(3600),
            first: false
        }
    );
    assert_eq!(pacer.take("ann", rate, at(3600), "4"), Pace::Go);
    assert_eq!(
        pacer.take("ann", rate, at(3610), "5"),
        Pace::ComeBack {
            at: at(7200),
            first: true
        }
    );
}

#[test]
fn a_retry_takes_nothing() {
    let pacer = Pacer::new();
    let rate = Rate::per_minute(2);

    for _ in 0..10 {
        assert_eq!(pacer.take("ann", rate, at(0), "1"), Pace::Go);
    }
    assert_eq!(pacer.take("ann", rate, at(0), "2"), Pace::Go);
}

#[test]
fn one_person_does_not_slow_another() {
    let pacer = Pacer::new();
    let rate = Rate::per_hour(1);
    pacer.take("ann", rate, at(0), "1");

    assert_eq!(pacer.take("bob", rate, at(0), "2"), Pace::Go);
}

proptest! {
    #[test]
    fn no_window_sees_more_than_twice_the_burst(gaps in prop::collection::vec(0_i64..30, 1..200), burst in 1_u32..6) {
        let pacer = Pacer::new();
        let rate = Rate::new(burst, Duration::from_secs(60));
        let mut now = 0;
        let mut granted: Vec<i64> = Vec::new();
        for (n, gap) in gaps.iter().enumerate() {
            now += gap;
            match pacer.take("ann", rate, at(now), &n.to_string()) {
                Pace::Go => granted.push(now),
                Pace::Wait(wait) => granted.push(now + i64::try_from(wait.as_secs()).unwrap()),
                Pace::ComeBack { .. } => {}
            }
        }
        for start in &granted {
            let inside = granted.iter().filter(|time| **time >= *start && **time < start + 60).count();
            prop_assert!(inside <= 2 * burst as usize);
        }
    }

    #[test]
    fn whoever_is_told_a_time_may_go_then(uses in 1_usize..20, burst in 1_u32..4) {
        let pacer = Pacer::new();
        let rate = Rate::new(burst, Duration::from_secs(3600));
        for n in 0..uses {
            if let Pace::ComeBack { at: free, .. } = pacer.take("ann", rate, at(0), &n.to_string()) {
                prop_assert_eq!(pacer.take("ann", rate, free, "later"), Pace::Go);
                break;
            }
        }
    }
}
