//! That importance decides and nothing else, whatever has happened before.

use proptest::prelude::*;

use super::*;

const ALL: [Importance; 4] = [
    Importance::Background,
    Importance::Normal,
    Importance::Interactive,
    Importance::Vital,
];

fn gate(waiting_max: u32) -> Arc<Gate> {
    let targets = TargetSettings {
        background_ms: 100,
        normal_ms: 200,
        interactive_ms: 400,
        waiting_max,
    };
    Arc::new(Gate::new("test", &targets, Usual::Never))
}

fn admitted(gate: &Gate) -> [bool; 4] {
    ALL.map(|importance| gate.admit(importance).is_ok())
}

#[test]
fn places_are_kept_for_the_more_important() {
    let gate = gate(8);
    let now = Instant::now();
    let mut waiting = Vec::new();
    let mut seen = Vec::new();

    for _ in 0..9 {
        seen.push(admitted(&gate).into_iter().filter(|is_in| *is_in).count());
        waiting.push(gate.enter(now));
    }

    assert_eq!(seen, [4, 4, 4, 4, 3, 3, 2, 2, 1]);
    waiting.clear();
    assert_eq!(admitted(&gate), [true; 4]);
}

#[test]
fn a_slow_house_turns_background_away_and_a_quick_one_takes_it_back() {
    let gate = gate(1_000);
    let began = Instant::now();
    let mut now = began;
    let mut serve = |took_ms| {
        for _ in 0..50 {
            let waiting = gate.enter(now);
            waiting.answered(now + Duration::from_millis(took_ms));
        }
        now += Duration::from_millis(500);
        gate.judge(now).level.classes()
    };

    assert_eq!(serve(1), 0);
    assert_eq!(serve(150), 1);
    assert_eq!(admitted(&gate), [false, true, true, true]);
    let back: Vec<_> = (0..4).map(|_| serve(1)).collect();
    assert_eq!(back, [1, 1, 1, 0]);
    assert_eq!(admitted(&gate), [true; 4]);
}

#[test]
fn what_fails_at_once_is_neither_quick_nor_slow() {
    let gate = gate(1_000);
    let now = Instant::now();
    for _ in 0..100 {
        drop(gate.enter(now));
    }

    let judged = gate.judge(now + Duration::from_millis(500));

    assert_eq!(judged.level, Level::NONE);
    assert_eq!(judged.quickest, None);
    assert_eq!(gate.waiting(), 0);
}

#[test]
fn those_who_are_turned_away_come_back_at_different_times_within_bounds() {
    let chances = [0.0, 0.3, 0.5, 0.99, 1.0, 7.0];

    let seconds = chances.map(|chance| come_back_after(chance).as_secs());

    assert_eq!(seconds, [2, 4, 6, 9, 10, 10]);
}

/// What may happen at a gate.
#[derive(Debug, Clone)]
enum Happens {
    Comes(Importance),
    IsAnswered(u64),
    Leaves,
    TimePasses(u64),
}

fn anything() -> impl Strategy<Value = Happens> {
    prop_oneof![
        6 => prop::sample::select(ALL.to_vec()).prop_map(Happens::Comes),
        2 => (0_u64..1_000).prop_map(Happens::IsAnswered),
        1 => Just(Happens::Leaves),
        3 => (1_u64..900).prop_map(Happens::TimePasses),
    ]
}

proptest! {
    #[test]
    fn nobody_is_turned_away_while_somebody_less_important_is_let_in_and_the_vital_never_are(
        story in prop::collection::vec(anything(), 1..400),
    ) {
        let gate = gate(16);
        let mut now = Instant::now();
        let mut waiting = Vec::new();

        for happens in story {
            match happens {
                Happens::Comes(importance) => {
                    if gate.admit(importance).is_ok() {
                        // Many at once, or nothing would ever be slow.
                        waiting.extend((0..4).map(|_| gate.enter(now)));
                    }
                }
                Happens::IsAnswered(took_ms) => {
                    if let Some(waiting) = waiting.pop() {
                        waiting.answered(now + Duration::from_millis(took_ms));
                    }
                }
                Happens::Leaves => drop(waiting.pop()),
                Happens::TimePasses(ms) => {
                    now += Duration::from_millis(ms);
                    gate.judge(now);
                }
            }

            let admitted = admitted(&gate);
            prop_assert!(admitted.is_sorted(), "{admitted:?}");
            prop_assert!(admitted[3]);
        }
    }
}
