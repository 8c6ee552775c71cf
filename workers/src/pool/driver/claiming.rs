//! Getting messages into the hands: when to claim, and what to do with what came.
//!
//! Claims never overlap, and what the mailboxes refused is put behind before the next one begins: the order within a key
//! rests on it. What to ask for is decided in `hands`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_queue::mailboxes::{Entry, Look, Offer};
use sallyport_queue::{
    Behind, BehindPage, ClaimRef, ClaimRequest, Claimed, InHand, Key, MessageId, Partition,
    PartitionClaim, PartitionSet, Priority, Promoted, StoreError, Taken, Token,
};

use super::hands::Hands;
use super::{Driver, House, Report};
use crate::pool::events;

/// After a failed claim the next one waits this long.
const AFTER_FAILURE: Duration = Duration::from_millis(250);
/// Delayed messages become ready at most this late, when nobody told us of them.
const PROMOTE_EVERY: Duration = Duration::from_secs(1);
/// However many delays end at once, they are looked for at most this often.
const PROMOTE_PAUSE: Duration = Duration::from_millis(20);
/// The net under what is known of messages behind: how often to look for keys that nobody told us of.
const LOOK_BEHIND_EVERY: Duration = Duration::from_secs(60);
/// In so many partitions at a time.
const PAGE_PARTITIONS_MAX: usize = 16;
/// A worker that knows of so many keys learns of no more until some have ended: they wait in the rows.
const KEYS_MAX: usize = 100_000;
/// When there was no room for what is behind, it is thought of again after this long.
const LOOKS_PAUSE: Duration = Duration::from_millis(5);
/// So many keys are looked for in one claim.
const LOOKS_MAX: usize = 256;

/// A partition in which to look for keys with messages behind, and the key after which to go on.
type Unread = (Partition, Option<Key>);

/// When to claim and when to promote.
#[derive(Debug)]
pub(super) struct Claiming {
    pub(super) hands: Hands,
    /// The partitions that may have messages behind.
    watched: PartitionSet,
    /// Where to look for keys with messages behind, and after which key to go on.
    unread: Vec<Unread>,
    look_behind_at: Instant,
    looks_at: Instant,
    busy: bool,
    sweep_at: Instant,
    not_before: Instant,
    promote_at: Instant,
    promoting: bool,
}

impl Claiming {
    pub(super) fn new(in_hand_max: usize, now: Instant) -> Self {
        Self {
            hands: Hands::new(in_hand_max, now),
            watched: PartitionSet::EMPTY,
            unread: Vec::new(),
            look_behind_at: now + LOOK_BEHIND_EVERY,
            looks_at: now,
            busy: false,
            sweep_at: now,
            not_before: now,
            promote_at: now,
            promoting: false,
        }
    }

    /// Somebody told us that there is something to claim.
    pub(super) fn woken(&mut self, partitions: PartitionSet) {
        self.hands.want(partitions);
    }

    /// There may be something to claim in this partition.
    pub(super) fn want(&mut self, partition: Partition) {
        self.hands.want([partition].into_iter().collect());
    }

    /// There may be messages behind in this partition.
    pub(super) fn look_behind(&mut self, partition: Partition) {
        self.watched.insert(partition);
        self.unread.retain(|(other, _)| *other != partition);
        self.unread.push((partition, None));
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
    }

    pub(super) fn next_timer(&self, wants_looks: bool) -> Instant {
        let mut next = self.sweep_at;
        if !self.promoting {
            next = next.min(self.promote_at);
        }
        if !self.busy {
            let now = Instant::now();
            if wants_looks || !self.unread.is_empty() {
                next = next.min(self.looks_at);
            }
            if let Some(at) = self.hands.next_timer() {
                next = next.min(at);
            }
            if self.not_before > now {
                next = next.max(self.not_before);
            }
        }
        next.max(Instant::now() + Duration::from_millis(1))
    }
}

