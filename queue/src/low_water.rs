//! Below which number nothing is waiting any more, per partition.
//!
//! A hot table that loses rows leaves dead entries at the beginning of its index until vacuum comes; a claim that starts
//! behind them stays fast. Numbers become visible out of order, so a mark is believed only after every transaction that
//! could still bring a lower number must have ended, and a sweep from the beginning stands behind it (law L13). Pure: the
//! clock is handed in. Public, because a simulation drives it, too.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::message::MessageId;
use crate::partition::Partition;

/// No transaction that puts in messages lasts longer: its statements and its idle time are bounded well below.
const SETTLED_AFTER: Duration = Duration::from_secs(15);

/// The marks of the partitions of one worker.
#[derive(Debug, Default)]
pub struct LowWater {
    marks: HashMap<Partition, Mark>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Mark {
    trusted: i64,
    seen: Option<(i64, Instant)>,
}

impl LowWater {
    /// From where to look for messages of this partition.
    #[must_use]
    pub fn of(&self, partition: Partition) -> MessageId {
        MessageId(self.marks.get(&partition).map_or(0, |mark| mark.trusted))
    }

    /// At `now` nothing below `lowest` was to be seen in this partition. Trusted when it has been so for long enough.
    pub fn seen(&mut self, partition: Partition, lowest: MessageId, now: Instant) {
        let mark = self.marks.entry(partition).or_default();
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
        if let Some(mark) = self.marks.get_mut(&partition) {
            mark.trusted = mark.trusted.min(id.0);
            mark.seen = mark.seen.map(|(value, since)| (value.min(id.0), since));
        }
    }

    /// The partition came or went: nothing is known about it.
    pub fn forget(&mut self, partition: Partition) {
        self.marks.remove(&partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTITION: Partition = Partition(7);

    #[test]
    fn a_mark_is_trusted_only_after_every_slow_transaction_has_ended() {
        let mut low_water = LowWater::default();
        let start = Instant::now();

        low_water.seen(PARTITION, MessageId(50), start);
        low_water.seen(PARTITION, MessageId(90), start + SETTLED_AFTER / 2);
        assert_eq!(low_water.of(PARTITION), MessageId(0));

        low_water.seen(PARTITION, MessageId(120), start + SETTLED_AFTER);
        assert_eq!(low_water.of(PARTITION), MessageId(50));
    }

    #[test]
    fn a_message_that_waits_again_lowers_both_what_is_trusted_and_what_was_seen() {
        let mut low_water = LowWater::default();
        let start = Instant::now();
        low_water.seen(PARTITION, MessageId(50), start);
        low_water.seen(PARTITION, MessageId(90), start + SETTLED_AFTER);

        low_water.lower(PARTITION, MessageId(12));
        assert_eq!(low_water.of(PARTITION), MessageId(12));

        low_water.seen(PARTITION, MessageId(200), start + SETTLED_AFTER * 2);
        assert_eq!(low_water.of(PARTITION), MessageId(12));
    }
}
