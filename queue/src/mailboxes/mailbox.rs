//! One key's messages in hand: at most one runs, the others wait in the order of their ids.

use std::collections::VecDeque;
use std::time::Instant;

use super::Entry;
use crate::{Lane, MessageId, Partition, Priority};

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
    pub(super) lane: Lane,
    /// Ascending ids.
    pub(super) waiting: VecDeque<Entry<M>>,
    pub(super) busy: Option<MessageId>,
    /// The busy one stepped aside: it is in no count.
    pub(super) aside: bool,
    pub(super) held: Option<Held>,
    /// Messages from this number on that are not in hand are behind, in the rows.
    pub(super) behind: Option<MessageId>,
    /// The key stands in the list of those to look for behind, or is being looked for.
    pub(super) looking: bool,
    /// The key stands in the list of those that want a turn.
    pub(super) announced: bool,
}

impl<M> Mailbox<M> {
    pub(super) fn new(partition: Partition, priority: Priority) -> Self {
        Self {
            partition,
            priority,
            lane: Lane::FIRST,
            waiting: VecDeque::new(),
            busy: None,
            aside: false,
            held: None,
            behind: None,
            looking: false,
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

    /// Takes a message out that waits.
    pub(super) fn withdraw(&mut self, id: MessageId) -> Option<Entry<M>> {
        let place = self
            .waiting
            .binary_search_by_key(&id, |entry| entry.id)
            .ok()?;
        self.waiting.remove(place)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.busy.is_none()
            && self.held.is_none()
            && self.behind.is_none()
            && self.waiting.is_empty()
    }

    /// Whether a message must not be taken in hand: it would pass one that is behind, or its key has enough, or waits for
    /// another one.
    pub(super) fn refuses(&self, id: MessageId, in_hand_max: usize) -> bool {
        match self.held {
            Some(held) => held.head != id,
            None => self.in_hand() >= in_hand_max || self.behind.is_some_and(|from| from <= id),
        }
    }

    /// Messages from this number on are behind.
    pub(super) fn fall_behind(&mut self, from: MessageId) {
        self.behind = Some(self.behind.map_or(from, |known| known.min(from)));
    }

    /// What is to be looked for behind, if the key may go on with it: how many, and whether one message alone.
    pub(super) fn look(&self, in_hand_max: usize) -> Option<(usize, Option<MessageId>)> {
        let from = self.behind?;
        match self.held {
            Some(held) => {
                (from <= held.head && !self.knows(held.head)).then_some((1, Some(held.head)))
            }
            None => {
                let room = in_hand_max.saturating_sub(self.in_hand());
                (room * 2 >= in_hand_max && room > 0).then_some((room, None))
            }
        }
    }
}
