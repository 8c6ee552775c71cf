//! Which message runs next: one mailbox per key, held in memory by the worker that owns the key's partition.
//!
//! It exists to keep law L7 (a key's next message is released only when its predecessor's settlement is durable), law L9
//! (what a failing head does to those behind it, and how many messages of one key may be in hand) and law L10 (urgency
//! belongs to a key). Pure: it starts nothing and asks no clock; the pool tells it what was claimed and what was settled.
//!
//! It relies on one promise of the pool: claims do not overlap, and what [`Mailboxes::offer`] refused is given back
//! before the next claim begins. Then every claim brings a key's oldest waiting messages first, and order holds.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use crate::{Key, MessageId, Partition, Priority};

mod mailbox;
mod turns;

use mailbox::Mailbox;
use turns::Turns;

/// A claimed message on its way through a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<M> {
    /// Its place in the order.
    pub id: MessageId,
    /// What it is in order with.
    pub key: Key,
    /// The key's partition.
    pub partition: Partition,
    /// The key's urgency.
    pub priority: Priority,
    /// What the pool needs to run it.
    pub message: M,
}

/// What became of an offered message.
#[derive(Debug, PartialEq, Eq)]
pub enum Offer<M> {
    /// It waits for its turn.
    Taken,
    /// Its key has enough in hand: give it back uncounted, and leave the key out of claims while it is in
    /// [`Mailboxes::full_keys`].
    Full(Entry<M>),
    /// It is in hand already.
    Known,
}

/// What a message that failed and will be tried again does to the messages behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadPolicy {
    /// They wait for it, at most this long after its first failure; then they pass.
    Hold {
        /// How long, at most.
        at_most: Duration,
    },
    /// They pass at once.
    StepOver,
    /// They wait for it, however long it takes.
    Park,
}

/// What a durable settlement means for the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The message has ended, in whichever way.
    Ended,
    /// It comes back later, and those behind it pass.
    SteppedOver,
    /// It comes back later, and those behind it wait until then.
    HeldUntil(Instant),
    /// It comes back later, and those behind it wait without a limit.
    Parked,
}

/// A hold that has run out: the messages behind `head` pass from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifted {
    /// The key that goes on.
    pub key: Key,
    /// The message it waited for.
    pub head: MessageId,
}

/// How many stepped-over messages are remembered. One that is forgotten may hold its key once more: a delay, no harm.
const STEPPED_OVER_MAX: usize = 10_000;

/// The mailboxes of one worker.
#[derive(Debug)]
pub struct Mailboxes<M> {
    per_key_max: NonZeroUsize,
    boxes: HashMap<Key, Mailbox<M>>,
    turns: Turns,
    holds: BTreeSet<(Instant, Key)>,
    full: HashSet<Key>,
    stepped_over: HashMap<MessageId, Partition>,
    in_hand: HashMap<Partition, usize>,
    waiting: usize,
    running: usize,
}

impl<M> Mailboxes<M> {
    /// Empty mailboxes, each of which will hold at most `per_key_max` messages in hand.
    #[must_use]
    pub fn new(per_key_max: NonZeroUsize) -> Self {
        Self {
            per_key_max,
            boxes: HashMap::new(),
            turns: Turns::default(),
            holds: BTreeSet::new(),
            full: HashSet::new(),
            stepped_over: HashMap::new(),
            in_hand: HashMap::new(),
            waiting: 0,
            running: 0,
        }
    }

    /// Puts a claimed message into its key's mailbox, in the order of the ids.
    ///
    /// Once one of a key's messages is refused, its later ones are refused too until there is room again, because a
    /// message must not overtake one that was given back.
    pub fn offer(&mut self, entry: Entry<M>) -> Offer<M> {
        let mailbox = self
            .boxes
            .entry(entry.key.clone())
            .or_insert_with(|| Mailbox::new(entry.partition, entry.priority));
        if mailbox.knows(entry.id) {
            return Offer::Known;
        }
        let is_held_head = mailbox.held.is_some_and(|held| held.head == entry.id);
        let no_room = mailbox.in_hand() >= self.per_key_max.get() || self.full.contains(&entry.key);
        if no_room && !is_held_head {
            self.full.insert(entry.key.clone());
            return Offer::Full(entry);
        }
        *self.in_hand.entry(entry.partition).or_default() += 1;
        self.waiting += 1;
        let key = entry.key.clone();
        mailbox.priority = entry.priority;
        mailbox.insert(entry);
        self.turns.announce(&key, mailbox);
        Offer::Taken
    }

