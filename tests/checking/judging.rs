//! What the checker must find, and what it must not.

use std::time::Duration;

use crate::checker::{
    Answer, Asked, History, Judgement, Moment, Number, Plant, Seen, judge, plant,
};
use crate::latency::Times;

const CHAT: i64 = 7;

fn accepted(number: Number, began: Moment, accepted: Moment) -> Asked {
    Asked {
        number,
        key: CHAT,
        began,
        answer: Answer::Accepted,
        accepted: Some(accepted),
    }
}

fn without_2xx(number: Number, answer: Answer) -> Asked {
    Asked {
        number,
        key: CHAT,
        began: 0,
        answer,
        accepted: None,
    }
}

fn seen(numbers: &[Number]) -> Vec<Seen> {
    let see = |number: &Number| Seen {
        number: *number,
        key: CHAT,
    };
    numbers.iter().map(see).collect()
}

fn of(asked: Vec<Asked>, numbers: &[Number]) -> Judgement {
    judge(&History {
        asked,
        seen: seen(numbers),
        ..History::default()
    })
}

#[test]
fn an_accepted_message_that_was_never_seen_is_lost() {
    let judgement = of(vec![accepted(1, 0, 5), accepted(2, 0, 5)], &[2]);

    assert_eq!(judgement.lost, [1]);
    assert!(judgement.phantom.is_empty());
}

#[test]
fn what_had_no_answer_may_be_seen_or_not() {
    let unknown = vec![
        without_2xx(1, Answer::Unknown),
        without_2xx(2, Answer::Unknown),
    ];

    let judgement = of(unknown, &[2]);

    assert!(judgement.lost.is_empty() && judgement.phantom.is_empty());
    assert_eq!(judgement.unknown, 2);
}

#[test]
fn what_was_refused_or_never_asked_is_a_phantom() {
    let judgement = of(vec![without_2xx(1, Answer::Refused)], &[1, 99]);

    assert_eq!(judgement.phantom, [1, 99]);
    assert_eq!(judgement.refused, 1);
}

#[test]
fn an_ambiguous_record_excuses_one_repetition_and_no_more() {
    let mut history = History {
        asked: vec![accepted(1, 0, 5), accepted(2, 0, 5)],
        seen: seen(&[1, 2, 1, 1]),
        ..History::default()
    };
    assert_eq!(judge(&history).unexplained(), 2);

    history.ambiguous.insert(1, 1);
    let judgement = judge(&history);

    assert_eq!(judgement.doubled(), 2);
    assert_eq!(judgement.unexcused, [(1, 1)].into());
}

#[test]
fn a_record_excuses_neither_a_loss_nor_another_message() {
    let history = History {
        asked: vec![accepted(1, 0, 5), accepted(2, 0, 5)],
        seen: seen(&[2, 2]),
        ambiguous: [(1, 9)].into(),
    };

    let judgement = judge(&history);

    assert_eq!(judgement.lost, [1]);
    assert_eq!(judgement.unexplained(), 1);
}

#[test]
fn order_is_promised_to_whoever_waited_for_the_2xx() {
    let one_after_the_other = vec![accepted(1, 0, 5), accepted(2, 6, 9)];

    assert_eq!(
        of(one_after_the_other.clone(), &[2, 1]).disordered,
        [(1, 2)]
    );
    assert!(of(one_after_the_other, &[1, 2]).disordered.is_empty());
}

#[test]
fn requests_that_overlap_have_no_order() {
    let together = vec![accepted(1, 0, 5), accepted(2, 4, 9)];

    assert!(of(together, &[2, 1]).disordered.is_empty());
}

#[test]
fn other_chats_and_repetitions_disturb_no_order() {
    let mut asked = vec![accepted(1, 0, 5), accepted(2, 6, 9), accepted(3, 10, 12)];
    asked[1].key = CHAT + 1;

    let judgement = of(asked, &[2, 1, 3, 1]);

    assert!(judgement.disordered.is_empty(), "{judgement:?}");
}

#[test]
fn planted_faults_are_noticed() {
    let sound = History {
        asked: vec![accepted(1, 0, 5), accepted(2, 6, 9)],
        seen: seen(&[1, 2, 1]),
        ambiguous: [(1, 1)].into(),
    };
    let mut lossy = sound.clone();
    let mut doubled = sound.clone();
    plant(&mut lossy, Plant::Loss);
    plant(&mut doubled, Plant::Double);

    assert!(judge(&sound).lost.is_empty() && judge(&sound).unexplained() == 0);
    assert_eq!(judge(&lossy).lost, [2]);
    assert_eq!(judge(&doubled).unexplained(), 1);
}

#[test]
fn a_history_is_counted() {
    let judgement = of(
        vec![accepted(1, 0, 5), without_2xx(2, Answer::Unknown)],
        &[1, 1],
    );

    assert_eq!((judgement.accepted, judgement.effects), (1, 2));
    assert_eq!(judgement.duplicates, [(1, 1)].into());
}

#[test]
fn quantiles_are_times_that_were_measured() {
    let times: Times = (1..=100).rev().map(Duration::from_millis).collect();

    assert_eq!(times.quantile(0.5), Some(Duration::from_millis(50)));
    assert_eq!(times.quantile(0.99), Some(Duration::from_millis(99)));
    assert_eq!(times.longest(), Some(Duration::from_millis(100)));
    assert_eq!(Times::default().quantile(0.99), None);
}
