//! Getting messages into the hands, and making delayed ones ready: the steps of the pool's `claiming.rs` and of the store's
//! own books about claims and low-water marks.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use sallyport_queue::low_water::Walk;
use sallyport_queue::mailboxes::{Entry, Look, Offer};
use sallyport_queue::{ClaimId, ClaimRef, Lane, MessageId, Partition, Priority, Token};

use super::Worker;
use crate::context::Context;
use crate::event::{Failure, Tag};
use crate::model::{Answer, Ask, Brought, ClaimAsk, ClaimFrom, Taken};
use crate::plant::Plant;

const AFTER_FAILURE: Duration = Duration::from_millis(250);
const PROMOTE_EVERY: Duration = Duration::from_secs(1);
const PROMOTE_PAUSE: Duration = Duration::from_millis(20);
const SWEEP: Duration = Duration::from_secs(5);
const LOOK_BEHIND_EVERY: Duration = Duration::from_secs(60);
const LOOKS_PAUSE: Duration = Duration::from_millis(5);
const LOOKS_MAX: usize = 256;
/// All are of one tenant.
const LANE: Lane = Lane(1);

/// When to claim and when to promote, and which claims are open.
#[derive(Debug)]
pub(super) struct Claiming {
    pub(super) wanted: BTreeSet<Partition>,
    /// The partitions that may have messages behind.
    watched: BTreeSet<Partition>,
    unread: BTreeSet<Partition>,
    look_behind_at: Instant,
    looks_at: Instant,
    order: Option<Order>,
    last: u64,
    sweep_at: Instant,
    sweeps: bool,
    not_before: Instant,
    promote_at: Instant,
    promoting: bool,
    open: BTreeMap<ClaimId, BTreeSet<MessageId>>,
    finished: Vec<ClaimId>,
    /// For the plant that remembers the last number it saw.
    last_seen: BTreeMap<Partition, MessageId>,
}

/// A claim that is under way.
#[derive(Debug)]
struct Order {
    release: Vec<(ClaimRef, bool)>,
    unread: Vec<Partition>,
    ask: ClaimAsk,
    asked_at: Instant,
}

impl Claiming {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            wanted: BTreeSet::new(),
            watched: BTreeSet::new(),
            unread: BTreeSet::new(),
            look_behind_at: now + LOOK_BEHIND_EVERY,
            looks_at: now,
            order: None,
            last: 0,
            sweep_at: now,
            sweeps: false,
            not_before: now,
            promote_at: now,
            promoting: false,
            open: BTreeMap::new(),
            finished: Vec::new(),
            last_seen: BTreeMap::new(),
        }
    }

    pub(super) fn is_claiming(&self) -> bool {
        self.order.is_some()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.is_claiming() || self.promoting
    }

    pub(super) fn due_in(&mut self, wait: Duration, now: Instant) {
        self.promote_at = self.promote_at.min(now + wait);
    }

    /// There may be messages behind in this partition.
    pub(super) fn look_behind(&mut self, partition: Partition) {
        self.watched.insert(partition);
        self.unread.insert(partition);
    }

    pub(super) fn next_timer(&self, now: Instant, wants_looks: bool) -> Instant {
        let mut next = self.sweep_at;
        if !self.promoting {
            next = next.min(self.promote_at);
        }
        if self.order.is_none() {
            if wants_looks || !self.unread.is_empty() {
                next = next.min(self.looks_at);
            }
            if !self.wanted.is_empty() && self.not_before > now {
                next = next.min(self.not_before);
            }
        }
        next
    }

    /// The claim's row is not ours to forget any more.
    pub(super) fn leave_to_the_heir(&mut self, claim: ClaimId) {
        self.open.remove(&claim);
    }

    /// These are no longer in hand; a claim of which nothing is may be forgotten by its row, too.
    pub(super) fn out_of_hand<'m>(&mut self, messages: impl IntoIterator<Item = &'m ClaimRef>) {
        for message in messages {
            if let Some(ids) = self.open.get_mut(&message.claim) {
                ids.remove(&message.id);
                if ids.is_empty() {
                    self.open.remove(&message.claim);
                    self.finished.push(message.claim);
                }
            }
        }
    }
}

