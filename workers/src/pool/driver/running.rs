//! Starting handlers, and taking in what they came to.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use sallyport_queue::mailboxes::Fate;
use sallyport_queue::{Claimed, ErrorNote, HoldChange, NewMessage, Settlement, Verdict};

use super::Driver;
use super::settling::Pending;
use crate::pool::attempt::{Ending, Finished, attempt, panic_note};
use crate::pool::kinds::Kind;
use crate::pool::verdict::{comes_back_in, conclude};
use crate::pool::{Handled, events};

impl Driver {
    /// Starts the next messages while there are free slots.
    pub(super) fn start_handlers(&mut self) {
        while self.running < self.house.settings.slots.get() {
            let Some(entry) = self.mailboxes.start_next() else {
                return;
            };
            let message = entry.message;
            let kind = Arc::clone(self.house.kinds.of_message(&message));
            let cancel = self.partitions.begin(message.partition);
            let finished = self.finished.clone();
            self.running += 1;
            self.house.tasks.spawn(async move {
                let outcome = attempt(message, kind, cancel).await;
                // The driver is gone only when the pool was stopped hard; a takeover finds the message.
                finished.send(outcome).await.ok();
            });
        }
    }

    /// Takes in a finished attempt.
    pub(super) fn take_in(&mut self, finished: Finished) {
        self.running -= 1;
        let (partition, token) = (finished.message.partition, finished.message.token);
        if !self.partitions.owns(partition, token) {
            self.house.meters.fenced(&finished);
            return;
        }
        match finished.ending {
            Ending::Handled(_) => self.take_handled(finished),
            Ending::CutOff => {
                self.partitions.end(partition, token);
                self.give_back.push(finished.message.reference());
            }
        }
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
            Fate::Ended if self.mailboxes.is_held_for(key, id) => HoldChange::Lift,
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
