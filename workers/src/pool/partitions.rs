//! The pool's books about its partitions: which ones it may claim from, which are on their way out. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sallyport_queue::membership::Holdings;
use sallyport_queue::{Partition, Token};
use tokio_util::sync::CancellationToken;

/// Where a partition stands between arriving and leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Held, but the begun attempts of its last owner are not counted yet.
    Arriving,
    /// Messages of it may be claimed and run.
    Working,
    /// To be given away: what runs may end until then.
    Leaving { until: Instant },
    /// Given back; the answer is awaited.
    Released,
}

#[derive(Debug)]
struct Held {
    token: Token,
    phase: Phase,
    /// Attempts that run or are being settled.
    busy: usize,
    cancel: CancellationToken,
}

/// What a look at the holdings asks the pool to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Newly held: take over, then [`Partitions::arrived`].
    pub(super) gained: Vec<(Partition, Token)>,
    /// To be handed over: stop claiming and give back what waits.
    pub(super) leaving: Vec<Partition>,
    /// Gone without our doing: forget what is in hand.
    pub(super) lost: Vec<Partition>,
}

/// The partitions of one pool.
#[derive(Debug)]
pub(super) struct Partitions {
    held: BTreeMap<Partition, Held>,
    stop: CancellationToken,
    handover: Duration,
}

impl Partitions {
    /// No partition yet. `stop` cancels everything at once; `handover` is what a leaving partition may take to finish.
    pub(super) fn new(stop: CancellationToken, handover: Duration) -> Self {
        Self {
            held: BTreeMap::new(),
            stop,
            handover,
        }
    }

    /// Compares the books with what is held now. Attempts in lost partitions are cancelled here.
    pub(super) fn update(&mut self, holdings: &Holdings, now: Instant) -> Changes {
        let mut changes = Changes::default();
        self.drop_lost(holdings, &mut changes);
        for (&partition, holding) in holdings {
            match self.held.get_mut(&partition) {
                None if holding.keep => {
                    self.held.insert(partition, self.fresh(holding.token));
                    changes.gained.push((partition, holding.token));
                }
                None => {
                    let mut held = self.fresh(holding.token);
                    held.phase = Phase::Leaving { until: now };
                    self.held.insert(partition, held);
                }
                Some(held)
                    if !holding.keep && matches!(held.phase, Phase::Arriving | Phase::Working) =>
                {
                    held.phase = Phase::Leaving {
                        until: now + self.handover,
                    };
                    changes.leaving.push(partition);
                }
                Some(_) => {}
            }
        }
        changes
    }

    fn fresh(&self, token: Token) -> Held {
        Held {
            token,
            phase: Phase::Arriving,
            busy: 0,
            cancel: self.stop.child_token(),
        }
    }

    fn drop_lost(&mut self, holdings: &Holdings, changes: &mut Changes) {
        self.held.retain(|partition, held| {
            let still_ours = holdings
                .get(partition)
                .is_some_and(|holding| holding.token == held.token);
            if !still_ours {
                held.cancel.cancel();
                if held.phase != Phase::Released {
                    changes.lost.push(*partition);
                }
            }
            still_ours
        });
    }

    /// The last owner's attempts are counted: messages may be claimed. `false` if the partition went away meanwhile.
    pub(super) fn arrived(&mut self, partition: Partition, token: Token) -> bool {
        match self.held.get_mut(&partition) {
            Some(held) if held.token == token && held.phase == Phase::Arriving => {
                held.phase = Phase::Working;
                true
            }
            Some(_) | None => false,
        }
    }

    /// The partitions that messages may be claimed from.
    pub(super) fn claimable(&self) -> impl Iterator<Item = (Partition, Token)> {
        self.held
            .iter()
            .filter(|(_, held)| held.phase == Phase::Working)
            .map(|(partition, held)| (*partition, held.token))
    }

    /// Whether a message claimed under `token` may still be started.
    pub(super) fn works(&self, partition: Partition, token: Token) -> bool {
        self.held
            .get(&partition)
            .is_some_and(|held| held.token == token && held.phase == Phase::Working)
    }

    /// The ownership under which messages of this partition may be claimed and started, if they may.
    pub(super) fn token(&self, partition: Partition) -> Option<Token> {
        let held = self.held.get(&partition)?;
        (held.phase == Phase::Working).then_some(held.token)
    }

    /// Whether the ownership under which a message was claimed still stands, so that settling it makes sense.
    pub(super) fn owns(&self, partition: Partition, token: Token) -> bool {
        self.held
            .get(&partition)
            .is_some_and(|held| held.token == token)
    }

    /// Notes that a message is on its way to an attempt.
    pub(super) fn begin(&mut self, partition: Partition) {
        if let Some(held) = self.held.get_mut(&partition) {
            held.busy += 1;
        }
    }

    /// What cancels every attempt of a partition.
    pub(super) fn cancellation(&self, partition: Partition) -> &CancellationToken {
        self.held
            .get(&partition)
            .map_or(&self.stop, |held| &held.cancel)
    }

    /// Notes that an attempt is settled, or given up.
    pub(super) fn end(&mut self, partition: Partition, token: Token) {
        if let Some(held) = self.held.get_mut(&partition)
            && held.token == token
        {
            held.busy = held.busy.saturating_sub(1);
        }
    }

    /// Asks every partition to leave by `until`, for a drain.
    pub(super) fn leave_all(&mut self, until: Instant) -> Vec<Partition> {
        let mut leaving = Vec::new();
        for (partition, held) in &mut self.held {
            match held.phase {
                Phase::Arriving | Phase::Working => {
                    held.phase = Phase::Leaving { until };
                    leaving.push(*partition);
                }
                Phase::Leaving { .. } | Phase::Released => {}
            }
        }
        leaving
    }

    /// Cancels what still runs in partitions whose time is over.
    pub(super) fn cancel_overdue(&self, now: Instant) {
        for held in self.held.values() {
            if matches!(held.phase, Phase::Leaving { until } if until <= now) {
                held.cancel.cancel();
            }
        }
    }

    /// When [`Partitions::cancel_overdue`] has something to do next.
    pub(super) fn next_cancel(&self) -> Option<Instant> {
        self.held
            .values()
            .filter_map(|held| match held.phase {
                // Asked only of the few that leave: it takes a lock, and this is looked at in every turn.
                Phase::Leaving { until } if !held.cancel.is_cancelled() => Some(until),
                Phase::Leaving { .. } | Phase::Arriving | Phase::Working | Phase::Released => None,
            })
            .min()
    }

    /// The leaving partitions in which nothing runs any more; they count as released from now on.
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

    /// Whether nothing is held, or everything was given back.
    pub(super) fn all_released(&self) -> bool {
        self.held.values().all(|held| held.phase == Phase::Released)
    }
}

#[cfg(test)]
mod tests;
