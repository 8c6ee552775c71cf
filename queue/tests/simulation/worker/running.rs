//! Attempts: starting them, what happens in them, and what they come to.

use std::rc::Rc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sallyport_queue::mailboxes::Fate;
use sallyport_queue::retry::backoff;
use sallyport_queue::{ClaimId, ErrorNote, HoldChange, MessageId, Partition, Settlement, Verdict};

use super::Worker;
use super::settling::Pending;
use crate::checker::SEND;
use crate::constants::{MILLISECOND, SECOND};
use crate::context::Context;
use crate::edge::send_for;
use crate::event::{Event, Tag, Timer};
use crate::model::{Ask, Taken};
use crate::plant::Plant;

/// An attempt that runs.
#[derive(Debug)]
pub(crate) struct Run {
    taken: Rc<Taken>,
    attempt: u16,
    /// A send is on its way and not answered.
    on_its_way: bool,
}

impl Worker {
    pub(super) fn start_handlers(&mut self, context: &mut Context) {
        while self.running < context.constants.slots {
            let Some(entry) = self.mailboxes.start_next() else {
                return;
            };
            self.start_one(entry.message, context);
        }
    }

    fn start_one(&mut self, taken: Rc<Taken>, context: &mut Context) {
        let attempt = taken.attempts.saturating_add(1);
        let handled = attempt <= context.constants.attempts_max;
        context.say(
            self.me(),
            format_args!("starts {} of {}, attempt {attempt}", taken.id.0, taken.key),
        );
        context.checker.started(&taken, attempt, handled);
        self.partitions.begin(taken.partition);
        self.running += 1;
        let (id, claim) = (taken.id, taken.claim);
        let is_send = taken.kind == SEND;
        let run = Run {
            taken,
            attempt,
            on_its_way: false,
        };
        self.runs.entry(id).or_default().push(run);
        if is_send && handled {
            let begins = context.between(0, 10 * MILLISECOND);
            self.timer(begins, Timer::SendLeaves(id, claim), context);
            self.timer(2 * SECOND, Timer::HandlerEnds(id, claim), context);
        } else {
            let longest = match handled {
                true if context.happens(200) => context.constants.handler_max,
                true => 20 * MILLISECOND,
                false => 0,
            };
            let takes = context.between(0, longest);
            self.timer(takes, Timer::HandlerEnds(id, claim), context);
        }
    }

    fn take_run(&mut self, id: MessageId, claim: ClaimId) -> Option<Run> {
        let runs = self.runs.get_mut(&id)?;
        let place = runs.iter().position(|run| run.taken.claim == claim)?;
        Some(runs.remove(place))
    }

    pub(super) fn send_leaves(&mut self, id: MessageId, claim: ClaimId, context: &mut Context) {
        let (worker, generation) = (self.index, self.generation);
        let run = self
            .runs
            .get_mut(&id)
            .and_then(|runs| runs.iter_mut().find(|run| run.taken.claim == claim));
        if let Some(run) = run {
            run.on_its_way = true;
            let sent = Event::Sent {
                worker,
                generation,
                id,
                claim,
            };
            let way = context.between(100, 20 * MILLISECOND);
            context.after(way, sent);
        }
    }

    pub(super) fn send_answered(&mut self, id: MessageId, claim: ClaimId, context: &mut Context) {
        if let Some(run) = self.take_run(id, claim) {
            self.take_in(&run, Verdict::Done, context);
        }
    }

    /// The handler is through, or its time is over.
    pub(super) fn handler_ends(&mut self, id: MessageId, claim: ClaimId, context: &mut Context) {
        let Some(run) = self.take_run(id, claim) else {
            return;
        };
        let error = ErrorNote::new("sim", "it failed");
        let verdict = if run.attempt > context.constants.attempts_max {
            Verdict::Dead { error }
        } else if run.taken.kind == SEND {
            if run.on_its_way {
                self.count_ambiguous(&run, context);
            }
            Verdict::Retry {
                after: Duration::ZERO,
                error,
            }
        } else if context.happens(context.constants.odds.fails) {
            fails(error, context)
        } else {
            Verdict::Done
        };
        self.take_in(&run, verdict, context);
    }

    /// Counted before the repetition; its record is one try.
    fn count_ambiguous(&self, run: &Run, context: &mut Context) {
        context.say(
            self.me(),
            format_args!("does not know whether {} arrived", run.taken.id.0),
        );
        context.checker.ambiguous(run.taken.id);
        self.ask(Tag::Nothing, Ask::NoteAmbiguous(run.taken.id), context);
    }