impl Worker {
    pub(super) fn claim(&mut self, now: Instant, context: &mut Context) {
        if self.claiming.is_claiming() || self.claiming.not_before > now {
            return;
        }
        if self.claiming.sweep_at <= now {
            self.claiming.sweep_at = now + SWEEP;
            self.claiming.sweeps = true;
            self.claiming.wanted = Partition::all().collect();
        }
        if self.claiming.look_behind_at <= now {
            self.claiming.look_behind_at = now + LOOK_BEHIND_EVERY;
            let watched = self.claiming.watched.clone();
            self.claiming.unread.extend(watched);
        }
        if self.room(context) < context.constants.in_hand_max / 4 {
            for entry in self.mailboxes.relieve() {
                self.send_behind(&entry.message);
            }
        }
        let order = self.order_of(now, context);
        let asks = !order.ask.partitions.is_empty() || !order.ask.looks.is_empty();
        if !asks && order.release.is_empty() && order.unread.is_empty() {
            return;
        }
        self.claiming.last += 1;
        let number = self.claiming.last;
        self.claiming.order = Some(order);
        self.release_before(number, context);
    }

    fn room(&self, context: &Context) -> usize {
        let in_hand = self.mailboxes.waiting() + self.mailboxes.running();
        context.constants.in_hand_max.saturating_sub(in_hand)
    }

    /// What is given back, each with whether it is to go behind.
    pub(super) fn take_given_back(&mut self) -> Vec<(ClaimRef, bool)> {
        let back = std::mem::take(&mut self.give_back);
        let behind = std::mem::take(&mut self.put_behind);
        back.into_iter()
            .map(|message| (message, false))
            .chain(behind.into_iter().map(|message| (message, true)))
            .collect()
    }

    fn order_of(&mut self, now: Instant, context: &Context) -> Order {
        let room = self.room(context);
        let (mut unread, mut looks) = (Vec::new(), Vec::new());
        if self.claiming.looks_at <= now {
            self.claiming.looks_at = now + LOOKS_PAUSE;
            unread = std::mem::take(&mut self.claiming.unread)
                .into_iter()
                .collect();
            unread.retain(|partition| self.partitions.token(*partition).is_some());
            looks = self.looks(room);
        }
        let ask = ClaimAsk {
            worker: self.id.clone(),
            partitions: self.asked_partitions(room, context),
            in_hand: self.mailboxes.ids().collect(),
            looks,
            finished: self.claiming.finished.clone(),
        };
        Order {
            release: self.take_given_back(),
            unread,
            ask,
            asked_at: now,
        }
    }

    fn looks(&mut self, room: usize) -> Vec<(Look, Token)> {
        let mut looks = Vec::new();
        for look in self.mailboxes.looks(LOOKS_MAX, |_| room) {
            match self.partitions.token(look.partition) {
                Some(token) => looks.push((look, token)),
                None => self.mailboxes.look_again(&look),
            }
        }
        looks
    }

    /// While there is no room, what is wanted stays wanted.
    fn asked_partitions(&mut self, room: usize, context: &Context) -> Vec<ClaimFrom> {
        if room == 0 {
            return Vec::new();
        }
        let wanted = std::mem::take(&mut self.claiming.wanted);
        let sweep = std::mem::take(&mut self.claiming.sweeps);
        let claimable = self.partitions.claimable();
        let mut asked = Vec::new();
        for (partition, token) in claimable.filter(|(partition, _)| wanted.contains(partition)) {
            for priority in Priority::ALL {
                asked.push(ClaimFrom {
                    partition,
                    token,
                    priority,
                    messages_max: room.min(64),
                    lowest: self.lowest(partition, priority, sweep, context),
                    watched: self.claiming.watched.contains(&partition),
                });
            }
        }
        asked
    }