/// A claim, made up by the driver and carried out by a task.
struct Order {
    give_back: Vec<ClaimRef>,
    put_behind: Vec<ClaimRef>,
    unread: Vec<Unread>,
    partitions: Vec<PartitionClaim>,
    looks: Vec<(Look, Token)>,
    in_hand: Vec<InHand>,
    watched: PartitionSet,
}

impl Order {
    fn is_empty(&self) -> bool {
        self.give_back.is_empty()
            && self.put_behind.is_empty()
            && self.unread.is_empty()
            && self.partitions.is_empty()
            && self.looks.is_empty()
    }
}

/// What came of it. What could not even be given back has to be before the next claim; of what was asked for everything
/// is kept, in case it has to be asked for again.
pub(super) struct Outcome {
    taken: Result<(Taken, BehindPage), StoreError>,
    order: Order,
}

impl Driver {
    /// Claims, if somebody asked for it and there is room. Not while something is given back or ended by order: a claim must
    /// not meet what is about to go behind its key, or is not ours to begin any more.
    pub(super) fn claim(&mut self, now: Instant) {
        let is_changing = self.releasing > 0 || self.steering.is_busy();
        if self.claiming.busy || is_changing || self.claiming.not_before > now {
            return;
        }
        if self.claiming.sweep_at <= now {
            self.claiming.sweep_at = now + self.house.settings.sweep();
            self.claiming.hands.sweep();
            self.look_after_orders();
            self.call_waiting();
        }
        if self.claiming.look_behind_at <= now && self.claiming.unread.is_empty() {
            self.claiming.look_behind_at = now + LOOK_BEHIND_EVERY;
            for partition in self.claiming.watched.iter() {
                self.claiming.unread.push((partition, None));
            }
        }
        if self.claiming.hands.are_short(&self.mailboxes) {
            let relieved = self.mailboxes.relieve();
            relieved
                .into_iter()
                .for_each(|entry| self.send_behind(&entry.message));
        }
        let order = self.order_of(now);
        if order.is_empty() {
            return;
        }
        self.claiming.busy = true;
        self.report_from(carry_out(Arc::clone(&self.house), order));
    }

    fn order_of(&mut self, now: Instant) -> Order {
        let partitions = self.claiming.hands.ask(
            &self.mailboxes,
            &self.partitions,
            self.claiming.watched,
            now,
        );
        let (unread, looks) = match self.claiming.looks_at <= now {
            true => self.what_is_behind(now),
            false => (Vec::new(), Vec::new()),
        };
        let in_hand = match partitions.is_empty() && looks.is_empty() {
            true => Vec::new(),
            false => self
                .mailboxes
                .hands()
                .map(|(partition, id)| InHand { partition, id })
                .collect(),
        };
        Order {
            give_back: std::mem::take(&mut self.give_back),
            put_behind: std::mem::take(&mut self.put_behind),
            unread,
            partitions,
            looks,
            in_hand,
            watched: self.claiming.watched,
        }
    }

    /// The next keys to learn of, and the keys to go on with.
    fn what_is_behind(&mut self, now: Instant) -> (Vec<Unread>, Vec<(Look, Token)>) {
        self.claiming.looks_at = now + LOOKS_PAUSE;
        let mut unread = Vec::new();
        if self.mailboxes.keys() < KEYS_MAX {
            let count = self.claiming.unread.len().min(PAGE_PARTITIONS_MAX);
            unread = self.claiming.unread.drain(..count).collect();
            unread.retain(|(partition, _)| self.partitions.token(*partition).is_some());
        }
        let (mailboxes, hands) = (&mut self.mailboxes, &self.claiming.hands);
        let rooms = Priority::ALL.map(|priority| (priority, hands.room(mailboxes, priority)));
        let room = |asked| {
            let found = rooms.iter().find(|(priority, _)| *priority == asked);
            found.map_or(0, |(_, room)| *room)
        };
        let mut looks = Vec::new();
        for look in mailboxes.looks(LOOKS_MAX, room) {
            match self.partitions.token(look.partition) {
                Some(token) => looks.push((look, token)),
                None => mailboxes.look_again(&look),
            }
        }
        if !looks.is_empty() {
            self.claiming.looks_at = now;
        }
        (unread, looks)
    }

