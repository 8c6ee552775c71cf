use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Entry, Fate, HeadPolicy, Mailboxes, Offer};
use crate::{Key, Lane, MessageId, Priority};

const HOLD: HeadPolicy = HeadPolicy::Hold {
    at_most: Duration::from_secs(30),
};

/// When a failed message comes back in these tests.
const SOON: Duration = Duration::from_secs(1);

fn mailboxes(per_key_max: usize) -> Mailboxes<()> {
    Mailboxes::new(NonZeroUsize::new(per_key_max).unwrap())
}

fn key(name: u64) -> Key {
    Key::from(format!("in:test:{name}"))
}

fn entry(id: i64, name: u64, priority: Priority) -> Entry<()> {
    let key = key(name);
    Entry {
        id: MessageId(id),
        partition: key.partition(),
        key,
        priority,
        lane: Lane(1),
        message: (),
    }
}

fn interactive(id: i64, name: u64) -> Entry<()> {
    entry(id, name, Priority::Interactive)
}

fn take(boxes: &mut Mailboxes<()>, ids: &[i64], name: u64) {
    for &id in ids {
        assert_eq!(boxes.offer(interactive(id, name)), Offer::Taken);
    }
}

fn next_id(boxes: &mut Mailboxes<()>) -> Option<i64> {
    boxes.start_next().map(|entry| entry.id.0)
}

#[test]
fn the_next_of_a_key_waits_until_its_predecessor_is_settled() {
    let mut boxes = mailboxes(8);
    take(&mut boxes, &[1, 2], 7);

    assert_eq!(next_id(&mut boxes), Some(1));
    assert_eq!(next_id(&mut boxes), None);
    boxes.settled(&key(7), MessageId(1), Fate::Ended);

    assert_eq!(next_id(&mut boxes), Some(2));
}

#[test]
fn a_message_that_came_late_but_has_a_lower_number_goes_first() {
    let mut boxes = mailboxes(8);
    take(&mut boxes, &[5, 3], 7);

    assert_eq!(next_id(&mut boxes), Some(3));
}

#[test]
fn a_message_in_hand_is_not_taken_twice() {
    let mut boxes = mailboxes(8);
    take(&mut boxes, &[1, 2], 7);
    boxes.start_next();

    assert_eq!(boxes.offer(interactive(1, 7)), Offer::Known);
    assert_eq!(boxes.offer(interactive(2, 7)), Offer::Known);
    assert_eq!(boxes.in_hand(key(7).partition()), 2);
}

/// Claims what is behind, as the pool does: answers the looks with these, and offers them.
fn look_and_take(boxes: &mut Mailboxes<()>, behind: &[i64], name: u64) {
    let looks = boxes.looks(10, |_| usize::MAX);
    assert_eq!(looks.len(), 1, "one key may go on: {looks:?}");
    let found: Vec<MessageId> = behind
        .iter()
        .map(|id| MessageId(*id))
        .take(usize::from(looks[0].messages_max))
        .collect();
    boxes.looked(&looks[0], &found);
    for id in found {
        assert_eq!(boxes.offer(interactive(id.0, name)), Offer::Taken);
    }
}

#[test]
fn a_full_key_refuses_until_half_of_it_is_done_and_what_is_behind_came_back() {
    let mut boxes = mailboxes(4);
    take(&mut boxes, &[1, 2, 3, 4], 7);

    assert!(matches!(boxes.offer(interactive(5, 7)), Offer::Full(_)));
    boxes.start_next();
    assert!(!boxes.settled(&key(7), MessageId(1), Fate::Ended));
    assert!(
        matches!(boxes.offer(interactive(6, 7)), Offer::Full(_)),
        "6 must not overtake 5"
    );
    boxes.start_next();
    let more = boxes.settled(&key(7), MessageId(2), Fate::Ended);

    assert!(more, "the key may be claimed again");
    assert!(matches!(boxes.offer(interactive(7, 7)), Offer::Full(_)));
    look_and_take(&mut boxes, &[5, 6, 7], 7);
    assert!(
        matches!(boxes.offer(interactive(8, 7)), Offer::Full(_)),
        "7 may still be behind"
    );
}

#[test]
fn a_key_with_nothing_left_behind_takes_new_messages_again() {
    let mut boxes = mailboxes(4);
    boxes.fell_behind(&key(7), key(7).partition(), MessageId(1));

    look_and_take(&mut boxes, &[1, 2], 7);

    assert!(!boxes.wants_looks());
    take(&mut boxes, &[3], 7);
}