    fn lowest(
        &self,
        partition: Partition,
        priority: Priority,
        sweep: bool,
        context: &Context,
    ) -> MessageId {
        if context.has(Plant::LastSeen) {
            let seen = self.claiming.last_seen.get(&partition);
            return seen.map_or(MessageId(0), |seen| MessageId(seen.0 + 1));
        }
        if sweep {
            MessageId(0)
        } else {
            self.low_water.of(partition, priority)
        }
    }

    /// Gives back, then learns of keys with messages behind, then claims.
    fn release_before(&mut self, number: u64, context: &mut Context) {
        let Some(order) = &self.claiming.order else {
            return;
        };
        let messages = order.release.clone();
        if messages.is_empty() {
            return self.ask_behind(number, context);
        }
        let ask = Ask::Release {
            worker: self.id.clone(),
            messages,
        };
        self.ask(Tag::ReleaseBeforeClaim(number), ask, context);
    }

    pub(super) fn released_before_claim(
        &mut self,
        number: u64,
        answer: &Result<Answer, Failure>,
        context: &mut Context,
    ) {
        if number != self.claiming.last {
            return;
        }
        let Some(order) = &mut self.claiming.order else {
            return;
        };
        if answer.is_err() {
            return self.claim_failed(context);
        }
        let released = std::mem::take(&mut order.release);
        self.claiming
            .out_of_hand(released.iter().map(|(message, _)| message));
        self.ask_behind(number, context);
    }

    fn ask_behind(&mut self, number: u64, context: &mut Context) {
        let Some(order) = &self.claiming.order else {
            return;
        };
        if order.unread.is_empty() {
            return self.send_claim(number, context);
        }
        let ask = Ask::BehindKeys(order.unread.clone());
        self.ask(Tag::BehindKeys(number), ask, context);
    }

    /// What was read of keys with messages behind is older than what the claim will say.
    pub(super) fn saw_behind(
        &mut self,
        number: u64,
        answer: Result<Answer, Failure>,
        context: &mut Context,
    ) {
        if number != self.claiming.last {
            return;
        }
        let Some(order) = &mut self.claiming.order else {
            return;
        };
        let Ok(Answer::Behind(keys)) = answer else {
            return self.claim_failed(context);
        };
        for partition in std::mem::take(&mut order.unread) {
            if !keys.iter().any(|(_, other, _)| *other == partition) {
                self.claiming.watched.remove(&partition);
            }
        }
        for (key, partition, from) in keys {
            self.know_behind(&key, partition, from);
        }
        self.send_claim(number, context);
    }

    fn know_behind(&mut self, key: &sallyport_queue::Key, partition: Partition, from: MessageId) {
        if self.partitions.token(partition).is_some() {
            self.mailboxes.fell_behind(key, partition, from);
        }
    }

    fn send_claim(&mut self, number: u64, context: &mut Context) {
        let Some(order) = &self.claiming.order else {
            return;
        };
        let ask = order.ask.clone();
        if ask.partitions.is_empty() && ask.looks.is_empty() {
            return self.claimed(number, Ok(Answer::Claimed(Brought::default())), context);
        }
        self.ask(Tag::Claim(number), Ask::Claim(ask), context);
    }

    fn claim_failed(&mut self, context: &Context) {
        let Some(order) = self.claiming.order.take() else {
            return;
        };
        for (message, behind) in order.release {
            match behind {
                true => self.put_behind.push(message),
                false => self.give_back.push(message),
            }
        }
        let asked = order.ask.partitions.iter().map(|from| from.partition);
        self.claiming.wanted.extend(asked);
        self.claiming.unread.extend(order.unread);
        for (look, _) in &order.ask.looks {
            self.mailboxes.look_again(look);
        }
        self.claiming.not_before = self.now(context) + AFTER_FAILURE;
    }

