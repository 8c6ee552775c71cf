//! Partitions that come and go (L4, L5, L14): the steps of the pool's `moving.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use sallyport_queue::{ClaimRef, HeldKey, Key, MessageId, Partition, TakenOver, Token};

use super::Worker;
use crate::checker::SEND;
use crate::constants::MILLISECOND;
use crate::context::Context;
use crate::event::{Failure, Tag, Timer};
use crate::model::{Answer, Ask, Micros};
use crate::plant::Plant;

const AGAIN_AFTER: Micros = 250 * MILLISECOND;
const RELEASE_TRIES: u32 = 5;

#[derive(Debug, Default)]
pub(super) struct Moving {
    last: u64,
    arriving: BTreeMap<u64, Vec<(Partition, Token)>>,
    leaving: BTreeMap<u64, Leaving>,
    pub(super) releasing: usize,
}

#[derive(Debug)]
struct Leaving {
    messages: Vec<(ClaimRef, bool)>,
    leases: Vec<(Partition, Token)>,
    tries: u32,
}

impl Worker {
    pub(super) fn compare_holdings(&mut self, context: &mut Context) {
        let now = self.now(context);
        let changes = self.partitions.update(&self.heart.holdings, now);
        for partition in changes.lost {
            context.say(self.me(), format_args!("has lost partition {partition}"));
            self.mailboxes.forget(partition);
            self.cut_off(partition, context);
        }
        self.empty(&changes.leaving);
        if self.draining {
            let late = self.partitions.leave_all(now);
            self.empty(&late);
            return;
        }
        if !changes.gained.is_empty() {
            self.moving.last += 1;
            let number = self.moving.last;
            self.moving.arriving.insert(number, changes.gained);
            self.take_over_again(number, context);
        }
    }

    /// Gives back what waits in partitions that are about to leave.
    pub(super) fn empty(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            let mut dropped = self.mailboxes.forget(*partition);
            dropped.sort_by_key(|entry| entry.id);
            self.give_back
                .extend(dropped.iter().map(|entry| entry.message.reference()));
        }
    }

    pub(super) fn take_over_again(&mut self, number: u64, context: &mut Context) {
        let Some(leases) = self.moving.arriving.get(&number) else {
            return;
        };
        let ask = Ask::TakeOver {
            worker: self.id.clone(),
            leases: leases.clone(),
            sends: vec![SEND],
        };
        self.ask(Tag::TakeOver(number), ask, context);
    }

    pub(super) fn took_over(
        &mut self,
        number: u64,
        answer: Result<Answer, Failure>,
        context: &mut Context,
    ) {
        let Some(leases) = self.moving.arriving.get(&number) else {
            return;
        };
        if let Ok(Answer::TakenOver(found)) = answer {
            return self.arrive(number, found, context);
        }
        let still_ours = leases.iter().any(|(partition, token)| {
            self.heart
                .holdings
                .get(partition)
                .is_some_and(|holding| holding.token == *token)
        });
        if still_ours {
            self.timer(AGAIN_AFTER, Timer::TakeOverAgain(number), context);
        } else {
            self.moving.arriving.remove(&number);
        }
    }

    /// Opens newly held partitions for claims, with the holds that were stored.
    fn arrive(&mut self, number: u64, found: TakenOver, context: &mut Context) {
        let Some(leases) = self.moving.arriving.remove(&number) else {
            return;
        };
        let interrupted: Vec<i64> = found.interrupted.iter().map(|id| id.0).collect();
        context.say(
            self.me(),
            format_args!(
                "took over {} partitions, {interrupted:?} were begun",
                leases.len()
            ),
        );
        let now = self.now(context);
        let mut arrived = BTreeSet::new();
        for (partition, token) in &leases {
            self.low_water.forget(*partition);
            if self.partitions.arrived(*partition, *token) {
                self.claiming.wanted.insert(*partition);
                self.claiming.look_behind(*partition);
                arrived.insert(*partition);
            }
        }
        let all = context.has(Plant::HoldsOfOthers);
        let ours = |held: &HeldKey| all || arrived.contains(&held.partition);
        for held in found.held.into_iter().filter(ours) {
            let until = held.remaining.map(|remaining| now + remaining);
            self.mailboxes
                .hold(&held.key, held.partition, held.head, until);
        }
    }

    /// Gives away the leaving partitions in which nothing runs any more.
    pub(super) fn hand_over(&mut self, context: &mut Context) {
        if self.claiming.is_claiming() || !self.moving.arriving.is_empty() {
            return;
        }
        let leases = self.partitions.take_finished();
        if leases.is_empty() {
            return;
        }
        self.moving.releasing += 1;
        self.moving.last += 1;
        let number = self.moving.last;
        let leaving = Leaving {
            messages: self.take_given_back(),
            leases,
            tries: 0,
        };
        self.moving.leaving.insert(number, leaving);
        self.release_again(number, context);
    }

    pub(super) fn release_again(&mut self, number: u64, context: &mut Context) {
        let Some(leaving) = self.moving.leaving.get_mut(&number) else {
            return;
        };
        leaving.tries += 1;
        if leaving.messages.is_empty() || leaving.tries > RELEASE_TRIES {
            return self.release_leases(number, context);
        }
        let ask = Ask::Release {
            worker: self.id.clone(),
            messages: leaving.messages.clone(),
        };
        self.ask(Tag::ReleaseMessages(number), ask, context);
    }

    pub(super) fn released_messages(
        &mut self,
        number: u64,
        answer: &Result<Answer, Failure>,
        context: &mut Context,
    ) {
        if answer.is_ok() {
            if let Some(leaving) = self.moving.leaving.get(&number) {
                let refs = leaving.messages.iter().map(|(message, _)| message);
                self.claiming.out_of_hand(refs);
            }
            self.release_leases(number, context);
        } else {
            self.timer(AGAIN_AFTER, Timer::ReleaseAgain(number), context);
        }
    }

    fn release_leases(&mut self, number: u64, context: &mut Context) {
        if let Some(leaving) = self.moving.leaving.remove(&number) {
            let partitions: Vec<u8> = leaving.leases.iter().map(|lease| lease.0.0).collect();
            context.say(
                self.me(),
                format_args!("gives partitions {partitions:?} away"),
            );
            self.heart.to_release.push_back(leaving.leases);
            self.release_next(context);
        }
    }

    pub(super) fn lift_holds(&mut self, now: Instant, context: &mut Context) {
        let lifted: Vec<(Partition, Key, MessageId)> = self
            .mailboxes
            .lift_overdue(now)
            .into_iter()
            .map(|lifted| (lifted.key.partition(), lifted.key, lifted.head))
            .collect();
        if lifted.is_empty() {
            return;
        }
        for (partition, key, _) in &lifted {
            context.say(self.me(), format_args!("lets {key} go on"));
            self.claiming.wanted.insert(*partition);
        }
        self.ask(Tag::Nothing, Ask::Lift(lifted), context);
    }

    pub(super) fn is_drained(&self) -> bool {
        self.partitions.all_released()
            && self.running == 0
            && self.settling.is_empty()
            && self.moving.releasing == 0
            && self.moving.arriving.is_empty()
            && !self.claiming.is_busy()
    }
}
