//! A worker process: a heart and a driver. Judgement, mailboxes, low-water marks and backoff are the product's own; around them
//! the worker takes the same steps as the product's pool, one event at a time.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use sallyport_queue::low_water::LowWater;
use sallyport_queue::mailboxes::Mailboxes;
use sallyport_queue::membership::Holdings;
use sallyport_queue::membership::decisions::{Judgement, may_work};
use sallyport_queue::ownership::WorkerId;
use sallyport_queue::{ClaimRef, MessageId, Partition};

use crate::context::{Clock, Context, micros};
use crate::event::{Actor, Failure, Tag, Timer};
use crate::model::{Answer, Micros, Taken};

mod claiming;
mod heart;
mod moving;
mod partitions;
mod running;
mod settling;

use claiming::Claiming;
use heart::Heart;
use moving::Moving;
use partitions::Partitions;
use running::Run;
use settling::Settling;

/// One worker and the process it is now.
pub(crate) struct Worker {
    index: usize,
    pub(crate) generation: u32,
    pub(crate) up: bool,
    /// A stopped process hears nothing until then.
    pub(crate) stopped_until: Micros,
    clock: Clock,
    id: WorkerId,
    lease: Duration,
    heart: Heart,
    mailboxes: Mailboxes<Rc<Taken>>,
    partitions: Partitions,
    claiming: Claiming,
    moving: Moving,
    settling: Settling,
    runs: BTreeMap<MessageId, Vec<Run>>,
    running: usize,
    /// Messages to be given back uncounted.
    give_back: Vec<ClaimRef>,
    /// Messages that have to wait in the rows, behind others of their keys.
    put_behind: Vec<ClaimRef>,
    low_water: LowWater,
    draining: bool,
    look_at: Option<Instant>,
    looks: u64,
}

impl Worker {
    pub(crate) fn new(index: usize, context: &mut Context) -> Self {
        let mut worker = Self::process(index, 0, context);
        worker.start(context);
        worker
    }

    fn process(index: usize, generation: u32, context: &mut Context) -> Self {
        let clock = Clock::draw(context);
        let id = WorkerId::new(&format!("{index}.{generation}"));
        let lease = context.constants.lease;
        let now = context.instant(clock);
        Self {
            index,
            generation,
            up: false,
            stopped_until: 0,
            clock,
            heart: Heart::new(Judgement::new(id.clone(), lease)),
            id,
            lease,
            mailboxes: Mailboxes::new(context.constants.per_key_max),
            partitions: Partitions::new(context.constants.handover),
            claiming: Claiming::new(now),
            moving: Moving::default(),
            settling: Settling::default(),
            runs: BTreeMap::new(),
            running: 0,
            give_back: Vec::new(),
            put_behind: Vec::new(),
            low_water: LowWater::default(),
            draining: false,
            look_at: None,
            looks: 0,
        }
    }

    /// A new process begins, unless one is there.
    pub(crate) fn start(&mut self, context: &mut Context) {
        if self.up {
            return;
        }
        *self = Self::process(self.index, self.generation + 1, context);
        self.up = true;
        context.say(self.me(), format_args!("starts as {}", self.id));
        self.beat(context);
    }

    /// The process is gone.
    pub(crate) fn crash(&mut self) {
        self.generation += 1;
        self.up = false;
        self.stopped_until = 0;
    }

    /// A graceful stop begins (L14).
    pub(crate) fn drain(&mut self, context: &mut Context) {
        if !self.up || self.draining {
            return;
        }
        self.draining = true;
        self.heart.leaving = true;
        let until = self.now(context) + Duration::from_secs(5);
        let leaving = self.partitions.leave_all(until);
        self.empty(&leaving);
        context.say(self.me(), format_args!("drains"));
        self.proceed(context);
    }

    fn me(&self) -> Actor {
        Actor::Worker(self.index)
    }

    fn now(&self, context: &Context) -> Instant {
        context.instant(self.clock)
    }

