//! Calendars against a slow reading of their rule, minute by minute, and the two days on which Berlin changes its clocks.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

fn berlin(line: &str) -> Calendar {
    Calendar::new(line, "Europe/Berlin").unwrap()
}

/// The next ones after a civil time of Berlin, as civil times with their offset.
fn next(line: &str, after: &str, count: usize) -> Vec<String> {
    let calendar = berlin(line);
    let after: DateTime = after.parse().unwrap();
    let after = calendar.zone.to_timestamp(after).unwrap();
    let found = calendar.after(after).take(count);
    found
        .map(|moment| {
            moment
                .to_zoned(calendar.zone.clone())
                .strftime("%m-%d %H:%M %:z")
                .to_string()
        })
        .collect()
}

#[test]
fn a_time_that_the_clocks_skip_fires_once_when_the_gap_is_over() {
    assert_eq!(
        next("0,15,30 2 * * *", "2026-03-28 12:00", 4),
        [
            "03-29 03:00 +02:00",
            "03-30 02:00 +02:00",
            "03-30 02:15 +02:00",
            "03-30 02:30 +02:00"
        ]
    );
    assert_eq!(
        next("0 2,3 * * *", "2026-03-28 12:00", 2),
        ["03-29 03:00 +02:00", "03-30 02:00 +02:00"]
    );
}

#[test]
fn a_time_that_happens_twice_fires_the_first_time() {
    assert_eq!(
        next("30 2 * * *", "2026-10-24 12:00", 2),
        ["10-25 02:30 +02:00", "10-26 02:30 +01:00"]
    );
}

#[test]
fn a_schedule_for_every_hour_follows_the_time_that_passes() {
    assert_eq!(
        next("30 * * * *", "2026-03-29 01:00", 2),
        ["03-29 01:30 +01:00", "03-29 03:30 +02:00"]
    );
    assert_eq!(
        next("30 * * * *", "2026-10-25 01:45", 3),
        [
            "10-25 02:30 +02:00",
            "10-25 02:30 +01:00",
            "10-25 03:30 +01:00"
        ]
    );
}

#[test]
fn days_of_month_and_week_are_either_when_both_are_named() {
    assert_eq!(
        next("0 9 13 * fri", "2026-02-10 00:00", 3),
        [
            "02-13 09:00 +01:00",
            "02-20 09:00 +01:00",
            "02-27 09:00 +01:00"
        ]
    );
    assert_eq!(
        next("0 0 29 2 *", "2026-01-01 00:00", 1),
        ["02-29 00:00 +01:00"]
    );
    assert_eq!(
        next("@daily", "2026-01-01 00:00", 1),
        ["01-02 00:00 +01:00"]
    );
    assert_eq!(
        next("0 0 * * 7", "2026-01-01 00:00", 1),
        ["01-04 00:00 +01:00"]
    );
}

#[test]
fn nonsense_is_refused_in_words() {
    for (line, zone, told) in [
        ("* * * *", "UTC", "needs five"),
        ("60 * * * *", "UTC", "no minute"),
        ("* 5-3 * * *", "UTC", "no hour"),
        ("*/0 * * * *", "UTC", "no minute"),
        ("* * 0 * *", "UTC", "no day of the month"),
        ("* * * abc *", "UTC", "no month"),
        ("* * 30 2 *", "UTC", "never comes"),
        ("* * * * *", "Mars/Olympus", "no time zone"),
    ] {
        let error = Calendar::new(line, zone).unwrap_err().to_string();
        assert!(error.contains(told), "{line}: {error}");
    }
}

/// The rule, read slowly: is the line due in this very minute?
fn is_due(line: &Line, zone: &TimeZone, minute: Timestamp) -> bool {
    let civil = zone.to_datetime(minute);
    let matches = |civil: DateTime| {
        line.has_day(civil.date())
            && line.hours & (1 << civil.hour()) != 0
            && line.minutes & (1 << civil.minute()) != 0
    };
    if line.hours == ALL_HOURS {
        return matches(civil);
    }
    let before = zone.to_datetime(minute - SignedDuration::from_mins(1));
    let mut skipped = before + 1.minute();
    while skipped < civil {
        if matches(skipped) {
            return true;
        }
        skipped += 1.minute();
    }
    let first_time = zone.to_datetime(minute - SignedDuration::from_hours(1)) != civil;
    matches(civil) && first_time
}

/// Every minute of two years is matched by both or by neither. The clocks change four times in them.
#[test]
fn every_minute_of_two_years_is_matched_as_the_slow_reading_matches_it() {
    let lines = [
        "*/7 * * * *",
        "30 2 * * *",
        "0,15,59 1-3 * * 0",
        "5 */2 29-31 * *",
        "0 9 13 * fri",
        "*/20 2 25 3,10 sun",
    ];
    let calendars: Vec<Calendar> = lines.iter().map(|line| berlin(line)).collect();
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut fast: Vec<_> = calendars
        .iter()
        .map(|calendar| calendar.after(start).peekable())
        .collect();
    for minute in 1..2 * 365 * 24 * 60 {
        let minute = start + SignedDuration::from_mins(minute);
        for (calendar, found) in calendars.iter().zip(&mut fast) {
            let slow = is_due(&calendar.line, &calendar.zone, minute);
            let fast = found.next_if_eq(&minute).is_some();
            assert_eq!(fast, slow, "{calendar} at {minute}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_line_agrees_with_the_slow_reading_around_both_changes(
        minute in "(\\*|\\*/[1-9]|[1-5]?[0-9]|[1-2]?[0-9]-[3-5][0-9])",
        hour in "(\\*|\\*/[1-9]|[0-4]|1-4|0,2,3)",
        day in "(\\*|25|28-30|\\*/2)",
        weekday in "(\\*|sun|0,6|mon-fri)",
    ) {
        let calendar = berlin(&format!("{minute} {hour} {day} * {weekday}"));
        for start in ["2026-03-28T00:00:00Z", "2026-10-24T00:00:00Z"] {
            let start: Timestamp = start.parse().unwrap();
            let mut fast = calendar.after(start).peekable();
            for minute in 1..3 * 24 * 60 {
                let minute = start + SignedDuration::from_mins(minute);
                let slow = is_due(&calendar.line, &calendar.zone, minute);
                prop_assert_eq!(fast.next_if_eq(&minute).is_some(), slow, "{} at {}", calendar, minute);
            }
        }
    }
}
