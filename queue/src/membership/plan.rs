//! What a worker does next about the leases, from what it saw: a pure decision.

use super::roster::Crowd;
use crate::ownership::{WorkerId, assign};
use crate::{Partition, Token};

/// One row of `leases`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) partition: Partition,
    pub(super) owner: Option<WorkerId>,
    pub(super) token: Token,
}

/// A lease to take, with everything that must still be true when it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Take {
    pub(super) partition: Partition,
    /// The owner that was seen to be dead, with its last beat; none when the lease was free.
    pub(super) from: Option<(WorkerId, Option<i64>)>,
    pub(super) token: Token,
}

/// What to do about the leases.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) take: Vec<Take>,
    /// What is ours by its row, with the token and whether we are to keep it.
    pub(super) ours: Vec<Ours>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) partition: Partition,
    pub(super) token: Token,
    pub(super) keep: bool,
}

/// Compares who should own what with who does.
pub(super) fn plan(me: &WorkerId, crowd: &Crowd, leases: &[Lease]) -> Plan {
    let wanted = assign(&crowd.staying, Partition::COUNT);
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
