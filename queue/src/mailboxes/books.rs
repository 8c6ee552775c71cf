//! How many messages are in hand, by partition, by urgency and by line: what decides how much more may be claimed, and
//! whether another may start.

use std::collections::HashMap;

use super::mailbox::Mailbox;
use crate::{Lane, Partition, Priority};

#[derive(Debug, Default)]
pub(super) struct Books {
    partitions: HashMap<Partition, usize>,
    lanes: HashMap<(Priority, Lane), usize>,
    waiting: [usize; 3],
    running: [usize; 3],
}

fn place(priority: Priority) -> usize {
    match priority {
        Priority::Interactive => 0,
        Priority::Delivery => 1,
        Priority::Background => 2,
    }
}

fn of(counts: &[usize; 3], priority: Priority) -> usize {
    counts.get(place(priority)).copied().unwrap_or(0)
}

fn change(counts: &mut [usize; 3], priority: Priority, by: isize) {
    if let Some(count) = counts.get_mut(place(priority)) {
        *count = count.saturating_add_signed(by);
    }
}

impl Books {
    /// One more waits in this mailbox.
    pub(super) fn took<M>(&mut self, mailbox: &Mailbox<M>) {
        *self.partitions.entry(mailbox.partition).or_default() += 1;
        *self
            .lanes
            .entry((mailbox.priority, mailbox.lane))
            .or_default() += 1;
        change(&mut self.waiting, mailbox.priority, 1);
    }

    /// One that waited runs.
    pub(super) fn started<M>(&mut self, mailbox: &Mailbox<M>) {
        change(&mut self.waiting, mailbox.priority, -1);
        change(&mut self.running, mailbox.priority, 1);
    }

    /// One that ran is out of hand.
    pub(super) fn ended<M>(&mut self, mailbox: &Mailbox<M>) {
        change(&mut self.running, mailbox.priority, -1);
        self.one_less(mailbox);
    }

    /// One that waited is out of hand.
    pub(super) fn gave_back<M>(&mut self, mailbox: &Mailbox<M>) {
        change(&mut self.waiting, mailbox.priority, -1);
        self.one_less(mailbox);
    }

    /// Everything of this mailbox is out of hand.
    pub(super) fn dropped<M>(&mut self, mailbox: &Mailbox<M>) {
        if mailbox.busy.is_some() && !mailbox.aside {
            self.ended(mailbox);
        }
        for _ in &mailbox.waiting {
            self.gave_back(mailbox);
        }
    }

    fn one_less<M>(&mut self, mailbox: &Mailbox<M>) {
        let lane = (mailbox.priority, mailbox.lane);
        if let Some(count) = self.partitions.get_mut(&mailbox.partition) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.lanes.get_mut(&lane) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.lanes.remove(&lane);
            }
        }
    }

    /// Whether one more of this urgency may start without taking the places that are kept free for more urgent ones.
    pub(super) fn may_start(&self, priority: Priority, slots: usize) -> bool {
        let background = of(&self.running, Priority::Background);
        let less_urgent = background + of(&self.running, Priority::Delivery);
        match priority {
            Priority::Interactive => true,
            Priority::Delivery => less_urgent < slots - slots / 8,
            Priority::Background => {
                background < slots - slots / 4 && less_urgent < slots - slots / 8
            }
        }
    }

    pub(super) fn in_partition(&self, partition: Partition) -> usize {
        self.partitions.get(&partition).copied().unwrap_or(0)
    }

    pub(super) fn of(&self, priority: Priority) -> usize {
        of(&self.waiting, priority) + of(&self.running, priority)
    }

    pub(super) fn lanes_with(&self, priority: Priority, messages_min: usize) -> Vec<Lane> {
        let mut lanes: Vec<Lane> = self
            .lanes
            .iter()
            .filter(|((of, _), count)| *of == priority && **count >= messages_min)
            .map(|((_, lane), _)| *lane)
            .collect();
        lanes.sort_unstable();
        lanes
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.iter().sum()
    }

    pub(super) fn running(&self) -> usize {
        self.running.iter().sum()
    }
}
