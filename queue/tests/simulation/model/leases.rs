//! The statements of the heart: `membership/statements.rs`.

use sallyport_queue::membership::decisions::{Beat, Lease, Take};
use sallyport_queue::ownership::WorkerId;
use sallyport_queue::{Partition, Token};

use super::{Answer, Database, Fact};

impl Database {
    pub(super) fn beat(&mut self, worker: &WorkerId, leaving: bool) -> Answer {
        let row = self.workers.entry(worker.clone()).or_insert((0, leaving));
        *row = (row.0 + 1, leaving);
        Answer::Done
    }

    pub(super) fn look_at_workers(&self) -> Answer {
        let beat = |(worker, (beat, leaving)): (&WorkerId, &(i64, bool))| Beat {
            worker: worker.clone(),
            beat: *beat,
            leaving: *leaving,
        };
        Answer::Workers(self.workers.iter().map(beat).collect())
    }

    pub(super) fn look_at_leases(&self) -> Answer {
        let lease = |(partition, lease): (&Partition, &super::LeaseRow)| Lease {
            partition: *partition,
            owner: lease.owner.clone(),
            token: Token(lease.token),
        };
        Answer::Leases(self.leases.iter().map(lease).collect())
    }

    pub(super) fn take(
        &mut self,
        worker: &WorkerId,
        takes: &[Take],
        facts: &mut Vec<Fact>,
    ) -> Answer {
        let mut won = Vec::new();
        for take in takes {
            let beats_again = take.from.as_ref().is_some_and(|(owner, beat)| {
                self.workers
                    .get(owner)
                    .is_some_and(|(now, _)| Some(*now) != *beat)
            });
            let seen_owner = take.from.as_ref().map(|(owner, _)| owner);
            let Some(lease) = self.leases.get_mut(&take.partition) else {
                continue;
            };
            let as_seen = lease.owner.as_ref() == seen_owner && lease.token == take.token.0;
            if !as_seen || beats_again || lease.shares > 0 {
                continue;
            }
            lease.owner = Some(worker.clone());
            lease.token += 1;
            let token = Token(lease.token);
            won.push((take.partition, token));
            facts.push(Fact::Granted {
                partition: take.partition,
                token,
            });
        }
        Answer::Won(won)
    }

    pub(super) fn release_leases(
        &mut self,
        worker: &WorkerId,
        leases: &[(Partition, Token)],
    ) -> Answer {
        for (partition, token) in leases {
            if self.share(*partition, *token, worker)
                && let Some(lease) = self.leases.get_mut(partition)
            {
                lease.owner = None;
            }
        }
        Answer::Done
    }

    pub(super) fn strike_off(&mut self, worker: &WorkerId) -> Answer {
        for lease in self.leases.values_mut() {
            if lease.owner.as_ref() == Some(worker) {
                lease.owner = None;
            }
        }
        self.workers.remove(worker);
        Answer::Done
    }

    /// Makes `worker` the owner of everything, as a test's shortcut.
    pub(crate) fn give_all_to(&mut self, worker: &WorkerId) -> Token {
        for lease in self.leases.values_mut() {
            lease.owner = Some(worker.clone());
            lease.token += 1;
        }
        Token(self.leases.values().map(|lease| lease.token).max().unwrap())
    }
}