    pub(super) fn claimed(
        &mut self,
        number: u64,
        answer: Result<Answer, Failure>,
        context: &mut Context,
    ) {
        if number != self.claiming.last {
            return;
        }
        let Ok(Answer::Claimed(brought)) = answer else {
            return self.claim_failed(context);
        };
        let Some(order) = self.claiming.order.take() else {
            return;
        };
        let done = &order.ask.finished;
        self.claiming.finished.retain(|claim| !done.contains(claim));
        self.note_walk(&order, &brought);
        for (look, _) in &order.ask.looks {
            let of_key = brought.looked.iter().filter(|one| one.key == look.key);
            let found: Vec<MessageId> = of_key.map(|one| one.id).collect();
            self.mailboxes.looked(look, &found);
        }
        for message in &brought.behind {
            self.know_behind(&message.key, message.partition, message.id);
        }
        let ids = |list: &[Taken]| list.iter().map(|one| one.id.0).collect::<Vec<_>>();
        let told = (
            ids(&brought.messages),
            ids(&brought.looked),
            ids(&brought.behind),
        );
        if told != (vec![], vec![], vec![]) {
            let (messages, looked, behind) = told;
            context.say(
                self.me(),
                format_args!(
                    "has claimed {messages:?}, from behind {looked:?}, left behind {behind:?}"
                ),
            );
        }
        for message in brought.looked.into_iter().chain(brought.messages) {
            self.take_message(message);
        }
    }

    /// As the store notes it: whoever gave less than was asked for has shown everything there is.
    fn note_walk(&mut self, order: &Order, brought: &Brought) {
        let mut met: Vec<&Taken> = brought.messages.iter().chain(&brought.behind).collect();
        met.sort_by_key(|message| message.id);
        for message in &met {
            let seen = self.claiming.last_seen.entry(message.partition);
            let seen = seen.or_insert(message.id);
            *seen = (*seen).max(message.id);
        }
        let highest = met.last().map(|message| message.id);
        for from in &order.ask.partitions {
            let here: Vec<(Lane, MessageId)> = met
                .iter()
                .filter(|one| one.partition == from.partition && one.priority == from.priority)
                .map(|one| (LANE, one.id))
                .collect();
            let walk = Walk {
                partition: from.partition,
                priority: from.priority,
                messages_max: from.messages_max,
                turn: Some(self.low_water.turn(from.partition, from.priority)),
                met: &here,
                lowest_in_hand: order.ask.in_hand.first().copied(),
                highest,
            };
            if self.low_water.note(&walk, order.asked_at) {
                self.claiming.wanted.insert(from.partition);
            }
        }
    }

    fn take_message(&mut self, message: Taken) {
        self.claiming
            .open
            .entry(message.claim)
            .or_default()
            .insert(message.id);
        if !self.partitions.works(message.partition, message.token) {
            self.give_back.push(message.reference());
            return;
        }
        if message.stepped_over {
            self.mailboxes.remember_step(message.id, message.partition);
        }
        let entry = Entry {
            id: message.id,
            key: message.key.clone(),
            partition: message.partition,
            priority: message.priority,
            lane: LANE,
            message: Rc::new(message),
        };
        match self.mailboxes.offer(entry) {
            Offer::Taken | Offer::Known => {}
            Offer::Full(entry) => self.send_behind(&entry.message),
        }
    }

    fn send_behind(&mut self, message: &Taken) {
        self.claiming.watched.insert(message.partition);
        self.put_behind.push(message.reference());
    }

    pub(super) fn promote(&mut self, now: Instant, context: &mut Context) {
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
        self.ask(Tag::Promote, Ask::Promote(partitions), context);
    }

    pub(super) fn promoted(&mut self, answer: Result<Answer, Failure>, context: &mut Context) {
        self.claiming.promoting = false;
        let (promoted, next) = match answer {
            Ok(Answer::Promoted(promoted, next)) => (promoted, next),
            _ => (Vec::new(), None),
        };
        let wait = next
            .map_or(PROMOTE_EVERY, |next| {
                Duration::from_micros(next.unsigned_abs())
            })
            .clamp(PROMOTE_PAUSE, PROMOTE_EVERY);
        self.claiming.promote_at = self.now(context) + wait;
        if promoted.is_empty() {
            return;
        }
        for (partition, id) in &promoted {
            self.low_water.lower(*partition, *id);
        }
        self.claiming.wanted = Partition::all().collect();
    }
}
