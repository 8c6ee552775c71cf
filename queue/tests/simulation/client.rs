//! Those who send to us, as stubborn as a provider: again and again until they are answered, and sometimes once more.

use std::collections::BTreeMap;

use sallyport_queue::{Key, Partition};

use crate::constants::{MILLISECOND, SECOND};
use crate::context::Context;
use crate::edge::out_of;
use crate::event::{Actor, Envelope, Event, Timer};

/// One sender; its deliveries have one key.
#[derive(Debug)]
pub(crate) struct Client {
    index: usize,
    key: Key,
    pinned: Option<usize>,
    has_ids: bool,
    /// Deliveries on their way at the same time.
    window: usize,
    left: u32,
    next: u32,
    waiting: BTreeMap<u32, u32>,
}

impl Client {
    pub(crate) fn new(index: usize, context: &mut Context) -> Self {
        let edges = context.constants.edges;
        let edge = context.between(0, edges as i64 - 1) as usize;
        let shares_key = context.happens(200);
        let key = if shares_key { 0 } else { index };
        let client = Self {
            index,
            key: Key::from(format!("in:{key}")),
            pinned: (!context.happens(250)).then_some(edge),
            has_ids: !context.happens(100),
            window: if context.happens(300) { 3 } else { 1 },
            left: context.constants.messages_per_client,
            next: u32::try_from(index).unwrap() * 1_000 + 1,
            waiting: BTreeMap::new(),
        };
        let first = context.between(0, 2 * SECOND);
        context.timer(first, Actor::Client(index), 0, Timer::Next);
        client
    }

    /// Where its deliveries and what they cause will be.
    pub(crate) fn partitions(&self) -> [Partition; 2] {
        [self.key.partition(), out_of(&self.key).partition()]
    }

    pub(crate) fn is_done(&self) -> bool {
        self.left == 0 && self.waiting.is_empty()
    }

    pub(crate) fn hear(&mut self, timer: Timer, context: &mut Context) {
        match timer {
            Timer::Next => self.send_next(context),
            Timer::Again(origin) if self.waiting.contains_key(&origin) => {
                if self.has_ids {
                    self.send(origin, context);
                } else {
                    // A repeat could be stored twice, so it is not the house's to blame for.
                    self.waiting.remove(&origin);
                }
            }
            _ => {}
        }
    }

    fn send_next(&mut self, context: &mut Context) {
        if self.left > 0 && self.waiting.len() < self.window {
            self.left -= 1;
            let origin = self.next;
            self.next += 1;
            self.waiting.insert(origin, 0);
            let (pinned, now) = (self.pinned, context.now);
            context
                .checker
                .requested(origin, &self.key, pinned, self.has_ids, now);
            self.send(origin, context);
        }
        if self.left > 0 {
            let share =
                context.constants.faults_for / i64::from(context.constants.messages_per_client);
            let wait = if context.happens(500) { share } else { SECOND };
            let wait = context.between(MILLISECOND, wait);
            context.timer(wait, Actor::Client(self.index), 0, Timer::Next);
        }
    }

    fn send(&mut self, origin: u32, context: &mut Context) {
        let tries = self.waiting.entry(origin).or_default();
        *tries += 1;
        let tries = *tries;
        let edges = context.constants.edges as i64;
        let edge = self
            .pinned
            .unwrap_or_else(|| context.between(0, edges - 1) as usize);
        context.say(
            Actor::Client(self.index),
            format_args!("sends {origin} to edge {edge}, try {tries}"),
        );
        self.deliver(origin, edge, context);
        let patience = context.between(SECOND, 6 * SECOND);
        context.timer(patience, Actor::Client(self.index), 0, Timer::Again(origin));
    }

    fn deliver(&self, origin: u32, edge: usize, context: &mut Context) {
        if !context.happens(context.constants.odds.client_lost) {
            let envelope = Envelope {
                client: self.index,
                origin,
            };
            let way = context.between(100, 5 * MILLISECOND);
            context.after(way, Event::ToEdge(edge, envelope));
        }
    }

    /// An edge answered. Whoever is refused waits for the timer of its try.
    pub(crate) fn answered(&mut self, origin: u32, accepted: bool, context: &mut Context) {
        if !accepted {
            return;
        }
        let now = context.now;
        context.checker.acked(origin, now);
        if self.waiting.remove(&origin).is_none() {
            return;
        }
        context.say(
            Actor::Client(self.index),
            format_args!("knows that {origin} is accepted"),
        );
        if self.has_ids && context.happens(context.constants.odds.repeated) {
            let edges = context.constants.edges as i64;
            let edge = self
                .pinned
                .unwrap_or_else(|| context.between(0, edges - 1) as usize);
            self.deliver(origin, edge, context);
        }
    }
}
