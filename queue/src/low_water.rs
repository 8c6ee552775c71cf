//! Where a claim begins to look: below which number nothing is waiting any more, and whose turn it is.
//!
//! A hot table that loses rows leaves dead entries at the beginning of its index until vacuum comes, and a snapshot that
//! somebody else holds open keeps vacuum away; a claim that starts behind them stays fast. Numbers become visible out of
//! order, so a mark is believed only after every transaction that could still bring a lower number must have ended, and a
//! sweep from the beginning stands behind it (law L13). Whose turn it is: the lane after the one at which the last claim
//! had enough, so that no lane waits for another's backlog. Pure: the clock is handed in. Public, because a simulation drives
//! it, too.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::message::{Lane, MessageId, Priority};
use crate::partition::Partition;

/// No transaction that puts in messages lasts longer: its statements and its idle time are bounded well below.
const SETTLED_AFTER: Duration = Duration::from_secs(15);

/// What is claimed from at a time.
type Shelf = (Partition, Priority);

/// What a claim met in one partition and urgency.
#[derive(Debug, Clone, Copy)]
pub struct Walk<'w> {
    /// Which partition.
    pub partition: Partition,
    /// Which urgency.
    pub priority: Priority,
    /// How much was asked for.
    pub messages_max: usize,
    /// With which lane it began; `None` when only some lanes were walked.
    pub turn: Option<Lane>,
    /// What it took or put behind.
    pub met: &'w [(Lane, MessageId)],
    /// The lowest number of the partition that was in hand already.
    pub lowest_in_hand: Option<MessageId>,
    /// The highest number that the whole claim met anywhere.
    pub highest: Option<MessageId>,
}

/// The marks of the partitions of one worker.
#[derive(Debug, Default)]
pub struct LowWater {
    marks: HashMap<Shelf, Mark>,
    turns: HashMap<Shelf, Lane>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Mark {
    trusted: i64,
    seen: Option<(i64, Instant)>,
}

impl LowWater {
    /// From where to look for messages of this partition and urgency.
    #[must_use]
    pub fn of(&self, partition: Partition, priority: Priority) -> MessageId {
        let mark = self.marks.get(&(partition, priority));
        MessageId(mark.map_or(0, |mark| mark.trusted))
    }

    /// Takes in what a claim met at `now`, and answers whether there may be more. Whoever gave less than was asked for has
    /// shown everything there is; the others go on with the next lane.
    pub fn note(&mut self, walk: &Walk<'_>, now: Instant) -> bool {
        let has_more = walk.met.len() >= walk.messages_max;
        let Some(turn) = walk.turn else {
            return has_more;
        };
        let shelf = (walk.partition, walk.priority);
        if has_more {
            let lanes = walk.met.iter().map(|(lane, _)| *lane);
            // A walk begins with the lane whose turn it is, and after the last lane goes on with the first.
            let last = lanes.max_by_key(|lane| (*lane < turn, *lane));
            self.turns.extend(last.map(|last| (shelf, last.next())));
            return true;
        }
        self.turns.remove(&shelf);
        let lowest = walk.met.iter().map(|(_, id)| *id).min();
        let candidates = [lowest, walk.lowest_in_hand, walk.highest];
        if let Some(lowest) = candidates.into_iter().flatten().min() {
            self.seen(walk.partition, walk.priority, lowest, now);
        }
        false
    }

    /// At `now` nothing below `lowest` was to be seen there. Trusted when it has been so for long enough.
    fn seen(&mut self, partition: Partition, priority: Priority, lowest: MessageId, now: Instant) {
        let mark = self.marks.entry((partition, priority)).or_default();
        match mark.seen {
            None => mark.seen = Some((lowest.0, now)),
            Some((value, since)) if now.duration_since(since) >= SETTLED_AFTER => {
                mark.trusted = mark.trusted.max(value);
                mark.seen = Some((lowest.0, now));
            }
            Some(_) => {}
        }
    }

    /// A message with this number is waiting again: whatever was seen or trusted above it no longer holds.
    pub fn lower(&mut self, partition: Partition, id: MessageId) {
        for priority in Priority::ALL {
            if let Some(mark) = self.marks.get_mut(&(partition, priority)) {
                mark.trusted = mark.trusted.min(id.0);
                mark.seen = mark.seen.map(|(value, since)| (value.min(id.0), since));
            }
        }
    }

    /// The lane with which the next claim begins.
    #[must_use]
    pub fn turn(&self, partition: Partition, priority: Priority) -> Lane {
        let turn = self.turns.get(&(partition, priority));
        turn.copied().unwrap_or(Lane::FIRST)
    }

    /// The partition came or went: nothing is known about it.
    pub fn forget(&mut self, partition: Partition) {
        for priority in Priority::ALL {
            self.marks.remove(&(partition, priority));
            self.turns.remove(&(partition, priority));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTITION: Partition = Partition(7);
    const URGENT: Priority = Priority::Interactive;

    #[test]
    fn a_mark_is_trusted_only_after_every_slow_transaction_has_ended() {
        let mut low_water = LowWater::default();
        let start = Instant::now();

        low_water.seen(PARTITION, URGENT, MessageId(50), start);
        low_water.seen(PARTITION, URGENT, MessageId(90), start + SETTLED_AFTER / 2);
        assert_eq!(low_water.of(PARTITION, URGENT), MessageId(0));

        low_water.seen(PARTITION, URGENT, MessageId(120), start + SETTLED_AFTER);
        assert_eq!(low_water.of(PARTITION, URGENT), MessageId(50));
        assert_eq!(low_water.of(PARTITION, Priority::Background), MessageId(0));
    }

    #[test]
    fn after_the_lane_that_had_more_than_enough_comes_the_next_one() {
        let mut low_water = LowWater::default();
        fn walk(turn: Lane, met: &[(Lane, MessageId)]) -> Walk<'_> {
            Walk {
                partition: PARTITION,
                priority: URGENT,
                messages_max: 2,
                turn: Some(turn),
                met,
                lowest_in_hand: None,
                highest: None,
            }
        }
        let (two, nine) = ((Lane(2), MessageId(5)), (Lane(9), MessageId(1)));
        let now = Instant::now();

        assert!(low_water.note(&walk(Lane::FIRST, &[two, nine]), now));
        assert_eq!(low_water.turn(PARTITION, URGENT), Lane(10));
        assert!(low_water.note(&walk(Lane(9), &[nine, two]), now));
        assert_eq!(low_water.turn(PARTITION, URGENT), Lane(3), "it went around");
        assert!(!low_water.note(&walk(Lane(3), &[nine]), now));
        assert_eq!(low_water.turn(PARTITION, URGENT), Lane::FIRST);
    }

    #[test]
    fn a_message_that_waits_again_lowers_both_what_is_trusted_and_what_was_seen() {
        let mut low_water = LowWater::default();
        let start = Instant::now();
        low_water.seen(PARTITION, URGENT, MessageId(50), start);
        low_water.seen(PARTITION, URGENT, MessageId(90), start + SETTLED_AFTER);

        low_water.lower(PARTITION, MessageId(12));
        assert_eq!(low_water.of(PARTITION, URGENT), MessageId(12));

        low_water.seen(PARTITION, URGENT, MessageId(200), start + SETTLED_AFTER * 2);
        assert_eq!(low_water.of(PARTITION, URGENT), MessageId(12));
    }
}
