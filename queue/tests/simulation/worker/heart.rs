//! The heart: beat, look, take; a round has a third of a lease. One thing at a time, as on the product's own thread.

use std::collections::VecDeque;
use std::time::Instant;

use sallyport_queue::membership::Holdings;
use sallyport_queue::membership::decisions::{Judgement, Look, Plan};
use sallyport_queue::{Partition, Token};

use super::Worker;
use crate::constants::SECOND;
use crate::context::{Context, micros};
use crate::event::{Event, Failure, Tag, Timer};
use crate::model::{Answer, Ask};

/// Beats per lease, as in the product.
const BEATS_PER_LEASE: u32 = 5;

pub(super) struct Heart {
    judgement: Judgement,
    pub(super) leaving: bool,
    pub(super) holdings: Holdings,
    pub(super) last_beat: Option<Instant>,
    round: u64,
    /// When the round under way sent its beat.
    beating: Option<Instant>,
    /// When it asked who else is there.
    asked: Option<Instant>,
    plan: Plan,
    /// Whether a round or a release is under way.
    busy: bool,
    pub(super) to_release: VecDeque<Vec<(Partition, Token)>>,
    strikes_off: bool,
}

impl Heart {
    pub(super) fn new(judgement: Judgement) -> Self {
        Self {
            judgement,
            leaving: false,
            holdings: Holdings::new(),
            last_beat: None,
            round: 0,
            beating: None,
            asked: None,
            plan: Plan::default(),
            busy: false,
            to_release: VecDeque::new(),
            strikes_off: false,
        }
    }
}

impl Worker {
    /// Begins a round, and plans the next one. A round that is still under way when its time is over has failed.
    pub(super) fn beat(&mut self, context: &mut Context) {
        let pause = micros(self.lease / BEATS_PER_LEASE);
        self.timer(pause, Timer::Beat, context);
        let now = self.now(context);
        let is_late = |sent: Instant| now.saturating_duration_since(sent) >= self.lease / 3;
        if !self.heart.busy || self.heart.beating.is_some_and(is_late) {
            self.begin_round(context);
        }
    }

    fn begin_round(&mut self, context: &mut Context) {
        if self.heart.strikes_off {
            return;
        }
        self.heart.round += 1;
        self.heart.busy = true;
        self.heart.beating = Some(self.now(context));
        let ask = Ask::Beat {
            worker: self.id.clone(),
            leaving: self.heart.leaving,
        };
        self.ask(Tag::Beat(self.heart.round), ask, context);
    }

    pub(super) fn round_goes_on(
        &mut self,
        tag: Tag,
        answer: Result<Answer, Failure>,
        context: &mut Context,
    ) {
        let (Tag::Beat(round) | Tag::Workers(round) | Tag::Take(round) | Tag::Leases(round, ..)) =
            tag
        else {
            return;
        };
        let now = self.now(context);
        let Some(sent) = self.heart.beating.filter(|_| round == self.heart.round) else {
            return;
        };
        let in_time = now.saturating_duration_since(sent) < self.lease / 3;
        let Some(answer) = answer.ok().filter(|_| in_time) else {
            return self.round_ends(context);
        };
        match (tag, answer) {
            (Tag::Beat(_), _) => {
                self.heart.asked = Some(now);
                self.ask(Tag::Workers(round), Ask::Workers, context);
            }
            (Tag::Workers(_), Answer::Workers(beats)) => {
                let look = Look {
                    sent: self.heart.asked.unwrap_or(sent),
                    answered: now,
                };
                self.ask(Tag::Leases(round, look, beats), Ask::Leases, context);
            }
            (Tag::Leases(_, look, beats), Answer::Leases(leases)) => {
                let (_crowd, plan) = self.heart.judgement.judge(&beats, look, &leases);
                let takes = plan.take.clone();
                self.heart.plan = plan;
                if takes.is_empty() {
                    return self.round_succeeded(Vec::new(), context);
                }
                let ask = Ask::Take {
                    worker: self.id.clone(),
                    takes,
                };
                self.ask(Tag::Take(round), ask, context);
            }
            (Tag::Take(_), Answer::Won(won)) => self.round_succeeded(won, context),
            _ => self.round_ends(context),
        }
    }

    fn round_succeeded(&mut self, won: Vec<(Partition, Token)>, context: &mut Context) {
        if !won.is_empty() {
            let partitions: Vec<u8> = won.iter().map(|(partition, _)| partition.0).collect();
            context.say(self.me(), format_args!("takes partitions {partitions:?}"));
        }
        self.heart.last_beat = self.heart.beating;
        let holdings = self.heart.plan.holdings(won);
        self.publish(holdings, context);
        self.round_ends(context);
    }

    fn round_ends(&mut self, context: &mut Context) {
        self.heart.busy = false;
        self.heart.beating = None;
        self.release_next(context);
    }

    /// Gives leases back, when the heart is free; what is released is no longer published.
    pub(super) fn release_next(&mut self, context: &mut Context) {
        if self.heart.busy {
            return;
        }
        let Some(leases) = self.heart.to_release.pop_front() else {
            return;
        };
        self.heart.busy = true;
        let mut holdings = self.heart.holdings.clone();
        holdings.retain(|partition, holding| !leases.contains(&(*partition, holding.token)));
        self.publish(holdings, context);
        let ask = Ask::ReleaseLeases {
            worker: self.id.clone(),
            leases,
        };
        self.ask(Tag::ReleaseLeases, ask, context);
    }

    /// A release or the last word was answered, or tried in vain.
    pub(super) fn heart_is_free(&mut self, tag: &Tag, context: &mut Context) {
        self.heart.busy = false;
        if matches!(tag, Tag::StrikeOff) {
            context.say(self.me(), format_args!("has left"));
            self.crash();
            // Whoever looks after the processes starts the next one.
            context.after(SECOND, Event::WorkerUp(self.index));
            return;
        }
        self.moving.releasing -= 1;
        self.begin_round(context);
    }

    /// The end of a drain: the worker's name is struck off.
    pub(super) fn strike_off_when_drained(&mut self, context: &mut Context) {
        if !self.draining || !self.is_drained() || self.heart.strikes_off {
            return;
        }
        self.heart.strikes_off = true;
        self.heart.busy = true;
        self.heart.beating = None;
        self.publish(Holdings::new(), context);
        self.ask(Tag::StrikeOff, Ask::StrikeOff(self.id.clone()), context);
    }
}
