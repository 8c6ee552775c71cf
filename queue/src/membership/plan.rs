//! What a worker does next about the leases, from what it saw: a pure decision.

use std::collections::{BTreeMap, BTreeSet};

use super::roster::{Beat, Crowd, Look, Roster};
use super::{Holding, Holdings};
use crate::ownership::{WorkerId, assign};
use crate::{Partition, Token};

/// One row of `leases`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Of which partition.
    pub partition: Partition,
    /// Who holds it; nobody when it was given back.
    pub owner: Option<WorkerId>,
    /// The number of this ownership.
    pub token: Token,
}

/// A lease to take, with everything that must still be true when it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// Of which partition.
    pub partition: Partition,
    /// The owner that was seen to be dead, with its last beat; none when the lease was free.
    pub from: Option<(WorkerId, Option<i64>)>,
    /// The number of the ownership that ends.
    pub token: Token,
}

/// What to do about the leases.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to take.
    pub take: Vec<Take>,
    /// What is ours by its row, with the token and whether we are to keep it.
    pub ours: Vec<Ours>,
}

/// A lease that is ours by its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ours {
    /// Of which partition.
    pub partition: Partition,
    /// The number of our ownership.
    pub token: Token,
    /// Whether we are to keep it, or to hand it over.
    pub keep: bool,
}

impl Plan {
    /// What is held once `won` of what was to be taken.
    pub fn holdings(&self, won: impl IntoIterator<Item = (Partition, Token)>) -> Holdings {
        let ours = self.ours.iter().map(|ours| {
            let holding = Holding {
                token: ours.token,
                keep: ours.keep,
            };
            (ours.partition, holding)
        });
        let won = won
            .into_iter()
            .map(|(partition, token)| (partition, Holding { token, keep: true }));
        ours.chain(won).collect()
    }
}

/// One worker's judgement of the others, look by look.
#[derive(Debug)]
pub struct Judgement {
    me: WorkerId,
    roster: Roster,
    /// Among whom the partitions were shared last, and how: the answer changes only with the workers.
    shared: Option<(BTreeSet<WorkerId>, BTreeMap<u16, WorkerId>)>,
}

impl Judgement {
    /// The judgement of `me`, who has seen nobody yet.
    #[must_use]
    pub fn new(me: WorkerId, lease: std::time::Duration) -> Self {
        Self {
            me,
            roster: Roster::new(lease),
            shared: None,
        }
    }

    /// Takes in one look at the workers and the leases, and says what to do about it.
    pub fn judge(&mut self, beats: &[Beat], look: Look, leases: &[Lease]) -> (Crowd, Plan) {
        let crowd = self.roster.observe(beats, look);
        let wanted = match self.shared.take() {
            Some((among, wanted)) if among == crowd.staying => wanted,
            Some(_) | None => assign(&crowd.staying, Partition::COUNT),
        };
        let plan = plan(&self.me, &crowd, &wanted, leases);
        self.shared = Some((crowd.staying.clone(), wanted));
        (crowd, plan)
    }
}

/// Compares who should own what (`wanted`) with who does.
pub(super) fn plan(
    me: &WorkerId,
    crowd: &Crowd,
    wanted: &BTreeMap<u16, WorkerId>,
    leases: &[Lease],
) -> Plan {
    let mut plan = Plan::default();
    for lease in leases {
        let should_be_ours = wanted.get(&u16::from(lease.partition.index())) == Some(me);
        match &lease.owner {
            Some(owner) if owner == me => plan.ours.push(Ours {
                partition: lease.partition,
                token: lease.token,
                keep: should_be_ours,
            }),
            Some(owner) if crowd.alive.contains(owner) => {}
            owner if should_be_ours => plan.take.push(Take {
                partition: lease.partition,
                from: owner
                    .as_ref()
                    .map(|owner| (owner.clone(), crowd.beats.get(owner).copied())),
                token: lease.token,
            }),
            Some(_) | None => {}
        }
    }
    plan
}
