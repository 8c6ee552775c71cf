//! The pace of one bot over made-up times.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Pacer, Pacing, Step, Turn};

fn private(chat: i64) -> Step {
    Step {
        chat,
        to_group: false,
        bulk: false,
    }
}

#[test]
fn a_chat_takes_three_at_once_and_then_one_a_second() {
    let mut pacer = Pacer::new(Pacing::Cloud);
    let start = Instant::now();

    for _ in 0..3 {
        assert_eq!(pacer.ask(private(7), start), Turn::Go);
    }

    let Turn::Wait(wait) = pacer.ask(private(7), start) else {
        panic!("the fourth has to wait")
    };
    assert!(wait <= Duration::from_millis(1_002));
    assert_eq!(pacer.ask(private(7), start + wait), Turn::Go);
}

#[test]
fn another_chat_does_not_wait() {
    let mut pacer = Pacer::new(Pacing::Cloud);
    let now = Instant::now();
    while pacer.ask(private(7), now) == Turn::Go {}

    assert_eq!(pacer.ask(private(8), now), Turn::Go);
}

#[test]
fn a_flood_answer_blocks_its_chat_even_on_an_own_server() {
    let mut pacer = Pacer::new(Pacing::OwnServer);
    let now = Instant::now();

    pacer.told_to_wait(7, false, Duration::from_secs(5), now);
    pacer.told_to_wait(7, false, Duration::from_secs(1), now);

    assert_eq!(
        pacer.ask(private(7), now),
        Turn::Wait(Duration::from_secs(5))
    );
    assert_eq!(pacer.ask(private(8), now), Turn::Go);
    assert_eq!(
        pacer.ask(private(7), now + Duration::from_secs(5)),
        Turn::Go
    );
}

#[test]
fn an_own_server_is_not_paced() {
    let mut pacer = Pacer::new(Pacing::OwnServer);
    let now = Instant::now();

    assert!((0..1_000).all(|_| pacer.ask(private(7), now) == Turn::Go));
}

#[test]
fn bulk_sendings_share_thirty_a_second() {
    let mut pacer = Pacer::new(Pacing::Cloud);
    let now = Instant::now();

    let gone = (0..100)
        .filter(|chat| {
            pacer.ask(
                Step {
                    bulk: true,
                    ..private(*chat)
                },
                now,
            ) == Turn::Go
        })
        .count();

    assert_eq!(gone, 30);
    assert_eq!(pacer.ask(private(1_000), now), Turn::Go);
}

proptest! {
    #[test]
    fn no_group_ever_gets_more_than_its_share(gaps in proptest::collection::vec(0u64..4_000, 1..300)) {
        let mut pacer = Pacer::new(Pacing::Cloud);
        let start = Instant::now();
        let mut now = start;
        let mut gone: Vec<Instant> = Vec::new();
        for gap in gaps {
            now += Duration::from_millis(gap);
            if pacer.ask(Step { chat: -1, to_group: true, bulk: false }, now) == Turn::Go {
                gone.push(now);
            }
        }
        for (index, first) in gone.iter().enumerate() {
            let minute = gone[index..].iter().filter(|at| **at - *first < Duration::from_secs(60)).count();
            prop_assert!(minute <= 20, "{minute} within a minute");
        }
    }

    #[test]
    fn whoever_waits_as_told_may_go(asks in 1usize..40) {
        let mut pacer = Pacer::new(Pacing::Cloud);
        let mut now = Instant::now();
        for _ in 0..asks {
            if let Turn::Wait(wait) = pacer.ask(private(7), now) {
                now += wait;
                prop_assert_eq!(pacer.ask(private(7), now), Turn::Go);
            }
        }
    }
}