    /// What runs in this partition is cancelled: given back uncounted, if there is still somebody to give it back to.
    pub(super) fn cut_off(&mut self, partition: Partition, context: &mut Context) {
        let mut cut = Vec::new();
        for runs in self.runs.values_mut() {
            let (of_it, others) = std::mem::take(runs)
                .into_iter()
                .partition::<Vec<Run>, _>(|run| run.taken.partition == partition);
            *runs = others;
            cut.extend(of_it);
        }
        for run in cut {
            if run.on_its_way {
                self.count_ambiguous(&run, context);
            }
            self.running -= 1;
            let (partition, token) = (run.taken.partition, run.taken.token);
            if self.partitions.owns(partition, token) {
                self.partitions.end(partition, token);
                self.give_back.push(run.taken.reference());
            }
        }
    }

    pub(super) fn cancel_overdue(&mut self, now: Instant, context: &mut Context) {
        for partition in self.partitions.overdue(now) {
            context.say(
                self.me(),
                format_args!("cuts off what runs in partition {partition}"),
            );
            self.cut_off(partition, context);
        }
    }

    fn take_in(&mut self, run: &Run, said: Verdict, context: &mut Context) {
        self.running -= 1;
        let taken = &run.taken;
        if !self.partitions.owns(taken.partition, taken.token) {
            return;
        }
        let verdict = conclude(said, run.attempt, context);
        let now = self.now(context);
        let (fate, hold) = self.fate(taken, &verdict, now, context);
        let outgoing = match verdict {
            Verdict::Done if taken.kind != SEND => {
                vec![send_for(taken.origin, &taken.key, context)]
            }
            _ => Vec::new(),
        };
        context.say(
            self.me(),
            format_args!(
                "is through with {}: {}, {hold:?}",
                taken.id.0,
                word(&verdict)
            ),
        );
        let settlement = Settlement {
            message: taken.reference(),
            attempt: run.attempt,
            started_at: Timestamp::UNIX_EPOCH,
            verdict,
            hold,
            outgoing,
        };
        if context.has(Plant::SettleWithoutWaiting) {
            self.mailboxes.settled(&taken.key, taken.id, fate);
        }
        self.settling.pending.push(Pending { fate, settlement });
    }

    fn fate(
        &self,
        taken: &Taken,
        verdict: &Verdict,
        now: Instant,
        context: &Context,
    ) -> (Fate, HoldChange) {
        let head = context.constants.head;
        let works = self.partitions.works(taken.partition, taken.token);
        let fate = match comes_back_in(verdict) {
            None => Fate::Ended,
            Some(back_in) => self
                .mailboxes
                .fate_of_head(&taken.key, taken.id, head, now, back_in),
        };
        let hold = match fate {
            Fate::HeldUntil(until) => HoldChange::Until(until.saturating_duration_since(now)),
            Fate::Parked => HoldChange::Park,
            Fate::SteppedOver => HoldChange::StepOver,
            // A partition that leaves has no mailboxes any more, and what runs in it may be a head that holds its key.
            Fate::Ended if self.mailboxes.is_held_for(&taken.key, taken.id) || !works => {
                HoldChange::Lift
            }
            Fate::Ended => HoldChange::Keep,
        };
        (fate, hold)
    }
}

/// One of the ways in which a handler does not do what it should.
fn fails(error: ErrorNote, context: &mut Context) -> Verdict {
    match context.between(0, 9) {
        0 => Verdict::Dead { error },
        1 => Verdict::Ignored,
        2 | 3 => Verdict::Snooze {
            for_: Duration::from_millis(context.between(0, 3_000).unsigned_abs()),
        },
        _ => Verdict::Retry {
            after: Duration::ZERO,
            error,
        },
    }
}

/// As the pool concludes: a retry waits at least its backoff, and the last one is the end.
fn conclude(said: Verdict, attempt: u16, context: &mut Context) -> Verdict {
    let attempts_max = context.constants.attempts_max;
    match said {
        Verdict::Retry { error, .. } if attempt >= attempts_max => Verdict::Dead { error },
        Verdict::Retry { after, error } => Verdict::Retry {
            after: after.max(backoff(
                &context.constants.backoff,
                attempt,
                &mut context.rng,
            )),
            error,
        },
        said => said,
    }
}

pub(super) fn comes_back_in(verdict: &Verdict) -> Option<Duration> {
    match verdict {
        Verdict::Retry { after, .. } => Some(*after),
        Verdict::Snooze { for_ } => Some(*for_),
        _ => None,
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Retry { .. } => "retry",
        Verdict::Snooze { .. } => "snooze",
        _ => verdict
            .outcome()
            .map_or("", sallyport_queue::Outcome::as_str),
    }
}
