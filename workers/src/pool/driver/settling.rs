//! Making the ends of attempts durable: together where nothing speaks against it, alone where effects go with them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sallyport_queue::mailboxes::Fate;
use sallyport_queue::{
    Effects, EffectsError, ErrorNote, SettleError, Settled, Settlement, StoreError, Verdict,
};
use sallyport_telemetry::Chain;

use super::{Driver, House, Report};
use crate::pool::Handled;
use crate::pool::attempt::{Ending, Finished};
use crate::pool::tale::SettleTime;
use crate::pool::verdict::comes_back_in;

/// A second batch is sent while the first is under way only if it is worth a transaction; smaller ones wait for it.
const SECOND_BATCH_MIN: usize = 128;
/// The first wait before a failed batch is sent again; it doubles up to a second.
const AGAIN_AFTER: Duration = Duration::from_millis(20);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(1);

/// A finished attempt on its way into the rows.
pub(super) struct Pending {
    pub(super) finished: Finished,
    pub(super) fate: Fate,
    pub(super) settlement: Settlement,
}

/// A settlement that was answered.
struct End {
    finished: Finished,
    fate: Fate,
    verdict: Verdict,
    settled: Settled,
}

/// Settlements that were sent together, and what became of each.
pub(super) struct Batch {
    settled: Vec<End>,
    time: SettleTime,
    alone: bool,
}

impl Driver {
    /// Sends what waits to be settled, as far as there are free hands.
    ///
    /// While a batch is under way the next one gathers, so under load batches grow by themselves and without it nobody
    /// waits.
    pub(super) fn settle(&mut self) {
        let settings = &self.house.settings;
        while self.batches < settings.settle_batches_max.get() && !self.pending.is_empty() {
            if self.batches > 0 && self.pending.len() < SECOND_BATCH_MIN {
                break;
            }
            let count = self.pending.len().min(settings.settle_batch_max.get());
            let batch: Vec<Pending> = self.pending.drain(..count).collect();
            self.batches += 1;
            self.report_from(settle_together(Arc::clone(&self.house), batch));
        }
        while self.effects < settings.settle_effects_max.get() {
            let Some((pending, effects)) = self.with_effects.pop_front() else {
                break;
            };
            self.effects += 1;
            self.report_from(settle_alone(Arc::clone(&self.house), pending, effects));
        }
    }

    /// Takes in durable settlements: only now the next of their keys may run (L7).
    pub(super) fn take_settled(&mut self, batch: Batch) {
        if batch.alone {
            self.effects -= 1;
        } else {
            self.batches -= 1;
        }
        for end in batch.settled {
            self.take_end(end, batch.time);
        }
    }

    fn take_end(&mut self, mut end: End, time: SettleTime) {
        let message = Arc::clone(&end.finished.message);
        if let Some(cell) = &end.finished.cell {
            self.room.leave(message.id, &cell.limits);
        }
        self.is_back(message.id);
        if self.partitions.owns(message.partition, message.token) {
            self.partitions.end(message.partition, message.token);
            let fate = match end.settled {
                Settled::Durable => end.fate,
                Settled::Stale => Fate::Ended,
            };
            if self.mailboxes.settled(&message.key, message.id, fate) {
                self.claiming.want(message.partition);
            }
        }
        match end.settled {
            Settled::Durable => {
                self.house.meters.settled(&end.finished, &end.verdict);
                if let Some(back_in) = comes_back_in(&end.verdict) {
                    self.claiming.due_in(back_in, Instant::now());
                }
            }
            Settled::Stale => {}
        }
        self.house
            .tale
            .tell(&mut end.finished, &end.verdict, end.settled, time);
    }
}

/// Settles a batch, again and again until the database answers: until then nobody knows how it ended, and its keys wait.
async fn settle_together(house: Arc<House>, batch: Vec<Pending>) -> Report {
    let (mut settlements, rest): (Vec<Settlement>, Vec<(Finished, Fate)>) = batch
        .into_iter()
        .map(|pending| (pending.settlement, (pending.finished, pending.fate)))
        .unzip();
    let (sent_at, sent) = (Timestamp::now(), Instant::now());
    let answers = insist(&house, &mut settlements).await;
    #[cfg(feature = "fail-points")]
    sallyport_telemetry::points::reach(sallyport_telemetry::points::Point::K9).await;
    let time = SettleTime {
        sent_at,
        took: sent.elapsed(),
        batch: settlements.len(),
    };
    let settled = settlements
        .into_iter()
        .zip(rest)
        .zip(answers)
        .map(|((settlement, (finished, fate)), settled)| End {
            finished,
            fate,
            verdict: settlement.verdict,
            settled,
        })
        .collect();
    Report::Settled(Batch {
        settled,
        time,
        alone: false,
    })
}

/// Repeats a settlement while that may help. One that never will is split, and at last made a dead letter: a message
/// whose end cannot be stored must not stand in the way of the others.
async fn insist(house: &House, settlements: &mut [Settlement]) -> Vec<Settled> {
    let mut again_after = AGAIN_AFTER;
    loop {
        let error = match house.store.settle(settlements).await {
            Ok(answers) => return answers,
            Err(error) => error,
        };
        if !error.may_pass_later() {
            if let [alone] = settlements {
                give_up(alone, &error);
            } else {
                let (left, right) = settlements.split_at_mut(settlements.len() / 2);
                let mut answers = Box::pin(insist(house, left)).await;
                answers.extend(Box::pin(insist(house, right)).await);
                return answers;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(again_after) => again_after = (again_after * 2).min(AGAIN_AFTER_MAX),
            () = house.stop.cancelled() => return Vec::new(),
        }
    }
}

/// Replaces an end that the store refuses by one that it can take.
fn give_up(settlement: &mut Settlement, error: &StoreError) {
    settlement.outgoing.clear();
    settlement.verdict = Verdict::Dead {
        error: ErrorNote::new("unsettleable", Chain(error).to_string()),
    };
}

/// Settles one message with its effects. Effects run once: when they fail, the attempt counts as failed.
async fn settle_alone(house: Arc<House>, pending: Pending, effects: Effects) -> Report {
    let Pending {
        mut finished,
        fate,
        settlement,
    } = pending;
    let (sent_at, sent) = (Timestamp::now(), Instant::now());
    match house.store.settle_with(&settlement, effects).await {
        Ok(settled) => {
            #[cfg(feature = "fail-points")]
            sallyport_telemetry::points::reach(sallyport_telemetry::points::Point::K9).await;
            let time = SettleTime {
                sent_at,
                took: sent.elapsed(),
                batch: 1,
            };
            let end = End {
                finished,
                fate,
                verdict: settlement.verdict,
                settled,
            };
            Report::Settled(Batch {
                settled: vec![end],
                time,
                alone: true,
            })
        }
        Err(error) => {
            finished.ending = Ending::Handled(failed(error));
            Report::EffectsFailed(Box::new(finished))
        }
    }
}

/// A settlement that failed with its effects fails the attempt; an app that refused decides itself what that means.
fn failed(error: SettleError) -> Handled {
    let kind = match error {
        SettleError::Effects(EffectsError::Refused { verdict }) => return Handled::from(*verdict),
        SettleError::Effects(EffectsError::Postgres(_)) => "effects",
        SettleError::TooSlow { .. } => "effects_too_slow",
        SettleError::Store(_) => "store",
    };
    Handled::retry(ErrorNote::new(kind, Chain(&error).to_string()))
}