    fn ask(&self, tag: Tag, ask: crate::model::Ask, context: &mut Context) {
        context.ask(self.me(), self.generation, tag, ask);
    }

    fn timer(&self, wait: Micros, timer: Timer, context: &mut Context) {
        context.timer(wait, self.me(), self.generation, timer);
    }

    /// Whether the holder may start and settle, as the product asks it.
    fn may_work(&self, now: Instant) -> bool {
        self.heart
            .last_beat
            .is_some_and(|sent| may_work(sent, now, self.lease))
    }

    pub(crate) fn hear(&mut self, timer: Timer, context: &mut Context) {
        match timer {
            Timer::Beat => self.beat(context),
            Timer::Look(number) => {
                if number != self.looks {
                    return;
                }
                self.look_at = None;
            }
            Timer::HandlerEnds(id, claim) => self.handler_ends(id, claim, context),
            Timer::SendLeaves(id, claim) => self.send_leaves(id, claim, context),
            Timer::SendAnswered(id, claim) => self.send_answered(id, claim, context),
            Timer::SettleAgain(number) => self.settle_again(number, context),
            Timer::TakeOverAgain(number) => self.take_over_again(number, context),
            Timer::ReleaseAgain(number) => self.release_again(number, context),
            Timer::Next | Timer::Again(_) | Timer::Append | Timer::Replay => {}
        }
        self.proceed(context);
    }

    pub(crate) fn answered(
        &mut self,
        tag: Tag,
        answer: Result<Answer, Failure>,
        context: &mut Context,
    ) {
        match tag {
            Tag::Beat(_) | Tag::Workers(_) | Tag::Leases(..) | Tag::Take(_) => {
                self.round_goes_on(tag, answer, context);
            }
            Tag::ReleaseLeases | Tag::StrikeOff => self.heart_is_free(&tag, context),
            Tag::ReleaseBeforeClaim(number) => self.released_before_claim(number, &answer, context),
            Tag::BehindKeys(number) => self.saw_behind(number, answer, context),
            Tag::Claim(number) => self.claimed(number, answer, context),
            Tag::Promote => self.promoted(answer, context),
            Tag::Settle(number) => self.settled(number, answer, context),
            Tag::TakeOver(number) => self.took_over(number, answer, context),
            Tag::ReleaseMessages(number) => self.released_messages(number, &answer, context),
            Tag::Nothing | Tag::Commit(_) | Tag::Replay { .. } => {}
        }
        self.proceed(context);
    }

    /// There is something new in this partition.
    pub(crate) fn woken(&mut self, partition: Partition, context: &mut Context) {
        self.claiming.wanted.insert(partition);
        self.proceed(context);
    }

    /// Starts whatever may start now.
    fn proceed(&mut self, context: &mut Context) {
        if !self.up {
            return;
        }
        let now = self.now(context);
        self.lift_holds(now, context);
        self.cancel_overdue(now, context);
        if self.may_work(now) {
            self.settle(context);
            if !self.draining {
                self.start_handlers(context);
                self.claim(now, context);
                self.promote(now, context);
            }
        }
        self.hand_over(context);
        self.strike_off_when_drained(context);
        self.plan_next_look(now, context);
    }

    fn plan_next_look(&mut self, now: Instant, context: &mut Context) {
        let wants_looks = self.mailboxes.wants_looks();
        let next = [
            self.partitions.next_cancel(),
            self.mailboxes.next_hold_end(),
        ]
        .into_iter()
        .flatten()
        .fold(self.claiming.next_timer(now, wants_looks), Instant::min)
        .max(now + Duration::from_millis(1));
        if self.look_at.is_some_and(|at| at <= next) {
            return;
        }
        self.look_at = Some(next);
        self.looks += 1;
        let wait = micros(next - now) + 100;
        self.timer(wait, Timer::Look(self.looks), context);
    }

    /// What the heart has published.
    fn publish(&mut self, holdings: Holdings, context: &mut Context) {
        if self.heart.holdings != holdings {
            self.heart.holdings = holdings;
            self.compare_holdings(context);
        }
    }
}
