//! How soon a process that died is started again. Pure.

use std::time::Duration;

/// A process that lived so long was sound: its death is the first of a new row.
const SOUND_AFTER: Duration = Duration::from_secs(10);
/// The pause before the second start of a row; it doubles from there. The first is at once, because clients wait.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause: a mended cause (a database that comes back, a file that is put right) is noticed this soon.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The deaths in a row.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    in_a_row: u32,
}

impl Restarts {
    /// The pause before the next start, after a process that lived this long.
    pub(super) fn pause_after(&mut self, lived: Duration) -> Duration {
        if lived >= SOUND_AFTER {
            self.in_a_row = 0;
        }
        let before = self.in_a_row;
        self.in_a_row = self.in_a_row.saturating_add(1);
        match before.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => PAUSE_MIN
                .saturating_mul(2_u32.saturating_pow(doublings))
                .min(PAUSE_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_is_at_once_and_the_pauses_double_to_a_limit() {
        let mut restarts = Restarts::default();

        let pauses: Vec<u128> = (0..8)
            .map(|_| restarts.pause_after(Duration::ZERO).as_millis())
            .collect();

        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 5000]);
    }

    #[test]
    fn a_process_that_lived_long_is_started_at_once() {
        let mut restarts = Restarts::default();
        for _ in 0..5 {
            restarts.pause_after(Duration::ZERO);
        }

        assert_eq!(restarts.pause_after(SOUND_AFTER), Duration::ZERO);
        assert_eq!(restarts.pause_after(Duration::ZERO), PAUSE_MIN);
    }
}
