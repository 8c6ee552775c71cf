//! One key's messages in hand: at most one runs, the others wait in the order of their ids.

use std::collections::VecDeque;
use std::time::Instant;

use super::Entry;
use crate::{MessageId, Partition, Priority};

/// A failed head for which the messages behind it wait; without an end while `until` is `None`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) head: MessageId,
    pub(super) until: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Mailbox<M> {
    pub(super) partition: Partition,
    pub(super) priority: Priority,
    /// Ascending ids.
    pub(super) waiting: VecDeque<Entry<M>>,
    pub(super) busy: Option<MessageId>,
    pub(super) held: Option<Held>,
    /// The key stands in the list of those that want a turn.
    pub(super) announced: bool,
}

impl<M> Mailbox<M> {
    pub(super) fn new(partition: Partition, priority: Priority) -> Self {
        Self {
            partition,
            priority,
            waiting: VecDeque::new(),
            busy: None,
            held: None,
            announced: false,
        }
    }

    pub(super) fn in_hand(&self) -> usize {
        self.waiting.len() + usize::from(self.busy.is_some())
    }

    pub(super) fn knows(&self, id: MessageId) -> bool {
        self.busy == Some(id)
            || self
                .waiting
                .binary_search_by_key(&id, |entry| entry.id)
                .is_ok()
    }

    pub(super) fn insert(&mut self, entry: Entry<M>) {
        let place = self.waiting.partition_point(|other| other.id < entry.id);
        self.waiting.insert(place, entry);
    }

    /// Whether a message could start now: nothing runs, and the first in line is not behind a held head.
    pub(super) fn is_ready(&self) -> bool {
        self.busy.is_none() && self.runnable().is_some()
    }

    /// The place in line of the message that may start: the held head if there is one, else the first.
    fn runnable(&self) -> Option<usize> {
        match self.held {
            Some(held) => self
                .waiting
                .binary_search_by_key(&held.head, |entry| entry.id)
                .ok(),
            None => (!self.waiting.is_empty()).then_some(0),
        }
    }

    pub(super) fn start(&mut self) -> Option<Entry<M>> {
        if self.busy.is_some() {
            return None;
        }
        let entry = self.waiting.remove(self.runnable()?)?;
        self.busy = Some(entry.id);
        Some(entry)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.busy.is_none() && self.held.is_none() && self.waiting.is_empty()
    }
}
