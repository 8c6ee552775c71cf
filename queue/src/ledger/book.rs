//! What the auditor knows to be wrong: which rows have no counterpart. Pure.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::message::MessageId;

/// So many are remembered. Beyond that the exact number says no more than that everything is wrong.
const FOUND_MAX: usize = 100_000;

/// Where a row stands that has no counterpart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In the log, of this day: it has not ended and does not wait.
    Log(Date),
    /// Among the endings, of this day: the log does not know it.
    Ending(Date),
    /// Among what is not finished, in this partition: the log does not know it.
    Unfinished(i16),
}

/// The rows without counterparts, as of the last look at each.
#[derive(Debug, Default)]
pub(super) struct Book {
    found: BTreeSet<(Place, i64)>,
}

impl Book {
    /// Replaces what was known about the rows after `after`, up to `last`, by what a look has shown. `last` is `None` when
    /// there is nothing more in this place.
    pub(super) fn looked(&mut self, place: Place, after: i64, last: Option<i64>, found: &[i64]) {
        let from = (place, after.saturating_add(1));
        let to = (place, last.unwrap_or(i64::MAX));
        if from <= to {
            let known: Vec<_> = self.found.range(from..=to).copied().collect();
            for row in known {
                self.found.remove(&row);
            }
        }
        let room = FOUND_MAX.saturating_sub(self.found.len());
        self.found
            .extend(found.iter().take(room).map(|id| (place, *id)));
    }

    /// Forgets the days that are no longer kept.
    pub(super) fn keep_days(&mut self, days: &[Date]) {
        self.found.retain(|(place, _)| match place {
            Place::Log(day) | Place::Ending(day) => days.contains(day),
            Place::Unfinished(_) => true,
        });
    }

    /// How many messages are unaccounted for; one whose log row is gone may show in two places.
    pub(super) fn unaccounted(&self) -> usize {
        self.ids().len()
    }

    /// The oldest of them.
    pub(super) fn oldest(&self, count: usize) -> Vec<MessageId> {
        self.ids().into_iter().take(count).map(MessageId).collect()
    }

    fn ids(&self) -> BTreeSet<i64> {
        self.found.iter().map(|(_, id)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Date = Date::constant(2026, 3, 9);

    #[test]
    fn a_look_replaces_what_was_known_of_its_rows_and_of_no_others() {
        let mut book = Book::default();
        book.looked(Place::Log(DAY), 0, Some(100), &[5, 50, 100]);
        book.looked(Place::Ending(DAY), 0, None, &[50, 60]);

        book.looked(Place::Log(DAY), 10, Some(99), &[]);

        assert_eq!(book.oldest(9), [5, 50, 60, 100].map(MessageId));
        assert_eq!(book.unaccounted(), 4);
    }

    #[test]
    fn a_look_that_reached_the_end_replaces_everything_behind_it() {
        let mut book = Book::default();
        book.looked(Place::Unfinished(3), 0, None, &[7, 900]);

        book.looked(Place::Unfinished(3), 0, None, &[7]);

        assert_eq!(book.oldest(9), [MessageId(7)]);
    }

    #[test]
    fn a_day_that_is_no_longer_kept_is_forgotten() {
        let mut book = Book::default();
        book.looked(Place::Log(DAY), 0, None, &[1]);

        book.keep_days(&[]);

        assert_eq!(book.unaccounted(), 0);
    }
}
