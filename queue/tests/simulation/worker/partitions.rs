//! The books about partitions, like the pool's own: which may be claimed from, which are on their way out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sallyport_queue::membership::Holdings;
use sallyport_queue::{Partition, Token};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Arriving,
    Working,
    Leaving { until: Instant },
    Released,
}

#[derive(Debug)]
struct Held {
    token: Token,
    phase: Phase,
    busy: usize,
    cancelled: bool,
}

#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) gained: Vec<(Partition, Token)>,
    pub(super) leaving: Vec<Partition>,
    pub(super) lost: Vec<Partition>,
}

#[derive(Debug)]
pub(super) struct Partitions {
    held: BTreeMap<Partition, Held>,
    handover: Duration,
}

impl Partitions {
    pub(super) fn new(handover: Duration) -> Self {
        Self {
            held: BTreeMap::new(),
            handover,
        }
    }

    pub(super) fn update(&mut self, holdings: &Holdings, now: Instant) -> Changes {
        let mut changes = Changes::default();
        self.held.retain(|partition, held| {
            let ours = holdings
                .get(partition)
                .is_some_and(|holding| holding.token == held.token);
            if !ours && held.phase != Phase::Released {
                changes.lost.push(*partition);
            }
            ours
        });
        for (partition, holding) in holdings {
            let fresh = |phase| Held {
                token: holding.token,
                phase,
                busy: 0,
                cancelled: false,
            };
            match self.held.get_mut(partition) {
                None if holding.keep => {
                    self.held.insert(*partition, fresh(Phase::Arriving));
                    changes.gained.push((*partition, holding.token));
                }
                None => {
                    let leaving = fresh(Phase::Leaving { until: now });
                    self.held.insert(*partition, leaving);
                }
                Some(held)
                    if !holding.keep && matches!(held.phase, Phase::Arriving | Phase::Working) =>
                {
                    held.phase = Phase::Leaving {
                        until: now + self.handover,
                    };
                    changes.leaving.push(*partition);
                }
                Some(_) => {}
            }
        }
        changes
    }

    pub(super) fn arrived(&mut self, partition: Partition, token: Token) -> bool {
        match self.held.get_mut(&partition) {
            Some(held) if held.token == token && held.phase == Phase::Arriving => {
                held.phase = Phase::Working;
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn claimable(&self) -> impl Iterator<Item = (Partition, Token)> {
        self.held
            .iter()
            .filter(|(_, held)| held.phase == Phase::Working)
            .map(|(partition, held)| (*partition, held.token))
    }

    /// The ownership under which messages of a partition may be claimed.
    pub(super) fn token(&self, partition: Partition) -> Option<Token> {
        let held = self.held.get(&partition)?;
        (held.phase == Phase::Working).then_some(held.token)
    }

    pub(super) fn works(&self, partition: Partition, token: Token) -> bool {
        self.held
            .get(&partition)
            .is_some_and(|held| held.token == token && held.phase == Phase::Working)
    }

    pub(super) fn owns(&self, partition: Partition, token: Token) -> bool {
        self.held
            .get(&partition)
            .is_some_and(|held| held.token == token)
    }

    pub(super) fn begin(&mut self, partition: Partition) {
        if let Some(held) = self.held.get_mut(&partition) {
            held.busy += 1;
        }
    }

    pub(super) fn end(&mut self, partition: Partition, token: Token) {
        if let Some(held) = self.held.get_mut(&partition)
            && held.token == token
        {
            held.busy = held.busy.saturating_sub(1);
        }
    }

    pub(super) fn leave_all(&mut self, until: Instant) -> Vec<Partition> {
        let mut leaving = Vec::new();
        for (partition, held) in &mut self.held {
            if matches!(held.phase, Phase::Arriving | Phase::Working) {
                held.phase = Phase::Leaving { until };
                leaving.push(*partition);
            }
        }
        leaving
    }

    /// The partitions whose time is over since the last question: what still runs in them is cut off.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<Partition> {
        let mut overdue = Vec::new();
        for (partition, held) in &mut self.held {
            if matches!(held.phase, Phase::Leaving { until } if until <= now) && !held.cancelled {
                held.cancelled = true;
                overdue.push(*partition);
            }
        }
        overdue
    }

    pub(super) fn next_cancel(&self) -> Option<Instant> {
        self.held
            .values()
            .filter(|held| !held.cancelled)
            .filter_map(|held| match held.phase {
                Phase::Leaving { until } => Some(until),
                Phase::Arriving | Phase::Working | Phase::Released => None,
            })
            .min()
    }

    pub(super) fn take_finished(&mut self) -> Vec<(Partition, Token)> {
        let mut finished = Vec::new();
        for (partition, held) in &mut self.held {
            if held.busy == 0 && matches!(held.phase, Phase::Leaving { .. }) {
                held.phase = Phase::Released;
                finished.push((*partition, held.token));
            }
        }
        finished
    }

    pub(super) fn all_released(&self) -> bool {
        self.held.values().all(|held| held.phase == Phase::Released)
    }
}
