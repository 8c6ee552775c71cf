//! Which backups may go, and how much of the log with them. Pure: what is deleted is decided before anything is touched.
//!
//! Any moment of the last `keep_days` must stay restorable, so the newest backup from before them stays as well.

use jiff::{SignedDuration, Timestamp};

/// A good backup, as far as this decision needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) ended_at: Timestamp,
    /// Number of the first segment of the log that it needs.
    pub(crate) first_segment: u64,
}

/// What may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expired {
    pub(crate) ids: Vec<String>,
    /// Segments with a lower number are needed by nobody.
    pub(crate) segments_below: u64,
}

/// Decides over `backups`, which are sorted from the oldest to the newest.
pub(crate) fn decide(
    backups: &[Kept],
    now: Timestamp,
    keep_days: u16,
    keep_count_min: u16,
) -> Expired {
    let span = SignedDuration::from_hours(24 * i64::from(keep_days));
    let since = now.checked_sub(span).unwrap_or(Timestamp::MIN);
    let in_time = backups
        .iter()
        .position(|backup| backup.ended_at > since)
        .unwrap_or(backups.len());
    // The one before the first in time is what moments between the two are restored from.
    let by_age = in_time.saturating_sub(1);
    let by_count = backups
        .len()
        .saturating_sub(usize::from(keep_count_min.max(1)));
    let (gone, kept) = backups
        .split_at_checked(by_age.min(by_count))
        .unwrap_or((&[], backups));
    Expired {
        ids: gone.iter().map(|backup| backup.id.clone()).collect(),
        segments_below: kept
            .iter()
            .map(|backup| backup.first_segment)
            .min()
            .unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daily(days: i64) -> (Vec<Kept>, Timestamp) {
        let first: Timestamp = "2026-11-01T03:00:00Z".parse().unwrap();
        let backups = (0..days).map(|day| Kept {
            id: format!("day {day}"),
            ended_at: first + SignedDuration::from_hours(24 * day),
            first_segment: 10 * u64::try_from(day).unwrap(),
        });
        (
            backups.collect(),
            first + SignedDuration::from_hours(24 * (days - 1) + 1),
        )
    }

    #[test]
    fn every_moment_of_the_kept_days_stays_restorable() {
        let (backups, now) = daily(10);

        let expired = decide(&backups, now, 7, 2);

        // Day 2 is more than seven days old, but the morning of its successor is not.
        assert_eq!(expired.ids, ["day 0", "day 1"]);
        assert_eq!(expired.segments_below, 20);
    }

    #[test]
    fn the_last_ones_stay_however_old_they_are() {
        let (backups, now) = daily(3);
        let later = now + SignedDuration::from_hours(24 * 365);

        assert_eq!(decide(&backups, later, 7, 2).ids, ["day 0"]);
        assert_eq!(decide(&backups, later, 7, 0).ids, ["day 0", "day 1"]);
        assert_eq!(decide(&backups[..1], later, 7, 0), Expired::default());
        assert_eq!(decide(&[], later, 7, 2), Expired::default());
    }
}
