//! Whether it is worth asking: after a few failures in a row nobody is asked for a while.
//!
//! It exists so that a dead Redis costs a request nothing: the first few calls wait for their deadline, the others are
//! told at once. Pure: the clock is handed in.

use std::time::{Duration, Instant};

/// The memory of what the last calls came to.
#[derive(Debug)]
pub(crate) struct Circuit {
    failures_max: u32,
    open_for: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everybody may ask; so many failed in a row.
    Closed { failures: u32 },
    /// Nobody may ask until then; then one may try.
    Open { until: Instant },
}

/// What an answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// From now on nobody is asked.
    Opened,
    /// From now on everybody may ask again.
    Closed,
}

impl Circuit {
    pub(crate) fn new(failures_max: u32, open_for: Duration) -> Self {
        Self {
            failures_max,
            open_for,
            state: State::Closed { failures: 0 },
        }
    }

    /// Whether to ask now. While it is open, one caller per `open_for` may try.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until } if now < until => false,
            State::Open { .. } => {
                // Whoever tries may vanish, so the next may try as soon as this one's time is over.
                self.state = State::Open {
                    until: now + self.open_for,
                };
                true
            }
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// It answered.
    pub(crate) fn succeeded(&mut self) -> Change {
        let was_open = self.is_open();
        self.state = State::Closed { failures: 0 };
        if was_open {
            Change::Closed
        } else {
            Change::None
        }
    }

    /// It did not answer. A failure while it is open keeps it open from now on.
    pub(crate) fn failed(&mut self, now: Instant) -> Change {
        let open = State::Open {
            until: now + self.open_for,
        };
        match self.state {
            State::Closed { failures } if failures + 1 < self.failures_max => {
                self.state = State::Closed {
                    failures: failures + 1,
                };
                Change::None
            }
            State::Closed { .. } => {
                self.state = open;
                Change::Opened
            }
            State::Open { .. } => {
                self.state = open;
                Change::None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn after_three_failures_in_a_row_nobody_is_asked_for_a_second() {
        let start = Instant::now();
        let mut circuit = Circuit::new(3, SECOND);

        let changes = [(); 3].map(|()| circuit.failed(start));

        assert_eq!(changes, [Change::None, Change::None, Change::Opened]);
        assert!(!circuit.admit(start + SECOND / 2));
        assert!(circuit.admit(start + SECOND));
    }

    #[test]
    fn a_success_in_between_starts_the_count_again() {
        let start = Instant::now();
        let mut circuit = Circuit::new(2, SECOND);

        assert_eq!(circuit.failed(start), Change::None);
        assert_eq!(circuit.succeeded(), Change::None);
        assert_eq!(circuit.failed(start), Change::None);
        assert!(circuit.admit(start));
    }

    #[test]
    fn only_one_tries_again_and_its_success_lets_everybody_in() {
        let start = Instant::now();
        let mut circuit = Circuit::new(1, SECOND);
        circuit.failed(start);

        assert!(circuit.admit(start + SECOND));
        assert!(!circuit.admit(start + SECOND));
        assert_eq!(circuit.succeeded(), Change::Closed);
        assert!(circuit.admit(start + SECOND));
    }

    #[test]
    fn one_who_tries_and_vanishes_blocks_nobody_for_longer_than_a_second() {
        let start = Instant::now();
        let mut circuit = Circuit::new(1, SECOND);
        circuit.failed(start);

        assert!(circuit.admit(start + SECOND));
        assert!(circuit.admit(start + 2 * SECOND));
    }

    #[test]
    fn a_failure_while_open_keeps_it_open() {
        let start = Instant::now();
        let mut circuit = Circuit::new(1, SECOND);
        circuit.failed(start);

        assert_eq!(circuit.failed(start + SECOND / 2), Change::None);
        assert!(!circuit.admit(start + SECOND));
    }
}
