//! `take_over.sql`, `forget_claims.sql` and `held.sql`: what a new owner finds.

use std::collections::BTreeMap;

use sallyport_queue::ownership::WorkerId;
use sallyport_queue::{ClaimId, MessageId, Partition, TakenOver, Token};

use super::{Answer, Database, Fact, Micros};

impl Database {
    pub(super) fn take_over(
        &mut self,
        worker: &WorkerId,
        leases: &[(Partition, Token)],
        sends: &[&str],
        now: Micros,
        facts: &mut Vec<Fact>,
    ) -> Answer {
        let mut taken = TakenOver::default();
        let with_some_behind = self.keys_behind();
        for (id, claim) in self.begun(worker, leases) {
            let Some(row) = self.queue.get_mut(&id) else {
                continue;
            };
            if row.delayed || row.counted_claim >= claim || self.flaws.no_counting {
                continue;
            }
            row.attempts = row.attempts.saturating_add(1);
            row.interrupted = true;
            row.counted_claim = claim;
            row.behind |= with_some_behind.contains_key(&row.key);
            let ambiguous = sends.contains(&row.kind.as_str());
            taken.interrupted.push(id);
            if ambiguous {
                taken.ambiguous.push(id);
                *self.ambiguous.entry(id).or_default() += 1;
            }
            facts.push(Fact::Interrupted { id, ambiguous });
        }
        self.forget_claims();
        taken.held = self.held(leases, now);
        Answer::TakenOver(taken)
    }

    /// The newest claim of an earlier owner on each message, in the partitions that are still ours.
    fn begun(
        &mut self,
        worker: &WorkerId,
        leases: &[(Partition, Token)],
    ) -> BTreeMap<MessageId, ClaimId> {
        let mut mine: BTreeMap<Partition, Token> = BTreeMap::new();
        for (partition, token) in leases {
            if self.share(*partition, *token, worker)
                && let Some(lease) = self.leases.get_mut(partition)
            {
                lease.counted = lease.token;
                mine.insert(*partition, *token);
            }
        }
        let mut begun = BTreeMap::new();
        for (claim, row) in &self.claims {
            for (partition, token, id) in &row.entries {
                let is_earlier = mine.get(partition).is_some_and(|mine| token < mine);
                if is_earlier && !row.released.contains(id) {
                    begun.insert(*id, *claim);
                }
            }
        }
        begun
    }

    fn forget_claims(&mut self) {
        let leases = &self.leases;
        self.claims.retain(|_, claim| {
            claim.entries.iter().any(|(partition, token, _)| {
                leases
                    .get(partition)
                    .is_some_and(|lease| token.0 >= lease.counted)
            })
        });
    }
}