    /// The next message to run, or nothing while every key is busy, held or empty.
    ///
    /// Keys of one priority take turns; the lower priorities get a fixed part of the picks, so none starves.
    pub fn start_next(&mut self) -> Option<Entry<M>> {
        while let Some(key) = self.turns.next() {
            let Some(mailbox) = self.boxes.get_mut(&key) else {
                continue;
            };
            mailbox.announced = false;
            if let Some(entry) = mailbox.start() {
                self.waiting -= 1;
                self.running += 1;
                return Some(entry);
            }
        }
        None
    }

    /// What settling a message as "again in `back_in`" will mean for its key. Asked before the settlement, so that the
    /// hold is stored with it.
    ///
    /// A key is not held for a head that would come back only after the hold's end.
    #[must_use]
    pub fn fate_of_head(
        &self,
        key: &Key,
        id: MessageId,
        policy: HeadPolicy,
        now: Instant,
        back_in: Duration,
    ) -> Fate {
        match policy {
            HeadPolicy::StepOver => Fate::SteppedOver,
            HeadPolicy::Park => Fate::Parked,
            HeadPolicy::Hold { .. } if self.stepped_over.contains_key(&id) => Fate::SteppedOver,
            HeadPolicy::Hold { at_most } => {
                let until = self.hold_end(key, id).unwrap_or(now + at_most);
                if until.saturating_duration_since(now) <= back_in {
                    return Fate::SteppedOver;
                }
                Fate::HeldUntil(until)
            }
        }
    }

    fn hold_end(&self, key: &Key, id: MessageId) -> Option<Instant> {
        let held = self.boxes.get(key)?.held.filter(|held| held.head == id)?;
        held.until
    }

    /// Whether the key waits for exactly this message.
    #[must_use]
    pub fn is_held_for(&self, key: &Key, id: MessageId) -> bool {
        self.boxes
            .get(key)
            .and_then(|mailbox| mailbox.held)
            .is_some_and(|held| held.head == id)
    }

    /// Tells that the settlement of a running message is durable; only now may the next of its key run.
    ///
    /// Answers whether the key was left out of claims until now and no longer is: then there may be more of it to claim.
    /// A message of a partition that was forgotten meanwhile changes nothing.
    pub fn settled(&mut self, key: &Key, id: MessageId, fate: Fate) -> bool {
        let Some(mailbox) = self.boxes.get_mut(key) else {
            return false;
        };
        if mailbox.busy != Some(id) {
            return false;
        }
        let was_left_out = mailbox.held.is_some() || self.full.contains(key);
        mailbox.busy = None;
        self.running -= 1;
        let partition = mailbox.partition;
        take_one(&mut self.in_hand, partition);
        self.apply(key, id, fate, partition);
        self.tidy(key);
        was_left_out && !self.is_left_out(key)
    }

    fn is_left_out(&self, key: &Key) -> bool {
        self.full.contains(key)
            || self
                .boxes
                .get(key)
                .is_some_and(|mailbox| mailbox.held.is_some())
    }

    fn apply(&mut self, key: &Key, id: MessageId, fate: Fate, partition: Partition) {
        match fate {
            Fate::Ended => {
                self.stepped_over.remove(&id);
                self.lift_if_head(key, id);
            }
            Fate::SteppedOver => {
                self.remember_step(id, partition);
                self.lift_if_head(key, id);
            }
            Fate::HeldUntil(until) => self.set_hold(key, id, Some(until)),
            Fate::Parked => self.set_hold(key, id, None),
        }
    }

    /// Holds a key for its failed head, as found stored when a partition is taken over; `until` is `None` when parked.
    pub fn hold(
        &mut self,
        key: &Key,
        partition: Partition,
        head: MessageId,
        until: Option<Instant>,
    ) {
        self.boxes
            .entry(key.clone())
            .or_insert_with(|| Mailbox::new(partition, Priority::Interactive));
        self.set_hold(key, head, until);
    }

    fn set_hold(&mut self, key: &Key, head: MessageId, until: Option<Instant>) {
        let Some(mailbox) = self.boxes.get_mut(key) else {
            return;
        };
        if let Some(old) = mailbox.held.replace(mailbox::Held { head, until }) {
            forget_hold(&mut self.holds, key, old);
        }
        if let Some(until) = until {
            self.holds.insert((until, key.clone()));
        }
    }

