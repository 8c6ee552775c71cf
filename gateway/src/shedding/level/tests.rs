//! That the rule turns away in order, not without need, and not for longer than that.

use proptest::prelude::*;

use super::*;
use crate::settings::SheddingSettings;

const INTERVAL: Duration = Duration::from_millis(500);

/// A judge and its clock.
struct Court {
    judge: Judge,
    now: Instant,
    seen: Seen,
}

impl Court {
    fn of(targets: &TargetSettings, usual: Usual) -> Self {
        Self {
            judge: Judge::new(targets, usual),
            now: Instant::now(),
            seen: Seen::default(),
        }
    }

    fn accept() -> Self {
        Self::of(&SheddingSettings::default().accept, Usual::Never)
    }

    fn forward() -> Self {
        Self::of(&SheddingSettings::default().forward, Usual::Unknown)
    }

    /// An interval in which so many were answered, the quickest after so many milliseconds.
    fn answers(&mut self, count: u64, quickest_ms: u64) -> u8 {
        self.seen.entered += count;
        self.seen.left += count;
        self.seen.answered = count;
        self.seen.quickest = (count > 0).then(|| Duration::from_millis(quickest_ms));
        self.ends()
    }

    /// An interval in which so many came and nobody was answered.
    fn comes(&mut self, count: u64) -> u8 {
        self.seen.entered += count;
        self.seen.answered = 0;
        self.seen.quickest = None;
        self.ends()
    }

    fn ends(&mut self) -> u8 {
        self.now += INTERVAL;
        self.judge.judge(self.now, &self.seen).classes()
    }
}

#[test]
fn one_class_more_with_each_interval_in_which_nobody_is_quick() {
    let mut court = Court::accept();

    assert_eq!(court.answers(100, 700), 0);
    assert_eq!(court.answers(100, 900), 1);
    // Above the target of background alone.
    assert_eq!(court.answers(100, 900), 1);
    assert_eq!(court.answers(100, 2_000), 2);
    // People wait, too, while there is room.
    assert_eq!(court.answers(100, 9_000), 2);
    court.seen.entered += 3_600;
    assert_eq!(court.answers(100, 9_000), 3);
    assert_eq!(court.answers(100, 9_000), 3);
}

#[test]
fn whoever_is_quick_shows_that_there_is_no_queue() {
    let mut court = Court::accept();
    court.seen.entered += 4_000;

    for _ in 0..20 {
        assert_eq!(court.answers(1_000, 20), 0);
    }
}

#[test]
fn what_an_outage_of_postgres_costs_while_the_disk_takes_over_turns_nobody_away() {
    let mut court = Court::accept();

    // At first everybody waits for the whole patience with Postgres, then for the disk; or for a Postgres that is half a second away.
    for quickest_ms in [2, 600, 640, 600, 5, 500, 597, 500, 550] {
        assert_eq!(court.answers(300, quickest_ms), 0);
    }
}

#[test]
fn those_who_wait_and_hear_nothing_count_as_slow() {
    let mut court = Court::accept();

    assert_eq!(court.comes(300), 0);
    assert_eq!(court.comes(300), 0);
    // The first have waited for a second now.
    assert_eq!(court.comes(300), 1);
    assert_eq!(court.comes(300), 2);
    assert_eq!(court.comes(300), 2);
}

#[test]
fn a_few_slow_answers_are_no_queue() {
    let mut court = Court::accept();

    for _ in 0..10 {
        assert_eq!(court.answers(7, 20_000), 0);
    }
    assert_eq!(court.answers(8, 20_000), 1);
    assert_eq!(court.answers(31, 20_000), 1);
    assert_eq!(court.answers(32, 20_000), 2);
}

#[test]
fn everybody_is_back_after_four_better_intervals_for_each_class() {
    let mut court = Court::accept();
    court.seen.entered += 4_000;
    let slow = (0..3).map(|_| court.answers(100, 9_000)).last();
    court.seen.left += 4_000;

    let levels: Vec<_> = (0..12).map(|_| court.answers(100, 5)).collect();

    assert_eq!(slow, Some(3));
    assert_eq!(levels, [3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0]);
}

#[test]
fn when_nobody_comes_any_more_nobody_is_turned_away() {
    let mut court = Court::accept();
    court.answers(100, 1_000);

    let levels: Vec<_> = (0..4).map(|_| court.comes(0)).collect();

    assert_eq!(levels, [1, 1, 1, 0]);
}

#[test]
fn what_is_slow_by_nature_is_measured_by_itself() {
    let mut court = Court::forward();

    // Nobody knows yet how long it takes.
    for _ in 0..40 {
        assert_eq!(court.comes(50), 0);
    }
    for _ in 0..40 {
        assert_eq!(court.answers(50, 10_000), 0);
    }
    assert_eq!(court.answers(50, 41_000), 1);
}

#[test]
fn a_slow_service_that_is_quick_now_and_then_is_not_overloaded_in_between() {
    let mut court = Court::forward();

    for _ in 0..200 {
        assert_eq!(court.answers(50, 5), 0);
        assert_eq!(court.answers(50, 5_000), 0);
    }
}

#[test]
fn a_service_that_stays_slower_is_what_is_usual_in_the_end() {
    let mut court = Court::forward();
    for _ in 0..30 {
        assert_eq!(court.answers(50, 600), 0);
    }

    let first = court.answers(50, 6_000);
    let intervals = (0..10_000).take_while(|_| court.answers(50, 6_000) > 0);

    assert_eq!(first, 1);
    // Ten times slower is an overload for about ten minutes.
    assert!((1_200..1_500).contains(&intervals.count()));
}

#[test]
fn a_lack_of_room_turns_no_person_away_for_longer_than_it_lasts() {
    let mut court = Court::accept();
    court.seen.crowded = Level::HIGHEST;

    let levels: Vec<_> = (0..4).map(|_| court.answers(100, 5)).collect();

    assert_eq!(levels, [1, 2, 2, 2]);
}

proptest! {
    #[test]
    fn the_level_moves_one_class_at_a_time_and_remembers_no_more_than_it_must(
        intervals in prop::collection::vec((0_u64..5_000, 0_u64..20_000, 0_u64..6_000, 1_u64..3_000), 1..300),
    ) {
        let mut court = Court::forward();
        let mut before = 0;

        for (count, quickest_ms, stay, pass_ms) in intervals {
            court.seen.entered += stay;
            court.seen.left = court.seen.entered.saturating_sub(stay);
            court.now += Duration::from_millis(pass_ms);
            let level = court.answers(count, quickest_ms);

            prop_assert!(level <= 3 && level.abs_diff(before) <= 1);
            prop_assert!(court.judge.history.len() <= 300);
            before = level;
        }
    }
}
