//! Whose turn it is: the keys that have something to run, in one line per tenant, and the lines in a ring per priority.

use std::collections::{HashMap, VecDeque};

use super::mailbox::Mailbox;
use crate::{Key, Lane, Priority};

/// Every fourth turn is offered to deliveries first and every sixteenth to background work, so that a flood of urgent
/// keys slows the others down but never stops them.
const DELIVERY_EVERY: u64 = 4;
const BACKGROUND_EVERY: u64 = 16;

#[derive(Debug, Default)]
pub(super) struct Turns {
    interactive: Ring,
    delivery: Ring,
    background: Ring,
    taken: u64,
}

/// The keys of one priority: each line gives one key at its turn, however many stand in it.
#[derive(Debug, Default)]
struct Ring {
    turns: VecDeque<Lane>,
    lines: HashMap<Lane, VecDeque<Key>>,
}

impl Ring {
    fn push(&mut self, lane: Lane, key: Key) {
        let line = self.lines.entry(lane).or_default();
        if line.is_empty() {
            self.turns.push_back(lane);
        }
        line.push_back(key);
    }

    fn pop(&mut self) -> Option<Key> {
        let lane = self.turns.pop_front()?;
        let line = self.lines.get_mut(&lane)?;
        let key = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&lane);
        } else {
            self.turns.push_back(lane);
        }
        key
    }
}

impl Turns {
    /// Puts a key into its line, if it has something to run and does not stand there yet.
    pub(super) fn announce<M>(&mut self, key: &Key, mailbox: &mut Mailbox<M>) {
        if mailbox.announced || !mailbox.is_ready() {
            return;
        }
        mailbox.announced = true;
        self.ring(mailbox.priority).push(mailbox.lane, key.clone());
    }

    /// The next key of a priority that `may_start`.
    pub(super) fn next(&mut self, may_start: impl Fn(Priority) -> bool) -> Option<Key> {
        self.taken = self.taken.wrapping_add(1);
        let order = if self.taken.is_multiple_of(BACKGROUND_EVERY) {
            [
                Priority::Background,
                Priority::Delivery,
                Priority::Interactive,
            ]
        } else if self.taken.is_multiple_of(DELIVERY_EVERY) {
            [
                Priority::Delivery,
                Priority::Interactive,
                Priority::Background,
            ]
        } else {
            Priority::ALL
        };
        order
            .into_iter()
            .filter(|priority| may_start(*priority))
            .find_map(|priority| self.ring(priority).pop())
    }

    fn ring(&mut self, priority: Priority) -> &mut Ring {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Delivery => &mut self.delivery,
            Priority::Background => &mut self.background,
        }
    }
}