    fn lift_if_head(&mut self, key: &Key, id: MessageId) {
        let Some(mailbox) = self.boxes.get_mut(key) else {
            return;
        };
        if let Some(held) = mailbox.held.take_if(|held| held.head == id) {
            forget_hold(&mut self.holds, key, held);
        }
    }

    /// Ends the holds whose time is over; those behind the head pass from now on.
    pub fn lift_overdue(&mut self, now: Instant) -> Vec<Lifted> {
        let mut lifted = Vec::new();
        while self.holds.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, key)) = self.holds.pop_first() else {
                break;
            };
            let Some(mailbox) = self.boxes.get_mut(&key) else {
                continue;
            };
            let partition = mailbox.partition;
            if let Some(held) = mailbox.held.take() {
                self.remember_step(held.head, partition);
                self.tidy(&key);
                lifted.push(Lifted {
                    key,
                    head: held.head,
                });
            }
        }
        lifted
    }

    /// When [`Mailboxes::lift_overdue`] has something to do next.
    #[must_use]
    pub fn next_hold_end(&self) -> Option<Instant> {
        self.holds.first().map(|(until, _)| *until)
    }

    /// The held keys, each with the head it waits for, for the claim to leave their other messages out.
    pub fn held_keys(&self) -> impl Iterator<Item = (&Key, MessageId)> {
        self.boxes
            .iter()
            .filter_map(|(key, mailbox)| mailbox.held.map(|held| (key, held.head)))
    }

    /// The numbers of all messages in hand.
    pub fn ids(&self) -> impl Iterator<Item = MessageId> {
        self.boxes.values().flat_map(|mailbox| {
            mailbox
                .busy
                .into_iter()
                .chain(mailbox.waiting.iter().map(|entry| entry.id))
        })
    }

    /// The keys that had a message refused and still have more than half of their room taken.
    pub fn full_keys(&self) -> impl Iterator<Item = &Key> {
        self.full.iter()
    }

    /// Drops everything about a partition and returns what waited, to be given back uncounted. What runs goes on, and
    /// its settlement changes nothing here any more.
    pub fn forget(&mut self, partition: Partition) -> Vec<Entry<M>> {
        let mut dropped = Vec::new();
        let mut gone: Vec<(Key, Mailbox<M>)> = self
            .boxes
            .extract_if(|_, mailbox| mailbox.partition == partition)
            .collect();
        for (key, mailbox) in &mut gone {
            self.full.remove(key);
            if let Some(held) = mailbox.held {
                forget_hold(&mut self.holds, key, held);
            }
            self.running -= usize::from(mailbox.busy.is_some());
            self.waiting -= mailbox.waiting.len();
            dropped.extend(mailbox.waiting.drain(..));
        }
        self.in_hand.remove(&partition);
        self.stepped_over.retain(|_, of| *of != partition);
        dropped
    }

    /// The messages of a partition that wait or run.
    #[must_use]
    pub fn in_hand(&self, partition: Partition) -> usize {
        self.in_hand.get(&partition).copied().unwrap_or(0)
    }

    /// How many messages wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many messages were handed out and are not settled yet.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }

    fn remember_step(&mut self, id: MessageId, partition: Partition) {
        if self.stepped_over.len() >= STEPPED_OVER_MAX {
            self.stepped_over.clear();
        }
        self.stepped_over.insert(id, partition);
    }

    /// After a change: makes the key claimable again when it has room, lets its next message run, drops an empty box.
    fn tidy(&mut self, key: &Key) {
        let Some(mailbox) = self.boxes.get_mut(key) else {
            return;
        };
        if mailbox.in_hand() <= self.per_key_max.get() / 2 {
            self.full.remove(key);
        }
        self.turns.announce(key, mailbox);
        if mailbox.is_idle() {
            self.boxes.remove(key);
        }
    }
}

fn take_one(in_hand: &mut HashMap<Partition, usize>, partition: Partition) {
    if let Some(count) = in_hand.get_mut(&partition) {
        *count = count.saturating_sub(1);
    }
}

fn forget_hold(holds: &mut BTreeSet<(Instant, Key)>, key: &Key, held: mailbox::Held) {
    if let Some(until) = held.until {
        holds.remove(&(until, key.clone()));
    }
}

#[cfg(test)]
mod tests;
