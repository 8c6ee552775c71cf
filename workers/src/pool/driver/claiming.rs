//! Getting messages into the hands: when to claim, how much, and what to do with what came.
//!
//! Claims never overlap, and what the mailboxes refused is given back before the next one begins: the order within a
//! key rests on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_queue::mailboxes::{Entry, Offer};
use sallyport_queue::{
    ClaimRef, ClaimRequest, Claimed, Key, MessageId, Partition, PartitionClaim, PartitionSet,
    Promoted, StoreError, Token,
};

use super::{Driver, House, Report};
use crate::pool::events;

/// After a failed claim the next one waits this long.
const AFTER_FAILURE: Duration = Duration::from_millis(250);
/// Delayed messages become ready at most this late, when nobody told us of them.
const PROMOTE_EVERY: Duration = Duration::from_secs(1);
/// However many delays end at once, they are looked for at most this often.
const PROMOTE_PAUSE: Duration = Duration::from_millis(20);

/// When to claim and when to promote.
#[derive(Debug)]
pub(super) struct Claiming {
    /// Where there may be something to claim.
    wanted: PartitionSet,
    busy: bool,
    sweep_at: Instant,
    not_before: Instant,
    promote_at: Instant,
    promoting: bool,
}

impl Claiming {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            wanted: PartitionSet::EMPTY,
            busy: false,
            sweep_at: now,
            not_before: now,
            promote_at: now,
            promoting: false,
        }
    }

    /// Somebody told us that there is something to claim.
    pub(super) fn woken(&mut self, partitions: PartitionSet) {
        self.wanted.union(partitions);
    }

    /// There may be something to claim in this partition.
    pub(super) fn want(&mut self, partition: Partition) {
        self.wanted.insert(partition);
    }

    /// Whoever gave as much as was asked for may have more.
    fn want_more(&mut self, asked: &Asked, messages: &[Claimed]) {
        if messages.len() >= asked.total_max {
            self.wanted.union(asked.partitions);
            return;
        }
        let mut given: HashMap<Partition, u16> = HashMap::new();
        for message in messages {
            let count = given.entry(message.partition).or_default();
            *count += 1;
            if *count >= asked.each {
                self.wanted.insert(message.partition);
            }
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy || self.promoting
    }

    pub(super) fn is_claiming(&self) -> bool {
        self.busy
    }

    /// A message will be due so soon.
    pub(super) fn due_in(&mut self, wait: Duration, now: Instant) {
        self.promote_at = self.promote_at.min(now + wait);
    }

    pub(super) fn promoted(&mut self, promoted: Promoted, now: Instant) {
        self.promoting = false;
        let wait = promoted
            .next_due
            .unwrap_or(PROMOTE_EVERY)
            .clamp(PROMOTE_PAUSE, PROMOTE_EVERY);
        self.promote_at = now + wait;
        if promoted.promoted > 0 {
            self.wanted = PartitionSet::ALL;
        }
    }

    pub(super) fn next_timer(&self) -> Instant {
        let mut next = self.sweep_at;
        if !self.promoting {
            next = next.min(self.promote_at);
        }
        if !self.wanted.is_empty() && !self.busy && self.not_before > Instant::now() {
            next = next.min(self.not_before);
        }
        next.max(Instant::now() + Duration::from_millis(1))
    }
}

/// A claim, made up by the driver and carried out by a task.
struct Order {
    give_back: Vec<ClaimRef>,
    partitions: Vec<PartitionClaim>,
    total_max: usize,
    in_hand: Vec<MessageId>,
    without_keys: Vec<Key>,
    even_so: Vec<MessageId>,
    sweep: bool,
}

/// What was asked for.
struct Asked {
    partitions: PartitionSet,
    each: u16,
    total_max: usize,
}

/// What came of it.
pub(super) struct Outcome {
    messages: Result<Vec<Claimed>, StoreError>,
    asked: Asked,
    /// What could not even be given back, and has to be before the next claim.
    not_given_back: Vec<ClaimRef>,
}

impl Driver {
    /// Claims, if somebody asked for it and there is room.
    pub(super) fn claim(&mut self, now: Instant) {
        let sweep = self.claiming.sweep_at <= now;
        let has_reason = sweep || !self.claiming.wanted.is_empty() || !self.give_back.is_empty();
        if self.claiming.busy || self.claiming.not_before > now || !has_reason {
            return;
        }
        let in_hand_max = self.house.settings.in_hand_max.get();
        let in_hand = self.mailboxes.waiting() + self.mailboxes.running();
        let room = in_hand_max.saturating_sub(in_hand);
        if room < in_hand_max / 4 && in_hand > 0 {
            return;
        }
        if sweep {
            self.claiming.sweep_at = now + self.house.settings.sweep();
            self.claiming.wanted = PartitionSet::ALL;
        }
        let order = self.order_of(room, sweep);
        self.claiming.wanted = PartitionSet::EMPTY;
        if order.partitions.is_empty() && order.give_back.is_empty() {
            return;
        }
        self.claiming.busy = true;
        self.report_from(carry_out(Arc::clone(&self.house), order));
    }

