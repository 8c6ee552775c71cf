//! When the next backup and the next drill are due. Pure: the clock is handed in, and what was done is read from what it left.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::drill::Report;

/// Whether a daily backup is due: none was begun since the last time that the clock showed `at`.
pub(crate) fn is_backup_due(
    now: Timestamp,
    newest: Option<Timestamp>,
    at: Time,
    zone: &TimeZone,
) -> bool {
    newest.is_none_or(|newest| newest < last_turn(now, at, zone))
}

/// Whether a drill is due. A house without a backup has nothing to drill; what failed is tried again the next day, because
/// there is another backup by then.
pub(crate) fn is_drill_due(
    now: Timestamp,
    newest: Option<Timestamp>,
    last: Option<&Report>,
    every_days: u16,
) -> bool {
    let is_over = |last: &Report| {
        let days = if last.passed() { every_days } else { 1 };
        let span = SignedDuration::from_hours(24 * i64::from(days));
        now.duration_since(last.at) >= span
    };
    every_days > 0 && newest.is_some() && last.is_none_or(is_over)
}

/// The last time that the clock of `zone` showed `at`. A time that a change of clocks leaves out is the next one that exists.
fn last_turn(now: Timestamp, at: Time, zone: &TimeZone) -> Timestamp {
    let today = now.to_zoned(zone.clone()).date();
    let turn = |date: jiff::civil::Date| {
        date.to_datetime(at)
            .to_zoned(zone.clone())
            .map(|zoned| zoned.timestamp())
            .unwrap_or(now)
    };
    let todays = turn(today);
    if todays <= now {
        return todays;
    }
    today.checked_sub(1.day()).map_or(now, turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn report(at: &str, findings: &[&str]) -> Report {
        Report {
            at: moment(at),
            findings: findings.iter().map(|&text| text.to_owned()).collect(),
            ..Report::default()
        }
    }

    fn due(now: &str, newest: Option<&str>, zone: &str) -> bool {
        let zone = TimeZone::get(zone).unwrap();
        let at = Time::constant(3, 17, 0, 0);
        is_backup_due(moment(now), newest.map(moment), at, &zone)
    }

    #[test]
    fn a_backup_is_due_once_a_day_and_at_once_when_there_is_none() {
        assert!(due("2026-11-21T01:00:00Z", None, "UTC"));
        assert!(!due(
            "2026-11-21T03:16:59Z",
            Some("2026-11-20T03:17:00Z"),
            "UTC"
        ));
        assert!(due(
            "2026-11-21T03:17:00Z",
            Some("2026-11-20T03:17:00Z"),
            "UTC"
        ));
        assert!(!due(
            "2026-11-21T23:59:00Z",
            Some("2026-11-21T03:17:02Z"),
            "UTC"
        ));
    }

    #[test]
    fn a_house_that_slept_through_its_time_backs_up_when_it_wakes() {
        assert!(due(
            "2026-11-21T09:00:00Z",
            Some("2026-11-19T03:17:00Z"),
            "UTC"
        ));
    }

    #[test]
    fn the_time_of_day_is_that_of_the_zone() {
        // 03:17 in Berlin is 02:17 by UTC in winter.
        let yesterday = Some("2026-11-20T02:17:00Z");

        assert!(!due("2026-11-21T02:16:00Z", yesterday, "Europe/Berlin"));
        assert!(due("2026-11-21T02:17:00Z", yesterday, "Europe/Berlin"));
        // On 28 March 2027 the clocks go from 02:00 to 03:00; 03:17 exists, and is 01:17 by UTC.
        assert!(due(
            "2027-03-28T01:17:00Z",
            Some("2027-03-27T02:17:00Z"),
            "Europe/Berlin"
        ));
    }

    #[test]
    fn a_drill_is_due_after_its_days_and_never_without_a_backup() {
        let now = moment("2026-11-21T00:00:00Z");
        let some = Some(moment("2026-11-20T00:00:00Z"));
        let last = report("2026-11-20T00:00:00Z", &[]);

        assert!(is_drill_due(now, some, None, 7));
        assert!(!is_drill_due(now, some, Some(&last), 7));
        assert!(is_drill_due(now, some, Some(&last), 1));
        assert!(!is_drill_due(now, some, None, 0));
        assert!(!is_drill_due(now, None, None, 7));
    }

    #[test]
    fn a_failed_drill_is_tried_again_the_next_day() {
        let some = Some(moment("2026-11-20T00:00:00Z"));
        let last = report("2026-11-20T03:20:00Z", &["messages is missing"]);

        let due = |now: &str, every| is_drill_due(moment(now), some, Some(&last), every);

        assert!(!due("2026-11-21T03:19:00Z", 7));
        assert!(due("2026-11-21T03:20:00Z", 7));
        assert!(!due("2026-11-21T03:20:00Z", 0), "people do it");
    }
}
