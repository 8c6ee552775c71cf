//! Who is alive, as one worker sees it: by watching the others' beats change, against its own monotonic clock.
//!
//! No clock is shared. A worker counts as dead when a look that was *sent* a whole lease after the last change was
//! *answered* still shows the same beat. A holder stops at two thirds of a lease after it *sent* its last successful
//! beat; so, as long as clocks run at about the same speed, it has stopped before anybody may think it dead.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::ownership::WorkerId;

/// A worker's row as read from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Whose row it is.
    pub worker: WorkerId,
    /// Grows with every heartbeat.
    pub beat: i64,
    /// It is going: it gets nothing new, but keeps what it holds until it gives it back.
    pub leaving: bool,
}

/// When a look at the store was sent and answered, by our own clock.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// When it was asked for.
    pub sent: Instant,
    /// When the answer was there.
    pub answered: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Sighting {
    beat: i64,
    changed: Instant,
}

/// What a look showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Crowd {
    /// Alive, with the beat last seen.
    pub alive: BTreeSet<WorkerId>,
    /// Alive and not leaving: those among whom the partitions are shared.
    pub staying: BTreeSet<WorkerId>,
    /// The beat of everybody who has a row, alive or not.
    pub beats: BTreeMap<WorkerId, i64>,
    /// Seen without a change for so long that the row itself may be cleared away.
    pub long_dead: Vec<WorkerId>,
}

/// After this many leases without a beat a worker's row is cleared away.
const LONG_DEAD_LEASES: u32 = 30;

/// The memory of what was seen when.
#[derive(Debug)]
pub struct Roster {
    lease: Duration,
    seen: BTreeMap<WorkerId, Sighting>,
}

impl Roster {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(lease: Duration) -> Self {
        Self {
            lease,
            seen: BTreeMap::new(),
        }
    }

    /// Takes in one look and says who is alive. A worker seen for the first time gets a whole lease.
    pub fn observe(&mut self, beats: &[Beat], look: Look) -> Crowd {
        let mut crowd = Crowd::default();
        for row in beats {
            let sighting = self.sight(row, look.answered);
            let silent = look.sent.saturating_duration_since(sighting.changed);
            crowd.beats.insert(row.worker.clone(), row.beat);
            if silent < self.lease {
                crowd.alive.insert(row.worker.clone());
                if !row.leaving {
                    crowd.staying.insert(row.worker.clone());
                }
            } else if silent >= self.lease * LONG_DEAD_LEASES {
                crowd.long_dead.push(row.worker.clone());
            }
        }
        self.seen
            .retain(|worker, _| crowd.beats.contains_key(worker));
        crowd
    }

    fn sight(&mut self, row: &Beat, answered: Instant) -> Sighting {
        let fresh = Sighting {
            beat: row.beat,
            changed: answered,
        };
        let sighting = self.seen.entry(row.worker.clone()).or_insert(fresh);
        if sighting.beat != row.beat {
            *sighting = fresh;
        }
        *sighting
    }
}

/// Whether a holder may still start and settle: less than two thirds of a lease have passed since it sent its last
/// successful beat.
#[must_use]
pub fn may_work(last_beat_sent: Instant, now: Instant, lease: Duration) -> bool {
    now.saturating_duration_since(last_beat_sent) < lease * 2 / 3
}
