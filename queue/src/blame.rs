//! Who is to blame for a crash (law L5): how far the crashes of a crowd count, and who has to run alone.
//!
//! A worker that is lost takes everything with it that it had in hand, up to thousands of messages, and nearly all of them
//! are innocent. So a crash in a crowd counts only up to a bound below the kind's last attempt. A message at that bound is a
//! suspect: it runs under a claim of its own, and only a crash during that counts on. Pure: rows are for `store`, turns for
//! the pool.

use crate::message::Claimed;

/// So many crashes alone end a message.
const CRASHES_ALONE: u16 = 2;
/// The bound for kinds that the heir does not know.
const CROWD_MAX_OF_STRANGERS: u16 = 3;

/// What an heir has to know of a kind of message to count what was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindRules<'k> {
    /// The kind.
    pub kind: &'k str,
    /// Handling it sends something out of the house: what was begun may have arrived, and is marked as ambiguous.
    pub sends: bool,
    /// Its last attempt.
    pub attempts_max: u16,
}

/// Up to how many attempts crashes in a crowd count for a kind. At least one: what may be tried only once is tried once.
#[must_use]
pub const fn crowd_max(attempts_max: u16) -> u16 {
    match attempts_max.saturating_sub(CRASHES_ALONE) {
        0 => 1,
        bound => bound,
    }
}

/// Whether a message must run under a claim of its own.
#[must_use]
pub const fn is_suspect(message: &Claimed, attempts_max: u16) -> bool {
    message.interrupted && message.attempts >= crowd_max(attempts_max)
}

/// The rules as arrays: kinds, whether they send, their bounds; and the bound of all others.
pub(crate) struct Rules<'k> {
    pub(crate) kinds: Vec<&'k str>,
    pub(crate) send: Vec<bool>,
    pub(crate) crowd_max: Vec<i16>,
    pub(crate) crowd_max_of_strangers: i16,
}

impl<'k> Rules<'k> {
    pub(crate) fn of(kinds: &[KindRules<'k>]) -> Self {
        let small = |bound| i16::try_from(bound).unwrap_or(i16::MAX);
        Self {
            kinds: kinds.iter().map(|rules| rules.kind).collect(),
            send: kinds.iter().map(|rules| rules.sends).collect(),
            crowd_max: kinds
                .iter()
                .map(|rules| small(crowd_max(rules.attempts_max)))
                .collect(),
            crowd_max_of_strangers: small(CROWD_MAX_OF_STRANGERS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::crowd_max;

    #[test]
    fn a_crowd_never_spends_the_last_two_attempts_and_always_the_first() {
        assert_eq!([1, 2, 3, 5, 12].map(crowd_max), [1, 1, 1, 3, 10]);
    }
}
