//! Who waits for the disk, and how long that will take: the bound behind which an accept is refused at once instead of late.

use std::time::{Duration, Instant};

/// The records that wait for a flush or are in one. Pure: it is told the time.
#[derive(Debug)]
pub(super) struct Line {
    waiting_max: usize,
    waiting: usize,
    /// When the flush that is under way began.
    under_way: Option<Instant>,
    /// How long the latest one took.
    latest: Duration,
}

impl Line {
    pub(super) fn new(waiting_max: usize) -> Self {
        Self {
            waiting_max,
            waiting: 0,
            under_way: None,
            latest: Duration::ZERO,
        }
    }

    /// Whether so many more may wait: there is room, and two flushes, the one under way and theirs, are over by `until` if
    /// they take hardly longer than the latest. A disk at rest is always tried, so that a slow one that has recovered is noticed.
    pub(super) fn joins(&mut self, count: usize, now: Instant, until: Instant) -> bool {
        let has_room = self.waiting == 0 || self.waiting.saturating_add(count) <= self.waiting_max;
        let is_in_time = self.under_way.is_none_or(|began| {
            let expected = self.latest + self.latest / 16;
            let rest = expected.saturating_sub(now.saturating_duration_since(began));
            now + rest + expected <= until
        });
        let joins = has_room && is_in_time;
        if joins {
            self.waiting = self.waiting.saturating_add(count);
        }
        joins
    }

    pub(super) fn flush_begins(&mut self, now: Instant) {
        self.under_way = Some(now);
    }

    /// A flush of so many records is over, one way or the other.
    pub(super) fn flush_ended(&mut self, count: usize, now: Instant) {
        if let Some(began) = self.under_way.take() {
            self.latest = now.saturating_duration_since(began);
        }
        self.waiting = self.waiting.saturating_sub(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn more_than_may_wait_are_refused_until_a_flush_has_taken_some() {
        let now = Instant::now();
        let until = now + 60 * SECOND;
        let mut line = Line::new(3);

        assert!(line.joins(2, now, until));
        assert!(!line.joins(2, now, until));
        assert!(line.joins(1, now, until));
        line.flush_begins(now);
        assert!(!line.joins(1, now, until), "those in the flush count");
        line.flush_ended(3, now);

        assert!(
            line.joins(4, now, until),
            "a batch larger than the bound goes alone"
        );
    }

    #[test]
    fn whoever_would_be_flushed_too_late_is_refused_at_once() {
        let start = Instant::now();
        let mut line = Line::new(100);
        line.joins(1, start, start + SECOND);
        line.flush_begins(start);
        line.flush_ended(1, start + 2 * SECOND);

        let again = start + 10 * SECOND;
        assert!(
            line.joins(1, again, again + SECOND),
            "a disk at rest is tried"
        );
        line.flush_begins(again);

        assert!(
            !line.joins(1, again, again + 4 * SECOND),
            "two flushes and a little"
        );
        let later = again + SECOND;
        assert!(
            line.joins(1, later, later + 4 * SECOND),
            "half of one, and one"
        );
    }
}
