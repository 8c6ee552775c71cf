//! Starting handlers, and taking in what they came to.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use sallyport_queue::mailboxes::Fate;
use sallyport_queue::{Claimed, ErrorNote, HoldChange, Limit, NewMessage, Settlement, Verdict};

use super::Driver;
use super::room::Limited;
use super::settling::Pending;
use super::steering::Out;
use crate::pool::attempt::{Ending, Finished, attempt, panic_note, refusal};
use crate::pool::kinds::Kind;
use crate::pool::run::RunCell;
use crate::pool::verdict::{comes_back_in, conclude};
use crate::pool::{Handled, events};

/// What becomes of a message whose turn it is.
enum Gate {
    Starts,
    /// It ends without being started.
    Ends(Handled),
    /// It needs room in these groups first.
    Asks(Vec<Limit>),
    /// Its kind is paused.
    Paused,
}

impl Driver {
    /// Starts the next messages while there are free slots.
    pub(super) fn start_handlers(&mut self) {
        while self.running < self.house.settings.slots.get() {
            if let Some(admitted) = self.room.admitted.pop_front() {
                self.admit(admitted);
                continue;
            }
            let Some(entry) = self.mailboxes.start_next() else {
                return;
            };
            let message = entry.message;
            let kind = Arc::clone(self.house.kinds.of_message(&message));
            self.partitions.begin(message.partition);
            match self.gate(&message, &kind) {
                Gate::Starts => self.admit(Limited {
                    message,
                    kind,
                    limits: Vec::new(),
                }),
                Gate::Ends(handled) => {
                    self.out.insert(message.id, Out::Unstarted);
                    self.take_handled(Finished::unstarted(message, kind, handled));
                }
                Gate::Asks(limits) => {
                    self.out.insert(message.id, Out::Unstarted);
                    self.room.ask(Limited {
                        message,
                        kind,
                        limits,
                    });
                }
                Gate::Paused => {
                    self.out.insert(message.id, Out::Unstarted);
                    self.room.pause(message.reference());
                }
            }
        }
    }

    fn gate(&self, message: &Claimed, kind: &Kind) -> Gate {
        if let Some(verdict) = self.steering.cancels(message.id) {
            return Gate::Ends(Handled::from(verdict));
        }
        let asked = std::panic::catch_unwind(AssertUnwindSafe(|| {
            if let Some(handled) = refusal(message, kind) {
                return Gate::Ends(handled);
            }
            if self.steering.is_paused(&message.kind) {
                return Gate::Paused;
            }
            match &kind.policy().limits {
                Some(limits) => Gate::Asks(limits.of(message)),
                None => Gate::Starts,
            }
        }));
        match asked {
            Ok(Gate::Asks(limits)) if limits.is_empty() => Gate::Starts,
            Ok(gate) => gate,
            Err(panic) => Gate::Ends(Handled::retry(panic_note(panic.as_ref()))),
        }
    }

    pub(super) fn start(&mut self, limited: Limited) {
        let Limited {
            message,
            kind,
            limits,
        } = limited;
        let cancelled = self
            .partitions
            .cancellation(message.partition)
            .child_token();
        let id = message.id;
        let progress = Arc::clone(&self.house.progress);
        let cell = Arc::new(RunCell::begin(message, kind, limits, cancelled, progress));
        if let Some(Verdict::Cancelled { reason }) = self.steering.cancels(id) {
            cell.cancel(reason);
        }
        self.out.insert(id, Out::Runs(Arc::clone(&cell)));
        let finished = self.finished.clone();
        self.running += 1;
        self.house.tasks.spawn(async move {
            let outcome = attempt(cell).await;
            // The driver is gone only when the pool was stopped hard; a takeover finds the message.
            finished.send(outcome).await.ok();
        });
    }

