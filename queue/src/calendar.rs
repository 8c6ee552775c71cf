//! When a schedule is due: five fields of a cron line, read in the civil time of a place (ADR 0010).
//!
//! `minute hour day-of-month month day-of-week`, each `*`, a number, a range, a list or a step; months and weekdays also
//! by their English short names, Sunday is 0 and 7. When both day fields are restricted, either may match, as cron has
//! always had it. `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly` stand for their lines.
//!
//! Where the clocks change:
//! - A schedule for certain hours fires once for each of its civil times. A time that the clocks skip fires at the first
//!   moment after the gap, once however many were skipped; a time that happens twice fires the first time.
//! - A schedule for every hour (`*`) follows the time that passes: a skipped hour is skipped, a doubled one fires twice.
//!
//! Pure: no clock is read here.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// A line that has no day in so many years has none: a leap day comes after eight years at the latest.
const YEARS_MAX: i64 = 9;

/// When something is due, by the calendar of a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    line: Line,
    zone: TimeZone,
    written: String,
    zone_name: String,
}

/// Why a calendar cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// There are not five fields.
    #[error(
        "{line:?} is no cron line: it has {fields} fields and needs five: minute hour day month weekday"
    )]
    Fields {
        /// The line.
        line: String,
        /// How many it has.
        fields: usize,
    },
    /// A field holds something else.
    #[error("{text:?} is no {field}: give {from}–{to}, a range, a list, a step or *")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it holds.
        text: String,
        /// Its smallest number.
        from: u8,
        /// Its largest number.
        to: u8,
    },
    /// No such day ever comes.
    #[error("{line:?} names a day that never comes")]
    Never {
        /// The line.
        line: String,
    },
    /// There is no such zone.
    #[error("{zone:?} is no time zone, such as Europe/Berlin or UTC")]
    Zone {
        /// What was given.
        zone: String,
    },
}

/// The five fields as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    minutes: u64,
    hours: u32,
    days: u32,
    months: u16,
    weekdays: u8,
    any_day: bool,
    any_weekday: bool,
}

const ALL_HOURS: u32 = (1 << 24) - 1;
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Calendar {
    /// Reads a cron line for a zone of the IANA database.
    ///
    /// # Errors
    /// See [`CalendarError`].
    pub fn new(line: &str, zone: &str) -> Result<Self, CalendarError> {
        let calendar = Self {
            line: line.parse()?,
            zone: TimeZone::get(zone).map_err(|_| CalendarError::Zone {
                zone: zone.to_owned(),
            })?,
            written: line.trim().to_owned(),
            zone_name: zone.to_owned(),
        };
        // Any moment tells: what comes once in nine years comes in any nine.
        match calendar.after(Timestamp::UNIX_EPOCH).next() {
            Some(_) => Ok(calendar),
            None => Err(CalendarError::Never {
                line: line.to_owned(),
            }),
        }
    }

    /// The line as it was written.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.written
    }

    /// The name of the zone.
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.zone_name
    }

    /// The moments after `moment`, in order.
    #[must_use]
    pub fn after(&self, moment: Timestamp) -> Occurrences<'_> {
        // A gap carries a time into the day after, so the day before may still matter.
        let day = self.zone.to_datetime(moment).date();
        Occurrences {
            calendar: self,
            after: moment,
            day: day.saturating_sub(1.day()),
            last_day: day.saturating_add(YEARS_MAX.years()),
            ready: Vec::new(),
        }
    }

    /// The moments at which the line is due that belong to a civil day, latest first.
    fn of_day(&self, day: Date) -> Vec<Timestamp> {
        let mut moments = Vec::new();
        if !self.line.has_day(day) {
            return moments;
        }
        for hour in (0..24_u8).filter(|hour| self.line.hours & (1 << hour) != 0) {
            for minute in (0..60_u8).filter(|minute| self.line.minutes & (1 << minute) != 0) {
                let time = Time::new(hour.cast_signed(), minute.cast_signed(), 0, 0);
                moments.extend(
                    time.into_iter()
                        .flat_map(|time| self.moments(day.to_datetime(time))),
                );
            }
        }
        moments.sort_unstable_by(|one, other| other.cmp(one));
        moments.dedup();
        moments
    }

    /// The moments that a civil time stands for.
    fn moments(&self, civil: DateTime) -> Vec<Timestamp> {
        let every_hour = self.line.hours == ALL_HOURS;
        let found = self.zone.to_ambiguous_timestamp(civil);
        match (found.offset(), every_hour) {
            (AmbiguousOffset::Unambiguous { offset }, _) => {
                offset.to_timestamp(civil).into_iter().collect()
            }
            (AmbiguousOffset::Fold { before, after }, true) => [before, after]
                .iter()
                .filter_map(|offset| offset.to_timestamp(civil).ok())
                .collect(),
            (AmbiguousOffset::Fold { before, .. }, false) => {
                before.to_timestamp(civil).into_iter().collect()
            }
            (AmbiguousOffset::Gap { .. }, true) => Vec::new(),
            (AmbiguousOffset::Gap { after, .. }, false) => after
                .to_timestamp(civil)
                .ok()
                .and_then(|earlier| self.zone.following(earlier).next())
                .map(|change| change.timestamp())
                .into_iter()
                .collect(),
        }
    }
}