#[test]
fn a_look_that_was_not_carried_out_is_asked_for_again() {
    let mut boxes = mailboxes(4);
    boxes.fell_behind(&key(7), key(7).partition(), MessageId(1));
    let look = boxes.looks(10, |_| 1).remove(0);
    assert_eq!(look.messages_max, 1, "as far as there is room");

    boxes.look_again(&look);

    assert_eq!(boxes.looks(10, |_| 0), []);
    look_and_take(&mut boxes, &[1], 7);
}

#[test]
fn when_hands_are_short_those_that_wait_for_a_held_head_go_behind_and_come_back_after_it() {
    let mut boxes = mailboxes(8);
    take(&mut boxes, &[1, 2, 3], 7);
    boxes.start_next();
    boxes.settled(&key(7), MessageId(1), Fate::Parked);

    let relieved = boxes.relieve();

    assert_eq!(
        relieved.iter().map(|entry| entry.id.0).collect::<Vec<_>>(),
        [2, 3]
    );
    assert_eq!(
        (boxes.in_hand_of(Priority::Interactive), boxes.wants_looks()),
        (0, false)
    );
    take(&mut boxes, &[1], 7);
    boxes.start_next();
    boxes.settled(&key(7), MessageId(1), Fate::Ended);
    look_and_take(&mut boxes, &[2, 3], 7);
    assert_eq!(next_id(&mut boxes), Some(2));
}

#[test]
fn a_head_that_fell_behind_itself_is_looked_for_alone() {
    let mut boxes = mailboxes(8);
    boxes.hold(&key(7), key(7).partition(), MessageId(5), None);

    boxes.fell_behind(&key(7), key(7).partition(), MessageId(3));

    let look = boxes.looks(10, |_| usize::MAX).remove(0);
    assert_eq!(look.alone, Some(MessageId(5)));
    boxes.looked(&look, &[MessageId(5)]);
    take(&mut boxes, &[5], 7);
    assert_eq!(next_id(&mut boxes), Some(5));
}

#[test]
fn those_behind_a_held_head_wait_for_its_next_attempt() {
    let mut boxes = mailboxes(8);
    let start = Instant::now();
    take(&mut boxes, &[1, 2], 7);
    boxes.start_next();

    let fate = boxes.fate_of_head(&key(7), MessageId(1), HOLD, start, SOON);
    boxes.settled(&key(7), MessageId(1), fate);
    assert_eq!(fate, Fate::HeldUntil(start + Duration::from_secs(30)));
    assert_eq!(next_id(&mut boxes), None);
    take(&mut boxes, &[1], 7);
    assert_eq!(next_id(&mut boxes), Some(1));
    boxes.settled(&key(7), MessageId(1), Fate::Ended);

    assert_eq!(next_id(&mut boxes), Some(2));
    assert_eq!(boxes.next_hold_end(), None);
}

#[test]
fn a_hold_is_counted_from_the_first_failure_and_then_stepped_over() {
    let mut boxes = mailboxes(8);
    let start = Instant::now();
    let (first_end, later) = (
        start + Duration::from_secs(30),
        start + Duration::from_secs(20),
    );
    take(&mut boxes, &[1, 2], 7);
    boxes.start_next();
    boxes.settled(
        &key(7),
        MessageId(1),
        boxes.fate_of_head(&key(7), MessageId(1), HOLD, start, SOON),
    );
    take(&mut boxes, &[1], 7);
    boxes.start_next();

    let again = boxes.fate_of_head(&key(7), MessageId(1), HOLD, later, SOON);
    boxes.settled(&key(7), MessageId(1), again);
    assert_eq!(again, Fate::HeldUntil(first_end));
    assert!(boxes.lift_overdue(later).is_empty());
    assert_eq!(boxes.lift_overdue(first_end).len(), 1);

    assert_eq!(next_id(&mut boxes), Some(2));
    let third = boxes.fate_of_head(&key(7), MessageId(1), HOLD, first_end, SOON);
    assert_eq!(third, Fate::SteppedOver, "a message holds its key once");
}

#[test]
fn a_key_is_not_held_for_a_head_that_comes_back_after_the_holds_end() {
    let mut boxes = mailboxes(8);
    take(&mut boxes, &[1, 2], 7);
    boxes.start_next();

    let in_a_day = Duration::from_secs(86_400);
    let fate = boxes.fate_of_head(&key(7), MessageId(1), HOLD, Instant::now(), in_a_day);

    assert_eq!(fate, Fate::SteppedOver);
}

#[test]
fn a_parked_head_holds_its_key_without_an_end() {
    let mut boxes = mailboxes(8);
    let start = Instant::now();
    take(&mut boxes, &[1, 2], 7);
    boxes.start_next();

    let fate = boxes.fate_of_head(&key(7), MessageId(1), HeadPolicy::Park, start, SOON);
    boxes.settled(&key(7), MessageId(1), fate);

    assert!(
        boxes
            .lift_overdue(start + Duration::from_secs(1_000_000))
            .is_empty()
    );
    assert_eq!(next_id(&mut boxes), None);
    assert_eq!(
        boxes.held_keys().collect::<Vec<_>>(),
        [(&key(7), MessageId(1))]
    );
}

