//! Making ends durable: together, one batch after the other, again and again until Postgres answers (L6, L7).

use std::collections::BTreeMap;

use sallyport_queue::mailboxes::Fate;
use sallyport_queue::{Settled, Settlement};

use super::Worker;
use super::running::comes_back_in;
use crate::constants::{MILLISECOND, SECOND};
use crate::context::Context;
use crate::event::{Failure, Tag, Timer};
use crate::model::{Answer, Ask, Micros};
use crate::plant::Plant;

const AGAIN_AFTER: Micros = 20 * MILLISECOND;

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) fate: Fate,
    pub(super) settlement: Settlement,
}

#[derive(Debug, Default)]
pub(super) struct Settling {
    pub(super) pending: Vec<Pending>,
    batches: BTreeMap<u64, (Vec<Pending>, Micros)>,
    last: u64,
}

impl Settling {
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.batches.is_empty()
    }
}

impl Worker {
    pub(super) fn settle(&mut self, context: &mut Context) {
        let settling = &mut self.settling;
        if settling.pending.is_empty() || !settling.batches.is_empty() {
            return;
        }
        let count = settling.pending.len().min(context.constants.batch_max);
        let batch = settling.pending.drain(..count).collect();
        settling.last += 1;
        let number = settling.last;
        settling.batches.insert(number, (batch, AGAIN_AFTER));
        self.settle_again(number, context);
    }

    pub(super) fn settle_again(&mut self, number: u64, context: &mut Context) {
        let Some((batch, _)) = self.settling.batches.get(&number) else {
            return;
        };
        let ask = Ask::Settle {
            worker: self.id.clone(),
            settlements: batch
                .iter()
                .map(|pending| pending.settlement.clone())
                .collect(),
        };
        self.ask(Tag::Settle(number), ask, context);
    }

    pub(super) fn settled(
        &mut self,
        number: u64,
        answer: Result<Answer, Failure>,
        context: &mut Context,
    ) {
        let Ok(Answer::Settled(answers)) = answer else {
            if let Some((_, wait)) = self.settling.batches.get_mut(&number) {
                let now = *wait;
                *wait = (now * 2).min(SECOND);
                self.timer(now, Timer::SettleAgain(number), context);
            }
            return;
        };
        let Some((batch, _)) = self.settling.batches.remove(&number) else {
            return;
        };
        for (pending, settled) in batch.into_iter().zip(answers) {
            self.take_end(&pending, settled, context);
        }
    }

    fn take_end(&mut self, pending: &Pending, settled: Settled, context: &mut Context) {
        let message = &pending.settlement.message;
        context.say(
            self.me(),
            format_args!("knows that the end of {} is {settled:?}", message.id.0),
        );
        match settled {
            Settled::Durable => self.claiming.out_of_hand([message]),
            Settled::Stale => self.claiming.leave_to_the_heir(message.claim),
        }
        if self.partitions.owns(message.partition, message.token) {
            self.partitions.end(message.partition, message.token);
            let fate = match settled {
                Settled::Durable => pending.fate,
                Settled::Stale => Fate::Ended,
            };
            let waits = !context.has(Plant::SettleWithoutWaiting);
            if waits && self.mailboxes.settled(&message.key, message.id, fate) {
                self.claiming.wanted.insert(message.partition);
            }
        }
        if settled == Settled::Durable
            && let Some(back_in) = comes_back_in(&pending.settlement.verdict)
        {
            let now = self.now(context);
            self.claiming.due_in(back_in, now);
        }
    }
}