    fn order_of(&mut self, room: usize, sweep: bool) -> Order {
        let claimable: Vec<(Partition, Token)> = self
            .partitions
            .claimable()
            .filter(|(partition, _)| self.claiming.wanted.contains(*partition))
            .collect();
        let each = share_of(room, claimable.len());
        let held: Vec<(Key, MessageId)> = self
            .mailboxes
            .held_keys()
            .map(|(key, head)| (key.clone(), head))
            .collect();
        Order {
            give_back: std::mem::take(&mut self.give_back),
            partitions: claimable
                .into_iter()
                .map(|(partition, token)| PartitionClaim {
                    partition,
                    token,
                    messages_max: each,
                })
                .collect(),
            total_max: room,
            in_hand: self.mailboxes.ids().collect(),
            without_keys: self
                .mailboxes
                .full_keys()
                .cloned()
                .chain(held.iter().map(|(key, _)| key.clone()))
                .collect(),
            even_so: held.into_iter().map(|(_, head)| head).collect(),
            sweep,
        }
    }

    /// Puts what was claimed into the mailboxes.
    pub(super) fn take_claimed(&mut self, outcome: Outcome) {
        self.claiming.busy = false;
        self.give_back.extend(outcome.not_given_back);
        match outcome.messages {
            Ok(messages) => {
                self.claiming.want_more(&outcome.asked, &messages);
                messages
                    .into_iter()
                    .for_each(|message| self.take_message(message));
            }
            Err(_told_by_the_store) => {
                self.claiming.woken(outcome.asked.partitions);
                self.claiming.not_before = Instant::now() + AFTER_FAILURE;
            }
        }
    }

    fn take_message(&mut self, message: Claimed) {
        if !self.partitions.works(message.partition, message.token) {
            self.give_back.push(message.reference());
            return;
        }
        let entry = Entry {
            id: message.id,
            key: message.key.clone(),
            partition: message.partition,
            priority: message.priority,
            message: Arc::new(message),
        };
        match self.mailboxes.offer(entry) {
            Offer::Taken | Offer::Known => {}
            Offer::Full(entry) => self.give_back.push(entry.message.reference()),
        }
    }

    /// Makes delayed messages ready whose time has come.
    pub(super) fn promote(&mut self, now: Instant) {
        if self.claiming.promoting || self.claiming.promote_at > now {
            return;
        }
        let partitions: Vec<Partition> = self
            .partitions
            .claimable()
            .map(|(partition, _)| partition)
            .collect();
        if partitions.is_empty() {
            self.claiming.promote_at = now + PROMOTE_EVERY;
            return;
        }
        self.claiming.promoting = true;
        let house = Arc::clone(&self.house);
        self.report_from(async move {
            match house.store.promote(&partitions).await {
                Ok(promoted) => Report::Promoted(promoted),
                Err(error) => {
                    events::promote_failed(&error);
                    Report::Promoted(Promoted::default())
                }
            }
        });
    }
}

/// How many messages one partition may give: enough to fill the room when only a few have any.
fn share_of(room: usize, partitions: usize) -> u16 {
    const AT_LEAST: usize = 64;
    let even = room.checked_div(partitions).unwrap_or(0);
    let share = (even * 2).max(AT_LEAST).min(room);
    u16::try_from(share).unwrap_or(u16::MAX)
}

async fn carry_out(house: Arc<House>, order: Order) -> Report {
    let asked = Asked {
        partitions: order
            .partitions
            .iter()
            .map(|claim| claim.partition)
            .collect(),
        each: order
            .partitions
            .first()
            .map_or(0, |claim| claim.messages_max),
        total_max: order.total_max,
    };
    if !order.give_back.is_empty()
        && let Err(error) = house.store.release(&order.give_back).await
    {
        return Report::Claimed(Outcome {
            messages: Err(error),
            asked,
            not_given_back: order.give_back,
        });
    }
    let request = ClaimRequest {
        partitions: &order.partitions,
        total_max: order.total_max,
        in_hand: &order.in_hand,
        without_keys: &order.without_keys,
        even_so: &order.even_so,
        sweep: order.sweep,
    };
    Report::Claimed(Outcome {
        messages: house.store.claim(&request).await,
        asked,
        not_given_back: Vec::new(),
    })
}