    /// Takes in what a claim came to.
    pub(super) fn take_claimed(&mut self, outcome: Outcome) {
        self.claiming.busy = false;
        match outcome.taken {
            Ok((taken, page)) => self.take_what_came(taken, page, &outcome.order),
            Err(_told_by_the_store) => self.ask_again_later(outcome.order),
        }
    }

    fn ask_again_later(&mut self, order: Order) {
        self.give_back.extend(order.give_back);
        self.put_behind.extend(order.put_behind);
        self.claiming.unread.extend(order.unread);
        self.claiming.hands.not_given(&order.partitions);
        for (look, _) in &order.looks {
            self.mailboxes.look_again(look);
        }
        self.claiming.not_before = Instant::now() + AFTER_FAILURE;
    }

    /// Puts what came into the mailboxes. What was read of keys with messages behind is older than what the claim says.
    fn take_what_came(&mut self, taken: Taken, page: BehindPage, order: &Order) {
        for (partition, after) in &order.unread {
            let has_any = page
                .keys
                .iter()
                .any(|behind| behind.partition == *partition);
            if after.is_none() && !has_any {
                self.claiming.watched.remove(*partition);
            }
        }
        self.know_behind(&page.keys);
        self.claiming.unread.extend(page.more);
        let mut looked: HashMap<&Key, Vec<MessageId>> = HashMap::new();
        for message in &taken.looked {
            looked.entry(&message.key).or_default().push(message.id);
        }
        for (look, _) in &order.looks {
            let found = looked.get(&look.key).map_or(&[][..], Vec::as_slice);
            self.mailboxes.looked(look, found);
        }
        self.know_behind(&taken.behind);
        self.claiming.hands.given(&order.partitions, &taken.more);
        taken
            .looked
            .into_iter()
            .chain(taken.messages)
            .for_each(|message| self.take_message(message));
    }

    fn know_behind(&mut self, keys: &[Behind]) {
        for behind in keys {
            if self.partitions.token(behind.partition).is_some() {
                self.mailboxes
                    .fell_behind(&behind.key, behind.partition, behind.from);
            }
        }
    }

    fn take_message(&mut self, message: Claimed) {
        if !self.partitions.works(message.partition, message.token) {
            self.give_back.push(message.reference());
            return;
        }
        self.room.forget(message.id);
        if message.stepped_over {
            self.mailboxes.remember_step(message.id, message.partition);
        }
        let entry = Entry {
            id: message.id,
            key: message.key.clone(),
            partition: message.partition,
            priority: message.priority,
            lane: message.lane,
            message: Arc::new(message),
        };
        match self.mailboxes.offer(entry) {
            Offer::Taken | Offer::Known => {}
            Offer::Full(entry) => self.send_behind(&entry.message),
        }
    }

    fn send_behind(&mut self, message: &Claimed) {
        self.claiming.watched.insert(message.partition);
        self.put_behind.push(message.reference());
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

async fn carry_out(house: Arc<House>, order: Order) -> Report {
    let taken = in_order(&house, &order).await;
    Report::Claimed(Box::new(Outcome { taken, order }))
}

/// Gives back, then learns of keys with messages behind, then claims.
async fn in_order(house: &House, order: &Order) -> Result<(Taken, BehindPage), StoreError> {
    house
        .store
        .give_back(&order.give_back, &order.put_behind)
        .await?;
    let page = house.store.behind_keys(&order.unread).await?;
    let request = ClaimRequest {
        partitions: &order.partitions,
        in_hand: &order.in_hand,
        looks: &order.looks,
        watched: order.watched,
    };
    Ok((house.store.claim(&request).await?, page))
}
