//! What must always hold, judged from outside: from what clients were answered, what the provider received, and the order
//! in which commits took effect. The house's own books are looked at only for what has no outside.

use std::collections::{BTreeMap, BTreeSet};

use sallyport_queue::mailboxes::HeadPolicy;
use sallyport_queue::{Key, MessageId, NewMessage, Partition, Token};

use crate::constants::Constants;
use crate::model::{Fact, Micros, Taken};

/// The kind of what clients send in.
pub(crate) const IN: &str = "in";
/// The kind of what goes out to the provider.
pub(crate) const SEND: &str = "send";

/// What a client wants to have handled.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) key: Key,
    /// The one edge that it goes through, if it always goes through the same.
    pub(crate) pinned: Option<usize>,
    /// Whether it has a delivery id, so that repeats are found.
    pub(crate) has_id: bool,
    requested_at: Micros,
    acked_at: Option<Micros>,
    stored: Vec<MessageId>,
}

/// One message, as seen by its watchers.
#[derive(Debug)]
struct Message {
    origin: u32,
    is_send: bool,
    stored_at: Micros,
    ended: Option<&'static str>,
    outgoing: usize,
    /// Attempts that ended with a retry.
    retried: u16,
    /// It was given back to wait, at least once, so others may have passed it.
    returned: bool,
    /// Runs whose end nobody has committed, by the token of their ownership.
    open_runs: BTreeSet<Token>,
    not_before: Micros,
    sends: u32,
    /// How often a send was counted as ambiguous.
    ambiguous: u32,
}

/// The watcher.
#[derive(Debug)]
pub(crate) struct Checker {
    pub(crate) origins: BTreeMap<u32, Origin>,
    messages: BTreeMap<MessageId, Message>,
    by_key: BTreeMap<Key, BTreeSet<MessageId>>,
    tokens: BTreeMap<Partition, Token>,
    unfinished: BTreeSet<MessageId>,
    latest_clock: Micros,
    attempts_max: u16,
    parks: bool,
    violations: Vec<String>,
}

impl Checker {
    pub(crate) fn new(constants: &Constants) -> Self {
        Self {
            origins: BTreeMap::new(),
            messages: BTreeMap::new(),
            by_key: BTreeMap::new(),
            tokens: BTreeMap::new(),
            unfinished: BTreeSet::new(),
            latest_clock: 0,
            attempts_max: constants.attempts_max,
            parks: constants.head == HeadPolicy::Park,
            violations: Vec::new(),
        }
    }

    /// The first thing that must never happen, if it has happened.
    pub(crate) fn violation(&self) -> Option<&str> {
        self.violations.first().map(String::as_str)
    }

    pub(crate) fn fail(&mut self, what: String) {
        self.violations.push(what);
    }

