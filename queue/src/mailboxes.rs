//! Which message runs next: one mailbox per key, held in memory by the worker that owns the key's partition.
//!
//! It exists to keep law L7 (a key's next message is released only when its predecessor's settlement is durable), law L9
//! (what a failing head does to those behind it, and how many messages of one key may be in hand) and law L10 (urgency
//! belongs to a key). Pure: it starts nothing and asks no clock; the pool tells it what was claimed and what was settled.
//!
//! It relies on one promise of the pool: claims do not overlap, and what [`Mailboxes::offer`] refused is put behind before
//! the next claim begins. A claim brings a key's oldest waiting messages first, and none of which an earlier one is behind;
//! those come only when they are asked for ([`Mailboxes::looks`]), the oldest first. So order holds, and a key that cannot
//! go on fills neither the hands nor the claims of the others.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use crate::{Key, Lane, MessageId, Partition, Priority};

mod behind;
mod books;
mod mailbox;
mod turns;

use books::Books;
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
    /// The line of its tenant.
    pub lane: Lane,
    /// What the pool needs to run it.
    pub message: M,
}

/// What became of an offered message.
#[derive(Debug, PartialEq, Eq)]
pub enum Offer<M> {
    /// It waits for its turn.
    Taken,
    /// Its key has enough in hand, or waits for another message: put it behind. It is asked for when the key goes on.
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

/// A key that may go on with messages that are behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The key.
    pub key: Key,
    /// Its partition.
    pub partition: Partition,
    /// At most so many of its oldest.
    pub messages_max: u16,
    /// Only this one: the head that the key waits for.
    pub alone: Option<MessageId>,
}

/// How many stepped-over messages are remembered. One that is forgotten may hold its key once more: a delay, no harm.
const STEPPED_OVER_MAX: usize = 10_000;

/// The mailboxes of one worker.
#[derive(Debug)]
pub struct Mailboxes<M> {
    per_key_max: NonZeroUsize,
    slots: usize,
    boxes: HashMap<Key, Mailbox<M>>,
    turns: Turns,
    holds: BTreeSet<(Instant, Key)>,
    looks: VecDeque<Key>,
    stepped_over: HashMap<MessageId, Partition>,
    books: Books,
    /// A key was held that has others waiting in hand.
    stuck: bool,
}

impl<M> Mailboxes<M> {
    /// Empty mailboxes, each of which will hold at most `per_key_max` messages in hand.
    #[must_use]
    pub fn new(per_key_max: NonZeroUsize) -> Self {
        Self {
            per_key_max,
            slots: usize::MAX,
            boxes: HashMap::new(),
            turns: Turns::default(),
            holds: BTreeSet::new(),
            looks: VecDeque::new(),
            stepped_over: HashMap::new(),
            books: Books::default(),
            stuck: false,
        }
    }

    /// Of so many places to run in, background work leaves a quarter free, and together with deliveries an eighth: what
    /// somebody waits for finds one at once.
    #[must_use]
    pub fn with_slots(mut self, slots: NonZeroUsize) -> Self {
        self.slots = slots.get();
        self
    }

    /// Puts a claimed message into its key's mailbox, in the order of the ids.
    ///
    /// Once one of a key's messages is refused, its later ones are refused too until the earlier ones came back from
    /// behind, because a message must not overtake one that was put there.
    pub fn offer(&mut self, entry: Entry<M>) -> Offer<M> {
        let mailbox = self
            .boxes
            .entry(entry.key.clone())
            .or_insert_with(|| Mailbox::new(entry.partition, entry.priority));
        if mailbox.knows(entry.id) {
            return Offer::Known;
        }
        if mailbox.refuses(entry.id, self.per_key_max.get()) {
            mailbox.fall_behind(entry.id);
            self.want_look(&entry.key);
            return Offer::Full(entry);
        }
        if mailbox.in_hand() == 0 {
            mailbox.priority = entry.priority;
            mailbox.lane = entry.lane;
        }
        self.books.took(mailbox);
        let key = entry.key.clone();
        mailbox.insert(entry);
        self.turns.announce(&key, mailbox);
        Offer::Taken
    }

