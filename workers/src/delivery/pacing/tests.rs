//! The pace of one bot over made-up times.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sallyport_security::LimitKey;

use super::{Pacer, Pacing, Step, Turn, bulk};

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

#[tokio::test]
async fn the_workers_of_a_bot_share_thirty_bulk_sendings_a_second() {
    let settings = sallyport_redis::testing::shared_settings();
    let began = Instant::now();
    let workers =
        [(); 2].map(|()| bulk(Some(sallyport_redis::testing::open(&settings)), began).unwrap());

    let mut gone = 0;
    for ask in 0..100 {
        let ruling = workers[ask % 2]
            .take(&LimitKey::from("ops"), Instant::now())
            .await;
        gone += usize::from(ruling.decision.allowed);
    }

    // Thirty at once, and what came back while they were asked.
    let refilled = began.elapsed().as_secs_f64() * 30.0;
    assert!(gone >= 30 && gone as f64 <= 31.0 + refilled, "{gone}");
}

#[test]
fn to_look_at_a_chats_turn_takes_nothing() {
    let mut pacer = Pacer::new(Pacing::Cloud);
    let now = Instant::now();

    assert!((0..100).all(|_| pacer.wait(private(7), now) == Duration::ZERO));
    assert_eq!(pacer.ask(private(7), now), Turn::Go);
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
