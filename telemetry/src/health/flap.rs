//! The flap guard: three failures in a row take a component down, two passes bring it back. The first report is believed at once,
//! because until then nothing is known.

use super::State;

/// Failures in a row that make an up component down.
pub const FAILS: u8 = 3;
/// Passes in a row that make a down component up.
pub const PASSES: u8 = 2;

/// What is told of a component, and how many reports in a row have contradicted it.
#[derive(Debug, Default)]
pub(super) struct Flap {
    state: State,
    contradictions: u8,
}

impl Flap {
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Takes one report; true when what is told of the component changed by it.
    pub(super) fn observe(&mut self, passed: bool) -> bool {
        let (seen, patience) = if passed {
            (State::Up, PASSES)
        } else {
            (State::Down, FAILS)
        };
        if self.state == seen {
            self.contradictions = 0;
            return false;
        }
        self.contradictions = self.contradictions.saturating_add(1);
        let known = matches!(self.state, State::Up | State::Down);
        if known && self.contradictions < patience {
            return false;
        }
        self.become_state(seen)
    }

    /// Nobody asked for this component.
    pub(super) fn switch_off(&mut self) -> bool {
        self.state != State::NotConfigured && self.become_state(State::NotConfigured)
    }

    fn become_state(&mut self, state: State) -> bool {
        self.state = state;
        self.contradictions = 0;
        true
    }
}