    /// The next message to run, or nothing while every key is busy, held or empty.
    ///
    /// Tenants take turns, and the keys of one tenant among themselves; the lower priorities get a fixed part of the
    /// picks, so none starves.
    pub fn start_next(&mut self) -> Option<Entry<M>> {
        loop {
            let (books, slots) = (&self.books, self.slots);
            let key = self
                .turns
                .next(|priority| books.may_start(priority, slots))?;
            let Some(mailbox) = self.boxes.get_mut(&key) else {
                continue;
            };
            mailbox.announced = false;
            if let Some(entry) = mailbox.start() {
                self.books.started(mailbox);
                return Some(entry);
            }
        }
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
    /// Answers whether the key waited until now and no longer does: then there may be more of it to claim. A message of a partition that was forgotten meanwhile changes nothing.
    pub fn settled(&mut self, key: &Key, id: MessageId, fate: Fate) -> bool {
        let Some(mailbox) = self.boxes.get_mut(key) else {
            return false;
        };
        if mailbox.busy != Some(id) {
            return false;
        }
        let was_left_out = mailbox.held.is_some() || (mailbox.behind.is_some() && !mailbox.looking);
        mailbox.busy = None;
        if !std::mem::take(&mut mailbox.aside) {
            self.books.ended(mailbox);
        }
        let partition = mailbox.partition;
        self.apply(key, id, fate, partition);
        self.tidy(key);
        was_left_out && !self.is_left_out(key)
    }

    /// A message that was handed out cannot start yet: it takes no place and no room in the hands from others until
    /// [`Mailboxes::step_forward`]. Its key waits for it.
    pub fn step_aside(&mut self, key: &Key, id: MessageId) {
        if let Some(mailbox) = self.boxes.get_mut(key)
            && mailbox.busy == Some(id)
            && !mailbox.aside
        {
            mailbox.aside = true;
            self.books.ended(mailbox);
        }
    }

    /// A message that stepped aside starts.
    pub fn step_forward(&mut self, key: &Key, id: MessageId) {
        if let Some(mailbox) = self.boxes.get_mut(key)
            && mailbox.busy == Some(id)
            && std::mem::take(&mut mailbox.aside)
        {
            self.books.took(mailbox);
            self.books.started(mailbox);
        }
    }

    /// A message was ended from outside, by order: it is taken out if it waits here, and its key goes on if it waited for
    /// it. One that runs stays; its own settlement will tell.
    pub fn withdraw(&mut self, key: &Key, id: MessageId) -> Option<Entry<M>> {
        let mailbox = self.boxes.get_mut(key)?;
        if mailbox.busy == Some(id) {
            return None;
        }
        let withdrawn = mailbox.withdraw(id);
        if withdrawn.is_some() {
            self.books.gave_back(mailbox);
        }
        self.stepped_over.remove(&id);
        self.lift_if_head(key, id);
        self.tidy(key);
        withdrawn
    }

    fn is_left_out(&self, key: &Key) -> bool {
        self.boxes.get(key).is_some_and(|mailbox| {
            mailbox.held.is_some() || (mailbox.behind.is_some() && !mailbox.looking)
        })
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
            .or_insert_with(|| Mailbox::new(partition, Priority::Background));
        self.set_hold(key, head, until);
        self.want_look(key);
    }

    fn set_hold(&mut self, key: &Key, head: MessageId, until: Option<Instant>) {
        let Some(mailbox) = self.boxes.get_mut(key) else {
            return;
        };
        self.stuck |= !mailbox.waiting.is_empty();
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

    /// The held keys, each with the head it waits for.
    pub fn held_keys(&self) -> impl Iterator<Item = (&Key, MessageId)> {
        self.boxes
            .iter()
            .filter_map(|(key, mailbox)| mailbox.held.map(|held| (key, held.head)))
    }

    /// The numbers of all messages in hand.
    pub fn ids(&self) -> impl Iterator<Item = MessageId> {
        self.hands().map(|(_, id)| id)
    }

    /// The same, each with its partition.
    pub fn hands(&self) -> impl Iterator<Item = (Partition, MessageId)> {
        self.boxes.values().flat_map(|mailbox| {
            let waiting = mailbox.waiting.iter().map(|entry| entry.id);
            mailbox
                .busy
                .into_iter()
                .chain(waiting)
                .map(|id| (mailbox.partition, id))
        })
    }

    /// How many keys it knows of: with messages in hand, held, or behind.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.boxes.len()
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
            if let Some(held) = mailbox.held {
                forget_hold(&mut self.holds, key, held);
            }
            self.books.dropped(mailbox);
            dropped.extend(mailbox.waiting.drain(..));
        }
        self.stepped_over.retain(|_, of| *of != partition);
        dropped
    }

    /// The messages of a partition that wait or run.
    #[must_use]
    pub fn in_hand(&self, partition: Partition) -> usize {
        self.books.in_partition(partition)
    }

    /// How many messages wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.books.waiting()
    }

    /// How many messages were handed out and are not settled yet.
    #[must_use]
    pub fn running(&self) -> usize {
        self.books.running()
    }

    /// How many messages of this urgency wait or run.
    #[must_use]
    pub fn in_hand_of(&self, priority: Priority) -> usize {
        self.books.of(priority)
    }

    /// The lines that have at least so many messages of this urgency in hand, in order.
    #[must_use]
    pub fn lanes_with(&self, priority: Priority, messages_min: usize) -> Vec<Lane> {
        self.books.lanes_with(priority, messages_min)
    }

    /// Notes that a key was held for this message before, as long as its policy allows: it is not held again.
    pub fn remember_step(&mut self, id: MessageId, partition: Partition) {
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
        self.turns.announce(key, mailbox);
        if mailbox.is_idle() {
            self.boxes.remove(key);
        } else {
            self.want_look(key);
        }
    }
}

fn forget_hold(holds: &mut BTreeSet<(Instant, Key)>, key: &Key, held: mailbox::Held) {
    if let Some(until) = held.until {
        holds.remove(&(until, key.clone()));
    }
}

#[cfg(test)]
mod tests;