/// The moments at which something is due, without end but for the calendar's.
#[derive(Debug, Clone)]
pub struct Occurrences<'c> {
    calendar: &'c Calendar,
    after: Timestamp,
    day: Date,
    last_day: Date,
    ready: Vec<Timestamp>,
}

impl Iterator for Occurrences<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        loop {
            while let Some(moment) = self.ready.pop() {
                if moment > self.after {
                    self.after = moment;
                    self.last_day = self.day.saturating_add(YEARS_MAX.years());
                    return Some(moment);
                }
            }
            if self.day >= self.last_day {
                return None;
            }
            self.ready = self.calendar.of_day(self.day);
            self.day = self.day.saturating_add(1.day());
        }
    }
}

impl Line {
    fn has_day(&self, day: Date) -> bool {
        if self.months & (1 << day.month()) == 0 {
            return false;
        }
        let in_month = self.days & (1 << day.day()) != 0;
        let in_week = self.weekdays & (1 << day.weekday().to_sunday_zero_offset()) != 0;
        match (self.any_day, self.any_weekday) {
            (false, false) => in_month || in_week,
            _ => in_month && in_week,
        }
    }
}

impl FromStr for Line {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        let line = match text.trim() {
            "@hourly" => "0 * * * *",
            "@daily" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" => "0 0 1 1 *",
            other => other,
        };
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(CalendarError::Fields {
                line: text.to_owned(),
                fields: fields.len(),
            });
        };
        let weekdays = Field::new("weekday", 0, 7, &WEEKDAYS, 0).read(weekday)?;
        Ok(Self {
            minutes: Field::new("minute", 0, 59, &[], 0).read(minute)?,
            hours: narrow(Field::new("hour", 0, 23, &[], 0).read(hour)?),
            days: narrow(Field::new("day of the month", 1, 31, &[], 0).read(day)?),
            months: narrow(Field::new("month", 1, 12, &MONTHS, 1).read(month)?),
            // Sunday has two numbers.
            weekdays: narrow((weekdays | (weekdays >> 7)) & 0x7f),
            any_day: day.starts_with('*'),
            any_weekday: weekday.starts_with('*'),
        })
    }
}

/// The bits of a field fit its type, because its numbers were checked.
fn narrow<T: TryFrom<u64> + Default>(bits: u64) -> T {
    T::try_from(bits).unwrap_or_default()
}

/// What one field of a line may hold.
struct Field {
    name: &'static str,
    from: u8,
    to: u8,
    names: &'static [&'static str],
    names_from: u8,
}

impl Field {
    fn new(
        name: &'static str,
        from: u8,
        to: u8,
        names: &'static [&'static str],
        names_from: u8,
    ) -> Self {
        Self {
            name,
            from,
            to,
            names,
            names_from,
        }
    }

    fn read(&self, text: &str) -> Result<u64, CalendarError> {
        text.split(',').try_fold(0, |bits, part| {
            let numbers = self.part(part).ok_or_else(|| CalendarError::Field {
                field: self.name,
                text: text.to_owned(),
                from: self.from,
                to: self.to,
            })?;
            Ok(bits | numbers)
        })
    }

    /// `*`, `3`, `3-7`, `*/5`, `3-40/5`, `3/5` (from three on).
    fn part(&self, part: &str) -> Option<u64> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u8>().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.from, self.to),
            Some((first, last)) => (self.number(first)?, self.number(last)?),
            None if part.contains('/') => (self.number(range)?, self.to),
            None => (self.number(range)?, self.number(range)?),
        };
        let numbers = (first..=last).step_by(usize::from(step));
        (first <= last).then(|| numbers.fold(0, |bits, number| bits | (1 << number)))
    }

    fn number(&self, text: &str) -> Option<u8> {
        let name = text.to_ascii_lowercase();
        let named = self
            .names
            .iter()
            .zip(self.names_from..)
            .find(|(known, _)| **known == name);
        let number = match named {
            Some((_, number)) => number,
            None => text.parse().ok()?,
        };
        (self.from..=self.to).contains(&number).then_some(number)
    }
}

impl fmt::Display for Calendar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.written, self.zone_name)
    }
}

#[cfg(test)]
mod tests;