    fn require(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(what());
        }
    }

    // === what clients see ===

    pub(crate) fn requested(
        &mut self,
        origin: u32,
        key: &Key,
        pinned: Option<usize>,
        has_id: bool,
        now: Micros,
    ) {
        self.origins.entry(origin).or_insert_with(|| Origin {
            key: key.clone(),
            pinned,
            has_id,
            requested_at: now,
            acked_at: None,
            stored: Vec::new(),
        });
    }

    pub(crate) fn acked(&mut self, origin: u32, now: Micros) {
        if let Some(origin) = self.origins.get_mut(&origin) {
            origin.acked_at.get_or_insert(now);
        }
    }

    // === what the provider sees ===

    /// A send arrived: a repetition is allowed only for what was counted as ambiguous before.
    pub(crate) fn sent(&mut self, id: MessageId) {
        let Some(message) = self.messages.get_mut(&id) else {
            self.fail(format!(
                "phantom: message {} was sent and never stored",
                id.0
            ));
            return;
        };
        let (sends, ambiguous) = (message.sends, message.ambiguous);
        message.sends += 1;
        self.require(sends <= ambiguous, || {
            format!(
                "double: message {} is sent for the {}th time, and was ambiguous {ambiguous} times",
                id.0,
                sends + 1
            )
        });
    }

    pub(crate) fn ambiguous(&mut self, id: MessageId) {
        if let Some(message) = self.messages.get_mut(&id) {
            message.ambiguous += 1;
        }
    }

    // === what commits show ===

    pub(crate) fn saw(&mut self, fact: &Fact, now: Micros, clock: Micros) {
        self.latest_clock = self.latest_clock.max(clock);
        match fact {
            Fact::Stored { id, message } => self.stored(*id, message, now),
            Fact::Ended {
                id,
                outcome,
                partition,
                token,
                outgoing,
            } => {
                self.settled_under(*id, *partition, *token);
                self.ended(*id, outcome, *outgoing, *token);
            }
            Fact::Returned {
                id,
                partition,
                token,
                counted,
                ready_at,
            } => {
                self.settled_under(*id, *partition, *token);
                self.change(*id, |message| {
                    message.retried += u16::from(*counted);
                    message.returned = true;
                    message.not_before = *ready_at;
                    message.open_runs.remove(token);
                });
            }
            Fact::Granted { partition, token } => {
                let before = self.tokens.insert(*partition, *token);
                let grew = before.is_none_or(|before| before < *token);
                self.require(grew, || {
                    format!("fence: partition {partition} got token {} again", token.0)
                });
            }
            Fact::Released(id) => self.change(*id, |message| {
                message.open_runs.pop_last();
            }),
            Fact::Interrupted { id, ambiguous } => self.change(*id, |message| {
                message.ambiguous += u32::from(*ambiguous);
            }),
            Fact::Promoted { id, ready_at, now } => self.require(ready_at <= now, || {
                format!("early: message {} was made ready before its time", id.0)
            }),
        }
    }

    fn change(&mut self, id: MessageId, change: impl FnOnce(&mut Message)) {
        if let Some(message) = self.messages.get_mut(&id) {
            change(message);
        }
    }

    fn stored(&mut self, id: MessageId, new: &NewMessage, now: Micros) {
        let number = String::from_utf8_lossy(&new.payload).parse().unwrap_or(0);
        let is_send = new.kind == SEND;
        match self.origins.get_mut(&number) {
            None => self.fail(format!("phantom: message {} came from nobody", id.0)),
            Some(origin) if !is_send => {
                origin.stored.push(id);
                let twice = origin.has_id && origin.stored.len() > 1;
                self.require(!twice, || {
                    format!("double: delivery {number} is stored twice")
                });
            }
            Some(_) => {}
        }
        let message = Message {
            origin: number,
            is_send,
            stored_at: now,
            ended: None,
            outgoing: 0,
            retried: 0,
            returned: false,
            open_runs: BTreeSet::new(),
            not_before: Micros::MIN,
            sends: 0,
            ambiguous: 0,
        };
        self.by_key.entry(new.key.clone()).or_default().insert(id);
        self.messages.insert(id, message);
        self.unfinished.insert(id);
    }

    fn settled_under(&mut self, id: MessageId, partition: Partition, token: Token) {
        let current = self.tokens.get(&partition).copied();
        self.require(current == Some(token), || {
            format!(
                "fence: message {} was settled under token {} of partition {partition}, which is at {current:?}",
                id.0, token.0
            )
        });
    }

    fn ended(&mut self, id: MessageId, outcome: &'static str, outgoing: usize, token: Token) {
        let before = self.messages.get(&id).and_then(|message| message.ended);
        self.require(before.is_none(), || {
            format!("double: message {} ended twice", id.0)
        });
        self.unfinished.remove(&id);
        self.change(id, |message| {
            message.ended = Some(outcome);
            message.outgoing = outgoing;
            message.open_runs.remove(&token);
        });
    }

    // === what workers do ===

    /// An attempt begins. `handled` tells whether a handler gets it, or whether it is refused as tried too often.
    pub(crate) fn started(&mut self, taken: &Taken, attempt: u16, handled: bool) {
        self.started_in_order(taken);
        let clock = self.latest_clock;
        let attempts_max = self.attempts_max;
        let Some(message) = self.messages.get_mut(&taken.id) else {
            self.fail(format!("phantom: message {} runs", taken.id.0));
            return;
        };
        let early = message.not_before > clock;
        let lost = message.open_runs.range(..taken.token).count();
        let at_least = 1 + message.retried + u16::try_from(lost).unwrap_or(u16::MAX);
        let retried = message.retried;
        message.open_runs.insert(taken.token);
        self.require(!early, || {
            format!("early: message {} runs before its time", taken.id.0)
        });
        self.require(attempt >= at_least, || {
            format!(
                "uncounted: message {} begins attempt {attempt} after {retried} failed and {lost} lost ones",
                taken.id.0
            )
        });
        self.require(!handled || attempt <= attempts_max, || {
            format!(
                "too often: a handler gets message {} in attempt {attempt} of {attempts_max}",
                taken.id.0
            )
        });
    }

    /// No message starts before an earlier one of its key, if their order was promised and the earlier one has neither ended
    /// nor been passed.
    fn started_in_order(&mut self, taken: &Taken) {
        let Some(siblings) = self.by_key.get(&taken.key) else {
            return;
        };
        let Some(this) = self.messages.get(&taken.id) else {
            return;
        };
        let parks = self.parks;
        let overtaken = siblings
            .iter()
            .filter(|id| **id != taken.id)
            .filter_map(|id| Some((id, self.messages.get(id)?)))
            .find(|(_, other)| {
                let waits = other.ended.is_none() && (parks || !other.returned);
                waits && self.is_only_copy(other) && self.promised(other, this)
            })
            .map(|(id, _)| id.0);
        if let Some(other) = overtaken {
            self.fail(format!(
                "order: message {} of key {} starts while {other} before it is unfinished",
                taken.id.0, taken.key
            ));
        }
    }

    /// A delivery without an id may be stored again, at any time; then it has no place in the order.
    fn is_only_copy(&self, message: &Message) -> bool {
        let origin = self.origins.get(&message.origin);
        message.is_send || origin.is_some_and(|origin| origin.stored.len() == 1)
    }

    /// Whether `first` was promised to come before `second` (L3, L8).
    fn promised(&self, first: &Message, second: &Message) -> bool {
        if first.is_send || second.is_send {
            return first.stored_at < second.stored_at;
        }
        let origins = (
            self.origins.get(&first.origin),
            self.origins.get(&second.origin),
        );
        let (Some(first), Some(second)) = origins else {
            return false;
        };
        first.pinned.is_some()
            && first.pinned == second.pinned
            && first
                .acked_at
                .is_some_and(|acked| acked < second.requested_at)
    }

    // === the end ===

    /// How many messages there were.
    pub(crate) fn messages(&self) -> usize {
        self.messages.len()
    }

    /// Whether everything that was accepted is there, and everything that is there has ended.
    pub(crate) fn is_settled(&self) -> bool {
        self.unfinished.is_empty() && self.lost().next().is_none()
    }

    fn lost(&self) -> impl Iterator<Item = u32> {
        self.origins
            .iter()
            .filter(|(_, origin)| origin.acked_at.is_some() && origin.stored.is_empty())
            .map(|(number, _)| *number)
    }

    /// Says what is missing once there was time enough for everything.
    pub(crate) fn at_the_end(&mut self, is_complete: bool) {
        let lost: Vec<u32> = self.lost().collect();
        self.require(lost.is_empty(), || {
            format!("lost: accepted deliveries {lost:?} are nowhere")
        });
        let unfinished: Vec<i64> = self.unfinished.iter().map(|id| id.0).collect();
        self.require(is_complete && unfinished.is_empty(), || {
            format!("stuck: messages {unfinished:?} never end although nothing is wrong any more")
        });
        let mut unsent = Vec::new();
        for (id, message) in &self.messages {
            let is_done = message.ended == Some("done");
            if is_done && message.is_send && message.sends == 0 {
                unsent.push(id.0);
            }
            if is_done && !message.is_send && message.outgoing != 1 {
                unsent.push(id.0);
            }
        }
        self.require(unsent.is_empty(), || {
            format!("lost: messages {unsent:?} are done and had no effect")
        });
        let (sends, outgoing) = self.messages.values().fold((0, 0), |(sends, out), one| {
            (sends + usize::from(one.is_send), out + one.outgoing)
        });
        self.require(sends == outgoing, || {
            format!("effects: {outgoing} messages were caused, {sends} are there")
        });
    }
}
