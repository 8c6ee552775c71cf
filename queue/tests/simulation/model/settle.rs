//! The statement of `fence.rs`, `settled_before.sql` behind it, and what moves between ready, delayed and held.

use sallyport_queue::ownership::WorkerId;
use sallyport_queue::{HoldChange, Key, MessageId, Partition, Settled, Settlement, Verdict};

use super::{Answer, Begun, Database, End, Fact, Micros};

impl Database {
    /// Locks the leases of those whose worker may still settle.
    pub(super) fn begin_settle(&mut self, worker: &WorkerId, settlements: &[Settlement]) -> Begun {
        let mut begun = Begun::default();
        for (place, settlement) in settlements.iter().enumerate() {
            let message = &settlement.message;
            let fenced = self.share(message.partition, message.token, worker);
            if fenced || self.flaws.no_fence {
                begun.shares.insert(message.partition);
                begun.fenced.push(place);
            }
        }
        let shares = begun.shares.clone();
        self.lock(&shares);
        begun
    }

    pub(super) fn settle(
        &mut self,
        worker: &WorkerId,
        settlements: &[Settlement],
        fenced: &[usize],
        now: Micros,
        facts: &mut Vec<Fact>,
    ) -> Answer {
        let mut answers = vec![Settled::Stale; settlements.len()];
        for place in fenced {
            if self.settle_one(worker, &settlements[*place], now, facts) {
                answers[*place] = Settled::Durable;
            }
        }
        for (answer, settlement) in answers.iter_mut().zip(settlements) {
            let end = end(worker, settlement);
            let before = self.ends.get(&end.id);
            if before.is_some_and(|ends| ends.contains(&end)) {
                *answer = Settled::Durable;
            }
        }
        Answer::Settled(answers)
    }

    fn settle_one(
        &mut self,
        worker: &WorkerId,
        settlement: &Settlement,
        now: Micros,
        facts: &mut Vec<Fact>,
    ) -> bool {
        let message = &settlement.message;
        if !self.queue.get(&message.id).is_some_and(|row| {
            let is_this_attempt = row.counted_claim < message.claim || self.flaws.no_fence;
            !row.delayed && is_this_attempt
        }) {
            return false;
        }
        match settlement.verdict.outcome() {
            Some(outcome) => {
                self.queue.remove(&message.id);
                self.outcomes.insert(message.id, outcome.as_str());
                facts.push(Fact::Ended {
                    id: message.id,
                    outcome: outcome.as_str(),
                    partition: message.partition,
                    token: message.token,
                    outgoing: settlement.outgoing.len(),
                });
            }
            None => self.return_one(settlement, now, facts),
        }
        let ends = self.ends.entry(message.id).or_default();
        ends.push(end(worker, settlement));
        self.change_hold(settlement, now);
        for outgoing in &settlement.outgoing {
            let id = self.next_id();
            self.put(outgoing, id, now, facts);
        }
        true
    }

    fn return_one(&mut self, settlement: &Settlement, now: Micros, facts: &mut Vec<Fact>) {
        let message = &settlement.message;
        let Some(row) = self.queue.get_mut(&message.id) else {
            return;
        };
        let (after, counted) = match &settlement.verdict {
            Verdict::Retry { after, .. } => (*after, true),
            Verdict::Snooze { for_ } => (*for_, false),
            _ => return,
        };
        if counted {
            row.attempts = settlement.attempt;
        }
        if !after.is_zero() {
            row.delayed = true;
            row.behind = false;
        }
        row.stepped_over |= settlement.hold == HoldChange::StepOver;
        row.ready_at = now + i64::try_from(after.as_micros()).unwrap();
        row.counted_claim = message.claim;
        facts.push(Fact::Returned {
            id: message.id,
            partition: message.partition,
            token: message.token,
            counted,
            ready_at: row.ready_at,
        });
    }

    fn change_hold(&mut self, settlement: &Settlement, now: Micros) {
        let message = &settlement.message;
        let place = (message.partition, message.key.clone());
        let until = match settlement.hold {
            HoldChange::Keep => return,
            HoldChange::Lift => {
                self.held_keys.remove(&place);
                return;
            }
            HoldChange::StepOver => {
                let held = self.held_keys.get(&place);
                if held.is_some_and(|(head, _)| *head == message.id) {
                    self.held_keys.remove(&place);
                }
                return;
            }
            HoldChange::Until(longest) => Some(now + i64::try_from(longest.as_micros()).unwrap()),
            HoldChange::Park => None,
        };
        let stands = self.held_keys.get(&place);
        if stands.is_some_and(|(head, _)| *head == message.id) && until.is_some() {
            return;
        }
        self.held_keys.insert(place, (message.id, until));
    }

    /// `promote.sql` and `next_due.sql`.
    pub(super) fn promote(
        &mut self,
        partitions: &[Partition],
        now: Micros,
        facts: &mut Vec<Fact>,
    ) -> Answer {
        let mut promoted = Vec::new();
        let mut next: Option<Micros> = None;
        for (id, row) in &mut self.queue {
            if !row.delayed || !partitions.contains(&row.partition) {
                continue;
            }
            if row.ready_at <= now {
                row.delayed = false;
                promoted.push((row.partition, *id));
                facts.push(Fact::Promoted {
                    id: *id,
                    ready_at: row.ready_at,
                    now,
                });
            } else {
                let wait = row.ready_at - now;
                next = Some(next.map_or(wait, |next| next.min(wait)));
            }
        }
        Answer::Promoted(promoted, next)
    }

    /// `lift.sql`: the head holds its key no second time.
    pub(super) fn lift(&mut self, keys: &[(Partition, Key, MessageId)]) -> Answer {
        for (partition, key, head) in keys {
            let place = (*partition, key.clone());
            let held = self.held_keys.get(&place);
            if held.is_some_and(|(now, _)| now == head) {
                self.held_keys.remove(&place);
            }
            if let Some(row) = self.queue.get_mut(head) {
                row.stepped_over = true;
            }
        }
        Answer::Done
    }
}

fn end(worker: &WorkerId, settlement: &Settlement) -> End {
    End {
        id: settlement.message.id,
        claim: settlement.message.claim,
        worker: worker.clone(),
    }
}