#[test]
fn a_head_that_is_stepped_over_lets_the_next_one_pass_at_once() {
    let mut boxes = mailboxes(8);
    take(&mut boxes, &[1, 2], 7);
    boxes.start_next();

    boxes.settled(&key(7), MessageId(1), Fate::SteppedOver);

    assert_eq!(next_id(&mut boxes), Some(2));
}

#[test]
fn a_stored_hold_is_respected_after_a_takeover() {
    let mut boxes = mailboxes(8);
    let start = Instant::now();
    boxes.hold(&key(7), key(7).partition(), MessageId(1), Some(start));
    assert!(matches!(boxes.offer(interactive(2, 7)), Offer::Full(_)));

    assert!(!boxes.wants_looks());
    boxes.lift_overdue(start);

    look_and_take(&mut boxes, &[2], 7);
    assert_eq!(next_id(&mut boxes), Some(2));
}

#[test]
fn the_held_head_is_taken_even_when_its_key_is_full() {
    let mut boxes = mailboxes(2);
    take(&mut boxes, &[1, 2], 7);
    boxes.start_next();
    boxes.settled(
        &key(7),
        MessageId(1),
        Fate::HeldUntil(Instant::now() + Duration::from_secs(9)),
    );
    assert!(matches!(boxes.offer(interactive(3, 7)), Offer::Full(_)));
    take(&mut boxes, &[1], 7);

    assert_eq!(next_id(&mut boxes), Some(1));
}

#[test]
fn a_forgotten_partition_gives_back_what_waited_and_ignores_what_ran() {
    let mut boxes = mailboxes(8);
    take(&mut boxes, &[1, 2, 3], 7);
    boxes.start_next();

    let dropped = boxes.forget(key(7).partition());
    boxes.settled(&key(7), MessageId(1), Fate::Ended);

    assert_eq!(
        dropped.iter().map(|entry| entry.id.0).collect::<Vec<_>>(),
        [2, 3]
    );
    assert_eq!((boxes.waiting(), boxes.running()), (0, 0));
    assert_eq!(boxes.in_hand(key(7).partition()), 0);
}

#[test]
fn urgent_keys_go_first_and_nobody_starves() {
    let mut boxes = mailboxes(8);
    for id in 0..1_600 {
        boxes.offer(entry(id, id.unsigned_abs(), Priority::Interactive));
        boxes.offer(entry(
            10_000 + id,
            10_000 + id.unsigned_abs(),
            Priority::Delivery,
        ));
        boxes.offer(entry(
            20_000 + id,
            20_000 + id.unsigned_abs(),
            Priority::Background,
        ));
    }

    let mut picked: BTreeMap<Priority, usize> = BTreeMap::new();
    for _ in 0..1_600 {
        *picked
            .entry(boxes.start_next().unwrap().priority)
            .or_default() += 1;
    }

    assert_eq!(picked[&Priority::Interactive], 1_200);
    assert_eq!(picked[&Priority::Delivery], 300);
    assert_eq!(picked[&Priority::Background], 100);
}

#[test]
fn tenants_take_turns_however_many_keys_one_of_them_has() {
    let mut boxes = mailboxes(8);
    for id in 0..100 {
        boxes.offer(interactive(id, id.unsigned_abs()));
    }
    for id in 100..103 {
        let quiet = Entry {
            lane: Lane(2),
            ..interactive(id, id.unsigned_abs())
        };
        boxes.offer(quiet);
    }

    let first: Vec<i64> = (0..6).filter_map(|_| next_id(&mut boxes)).collect();

    assert_eq!(first, [0, 100, 1, 101, 2, 102]);
    assert_eq!(boxes.lanes_with(Priority::Interactive, 50), [Lane(1)]);
}

#[test]
fn background_work_and_deliveries_leave_places_for_what_somebody_waits_for() {
    let slots = NonZeroUsize::new(16).unwrap();
    let mut boxes = mailboxes(8).with_slots(slots);
    for id in 0..40 {
        boxes.offer(entry(id, id.unsigned_abs(), Priority::Background));
    }
    let background = std::iter::from_fn(|| boxes.start_next()).count();
    for id in 40..80 {
        boxes.offer(entry(id, id.unsigned_abs(), Priority::Delivery));
    }
    let deliveries = std::iter::from_fn(|| boxes.start_next()).count();
    boxes.offer(entry(99, 99, Priority::Interactive));

    assert_eq!((background, deliveries), (12, 2));
    assert_eq!(next_id(&mut boxes), Some(99));
}

mod orders;
