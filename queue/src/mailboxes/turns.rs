//! Whose turn it is: the keys that have something to run, in one line per priority.

use std::collections::VecDeque;

use super::mailbox::Mailbox;
use crate::{Key, Priority};

/// Every fourth turn is offered to deliveries first and every sixteenth to background work, so that a flood of urgent
/// keys slows the others down but never stops them.
const DELIVERY_EVERY: u64 = 4;
const BACKGROUND_EVERY: u64 = 16;

#[derive(Debug, Default)]
pub(super) struct Turns {
    interactive: VecDeque<Key>,
    delivery: VecDeque<Key>,
    background: VecDeque<Key>,
    taken: u64,
}

impl Turns {
    /// Puts a key into its line, if it has something to run and does not stand there yet.
    pub(super) fn announce<M>(&mut self, key: &Key, mailbox: &mut Mailbox<M>) {
        if mailbox.announced || !mailbox.is_ready() {
            return;
        }
        mailbox.announced = true;
        self.line(mailbox.priority).push_back(key.clone());
    }

    pub(super) fn next(&mut self) -> Option<Key> {
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
            [
                Priority::Interactive,
                Priority::Delivery,
                Priority::Background,
            ]
        };
        order
            .into_iter()
            .find_map(|priority| self.line(priority).pop_front())
    }

    fn line(&mut self, priority: Priority) -> &mut VecDeque<Key> {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Delivery => &mut self.delivery,
            Priority::Background => &mut self.background,
        }
    }
}
