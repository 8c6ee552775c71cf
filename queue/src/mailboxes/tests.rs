use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Entry, Fate, HeadPolicy, Mailboxes, Offer};
use crate::{Key, MessageId, Priority};

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

#[test]
fn a_full_key_refuses_until_half_of_it_is_done() {
    let mut boxes = mailboxes(4);
    take(&mut boxes, &[1, 2, 3, 4], 7);

    assert!(matches!(boxes.offer(interactive(5, 7)), Offer::Full(_)));
    assert_eq!(boxes.full_keys().collect::<Vec<_>>(), [&key(7)]);
    boxes.start_next();
    boxes.settled(&key(7), MessageId(1), Fate::Ended);
    assert!(
        matches!(boxes.offer(interactive(6, 7)), Offer::Full(_)),
        "6 must not overtake 5"
    );
    boxes.start_next();
    let more = boxes.settled(&key(7), MessageId(2), Fate::Ended);

    assert!(more, "the key may be claimed again");
    assert_eq!(boxes.full_keys().count(), 0);
    take(&mut boxes, &[5, 6], 7);
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
    take(&mut boxes, &[2], 7);

    assert_eq!(next_id(&mut boxes), None);
    boxes.lift_overdue(start);

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
    take(&mut boxes, &[3], 7);

    assert!(matches!(boxes.offer(interactive(4, 7)), Offer::Full(_)));
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

/// What may happen to the mailboxes, in the words of the pool.
#[derive(Debug, Clone)]
enum Step {
    Claim,
    Start,
    End,
    Fail(HeadPolicy),
    Wait(u64),
    Lose(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let policy = prop_oneof![
        Just(HOLD),
        Just(HeadPolicy::StepOver),
        Just(HeadPolicy::Park),
    ];
    let step = prop_oneof![
        3 => Just(Step::Claim),
        5 => Just(Step::Start),
        4 => Just(Step::End),
        2 => policy.prop_map(Step::Fail),
        1 => (0_u64..40).prop_map(Step::Wait),
        1 => (0_u8..4).prop_map(Step::Lose),
    ];
    prop::collection::vec(step, 1..200)
}

/// A model of the pool and of the store behind it: which messages exist, and what runs.
struct House {
    boxes: Mailboxes<()>,
    now: Instant,
    /// Unfinished messages by key; a claim offers all that are not in hand, oldest first.
    stored: BTreeMap<u64, BTreeSet<i64>>,
    running: HashMap<i64, Entry<()>>,
    /// Messages that failed at least once: they may be overtaken.
    failed: BTreeSet<i64>,
}

impl House {
    fn new(keys: u64, per_key: i64, cap: usize) -> Self {
        let stored = (0..keys)
            .map(|name| {
                (
                    name,
                    (0..per_key).map(|n| n * 100 + name.cast_signed()).collect(),
                )
            })
            .collect();
        Self {
            boxes: mailboxes(cap),
            now: Instant::now(),
            stored,
            running: HashMap::new(),
            failed: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Claim => self.claim(),
            Step::Start => self.start(),
            Step::End => self.finish(None),
            Step::Fail(policy) => self.finish(Some(policy)),
            Step::Wait(seconds) => {
                self.now += Duration::from_secs(seconds);
                self.boxes.lift_overdue(self.now);
            }
            Step::Lose(name) => {
                let lost = key(u64::from(name)).partition();
                self.boxes.forget(lost);
                self.running.retain(|_, entry| entry.partition != lost);
            }
        }
    }

    fn claim(&mut self) {
        let full: BTreeSet<Key> = self.boxes.full_keys().cloned().collect();
        let heads: BTreeSet<i64> = self.boxes.held_keys().map(|(_, head)| head.0).collect();
        for (&name, ids) in &self.stored {
            let left_out = full.contains(&key(name));
            for &id in ids.iter().filter(|id| !left_out || heads.contains(id)) {
                self.boxes.offer(interactive(id, name));
            }
        }
    }

    fn start(&mut self) {
        let Some(entry) = self.boxes.start_next() else {
            return;
        };
        assert!(
            self.running.values().all(|other| other.key != entry.key),
            "two of one key at once"
        );
        let ids = self
            .stored
            .values()
            .find(|ids| ids.contains(&entry.id.0))
            .expect("only unfinished ones run");
        let overtaken = ids.range(..entry.id.0).find(|id| !self.failed.contains(id));
        assert_eq!(
            overtaken, None,
            "{:?} overtook one that never failed",
            entry.id
        );
        self.running.insert(entry.id.0, entry);
    }

    fn finish(&mut self, failed: Option<HeadPolicy>) {
        let Some(id) = self.running.keys().min().copied() else {
            return;
        };
        let entry = self.running.remove(&id).unwrap();
        let fate = failed.map_or(Fate::Ended, |policy| {
            self.failed.insert(id);
            self.boxes
                .fate_of_head(&entry.key, entry.id, policy, self.now, SOON)
        });
        if fate == Fate::Ended {
            self.stored.values_mut().for_each(|ids| {
                ids.remove(&id);
            });
        }
        self.boxes.settled(&entry.key, entry.id, fate);
    }

    /// With failures over, everything must come to its end.
    fn run_dry(&mut self) {
        for _ in 0..2_000 {
            self.step(Step::Wait(40));
            self.claim();
            self.start();
            self.finish(None);
        }
        assert!(
            self.stored.values().all(BTreeSet::is_empty),
            "left over: {:?}",
            self.stored
        );
        assert_eq!((self.boxes.waiting(), self.boxes.running()), (0, 0));
        assert_eq!(self.boxes.held_keys().count(), 0);
    }
}

proptest! {
    #[test]
    fn one_runs_per_key_in_order_and_everything_ends(steps in steps(), cap in 1_usize..6) {
        let mut house = House::new(4, 10, cap);

        for step in steps {
            house.step(step);
        }

        house.run_dry();
    }
}