    /// Takes in a finished attempt.
    pub(super) fn take_in(&mut self, finished: Finished) {
        self.running -= 1;
        let (partition, token) = (finished.message.partition, finished.message.token);
        if self.was_given_up(&finished) {
            return;
        }
        if let Some(cell) = &finished.cell {
            cell.ended();
        }
        if !self.partitions.owns(partition, token) {
            self.is_back(finished.message.id);
            self.house.meters.fenced(&finished);
            return;
        }
        match finished.ending {
            Ending::Handled(_) => self.take_handled(finished),
            Ending::CutOff => {
                self.partitions.end(partition, token);
                if let Some(cell) = &finished.cell {
                    self.room.leave(finished.message.id, &cell.limits);
                }
                self.is_back(finished.message.id);
                self.give_back.push(finished.message.reference());
            }
        }
    }

    /// Whether the message ended while its handler was stuck. The handler has come back after all; nobody waits for it.
    fn was_given_up(&self, finished: &Finished) -> bool {
        let is_this_one = |cell: &Arc<RunCell>| !matches!(self.out.get(&finished.message.id), Some(Out::Runs(other)) if Arc::ptr_eq(cell, other));
        finished.cell.as_ref().is_some_and(is_this_one)
    }

    /// Makes a settlement of what a handler came to.
    pub(super) fn take_handled(&mut self, mut finished: Finished) {
        let handled = match std::mem::replace(&mut finished.ending, Ending::CutOff) {
            Ending::Handled(handled) => handled,
            Ending::CutOff => return,
        };
        let Handled {
            verdict,
            mut outgoing,
            effects,
        } = handled;
        let verdict = conclude(
            verdict,
            finished.kind.policy(),
            finished.attempt,
            &mut rand::rng(),
        );
        let verdict = match self.steering.cancels(finished.message.id) {
            // It failed, and nobody wants it tried again.
            Some(cancelled) if verdict.outcome().is_none() => cancelled,
            Some(_) | None => verdict,
        };
        if let Verdict::Dead { error } = &verdict {
            outgoing.extend(last_words(&finished.kind, &finished.message, error));
        }
        let (fate, hold) = self.fate(&finished, &verdict, Instant::now());
        let settlement = Settlement {
            message: finished.message.reference(),
            attempt: finished.attempt,
            started_at: finished.started_at,
            verdict,
            hold,
            outgoing,
        };
        let pending = Pending {
            finished,
            fate,
            settlement,
        };
        match effects {
            Some(effects) => self.with_effects.push_back((pending, effects)),
            None => self.pending.push(pending),
        }
    }

    /// What the verdict means for the key, in memory and in the rows.
    fn fate(&self, finished: &Finished, verdict: &Verdict, now: Instant) -> (Fate, HoldChange) {
        let (key, id) = (&finished.message.key, finished.message.id);
        let works = self
            .partitions
            .works(finished.message.partition, finished.message.token);
        let fate = match comes_back_in(verdict) {
            None => Fate::Ended,
            Some(back_in) => {
                self.mailboxes
                    .fate_of_head(key, id, finished.kind.policy().head, now, back_in)
            }
        };
        let hold = match fate {
            Fate::HeldUntil(until) => HoldChange::Until(until.saturating_duration_since(now)),
            Fate::Parked => HoldChange::Park,
            Fate::SteppedOver => HoldChange::StepOver,
            // A partition that leaves has no mailboxes any more, and what runs in it may be a head that holds its key.
            Fate::Ended if self.mailboxes.is_held_for(key, id) || !works => HoldChange::Lift,
            Fate::Ended => HoldChange::Keep,
        };
        (fate, hold)
    }
}

/// What the handler wants to have said about a dead letter. Its panic must not keep the message from its end.
fn last_words(kind: &Kind, message: &Claimed, error: &ErrorNote) -> Vec<NewMessage> {
    let said = std::panic::catch_unwind(AssertUnwindSafe(|| kind.handler.buried(message, error)));
    said.unwrap_or_else(|panic| {
        let note = panic_note(panic.as_ref());
        events::last_words_lost(message.id, &note.text);
        Vec::new()
    })
}
