//! Who may start: at most so many of a group at once, at most so many starts of a group in a time.
//!
//! A group is a name that a message's kind chooses: one person's model calls, one chat's sends. The decision here is pure:
//! it sees one moment of the groups concerned, under their locks, and says who gets room, oldest first. Reading and writing
//! that moment is the store's.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::message::MessageId;

/// A bound on a group of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The group: any text of at most 512 bytes. Two kinds that name the same group share its room.
    pub group: String,
    /// The bound. All members of a group should name the same one; the newest counts.
    pub bound: Bound,
}

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// How many may run at the same time.
    AtOnce(NonZeroU32),
    /// How many may start: one per `each`, and `burst` in a row after a pause.
    Rate {
        /// The time between two starts on average.
        each: Duration,
        /// How many may start in a row.
        burst: NonZeroU32,
    },
}

impl Limit {
    /// At most `max` of this group run at the same time; 0 counts as 1.
    #[must_use]
    pub fn at_once(group: impl Into<String>, max: u32) -> Self {
        Self {
            group: group.into(),
            bound: Bound::AtOnce(at_least_one(max)),
        }
    }

    /// One of this group starts per `each`, with `burst` in a row after a pause; 0 counts as 1.
    #[must_use]
    pub fn rate(group: impl Into<String>, each: Duration, burst: u32) -> Self {
        Self {
            group: group.into(),
            bound: Bound::Rate {
                each,
                burst: at_least_one(burst),
            },
        }
    }
}

fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

/// How much room a group has at this moment, before anybody of this round got any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    pub(crate) bound: Option<Bound>,
    /// Places that are taken.
    pub(crate) taken: u32,
    /// Starts that are left.
    pub(crate) tokens: f64,
    /// The oldest of those that wait for a place here, in order.
    pub(crate) waiters: Vec<MessageId>,
    /// Those that wait for their time here and will be back in time, in order.
    pub(crate) in_line: Vec<MessageId>,
}

impl Group {
    fn has_place(&self) -> bool {
        match self.bound {
            Some(Bound::AtOnce(max)) => self.taken < max.get(),
            Some(Bound::Rate { .. }) | None => true,
        }
    }

    /// How long `id` has to wait for a start; nothing when it may start now.
    fn wait(&self, id: MessageId) -> Duration {
        let Some(Bound::Rate { each, .. }) = self.bound else {
            return Duration::ZERO;
        };
        let before = self.in_line.iter().filter(|other| **other < id).count();
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        let missing = f64::from(before) + 1.0 - self.tokens;
        if missing <= 0.0 {
            return Duration::ZERO;
        }
        each.mul_f64(missing.min(1e6))
    }
}

/// A message that asks for room.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) id: MessageId,
    pub(crate) limits: &'a [Limit],
    /// The groups in which it has a place already.
    pub(crate) has: Vec<&'a str>,
}

/// What a message gets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Share<'a> {
    /// It may start.
    Starts,
    /// It waits for this group; with a time when only time is missing.
    Waits {
        group: &'a str,
        at_once: Option<NonZeroU32>,
        wait: Option<Duration>,
    },
}

/// What one round comes to.
#[derive(Debug, Default)]
pub(crate) struct Round<'a> {
    /// In the order of those that asked.
    pub(crate) shares: Vec<Option<Share<'a>>>,
    /// Those that waited and now have a place in their group.
    pub(crate) called: Vec<(&'a str, MessageId)>,
}

/// Shares out the room, the oldest message first, whether it waits already or asks now. Places and starts are taken from
/// `groups`, which afterwards is how the groups stand.
pub(crate) fn share_out<'a>(
    groups: &mut HashMap<&'a str, Group>,
    asking: &[Asking<'a>],
) -> Round<'a> {
    let mut round = Round {
        shares: vec![None; asking.len()],
        called: Vec::new(),
    };
    let mut order: Vec<usize> = (0..asking.len()).collect();
    order.sort_by_key(|place| asking.get(*place).map(|one| one.id));
    for place in order {
        let Some(one) = asking.get(place) else {
            continue;
        };
        for limit in one.limits {
            call(groups, &limit.group, Some(one.id), &mut round);
        }
        let share = share_of(groups, one);
        if let Some(slot) = round.shares.get_mut(place) {
            *slot = Some(share);
        }
    }
    // What was given up, or was free all along, goes to those that wait.
    let names: Vec<&'a str> = groups.keys().copied().collect();
    for name in names {
        call(groups, name, None, &mut round);
    }
    round
}

/// Calls those that wait in a group, as far as there are places: all of them, or those before a message.
fn call<'a>(
    groups: &mut HashMap<&'a str, Group>,
    name: &str,
    before: Option<MessageId>,
    round: &mut Round<'a>,
) {
    let Some((name, mut group)) = groups.remove_entry(name) else {
        return;
    };
    while group.has_place() && matches!(group.bound, Some(Bound::AtOnce(_))) {
        let is_next = |id: &&MessageId| before.is_none_or(|before| **id < before);
        let Some(next) = group.waiters.first().filter(is_next).copied() else {
            break;
        };
        group.waiters.remove(0);
        group.taken = group.taken.saturating_add(1);
        round.called.push((name, next));
    }
    groups.insert(name, group);
}

fn share_of<'a>(groups: &mut HashMap<&'a str, Group>, one: &Asking<'a>) -> Share<'a> {
    for limit in one.limits {
        let Some(group) = groups.get(limit.group.as_str()) else {
            continue;
        };
        let has = one.has.contains(&limit.group.as_str());
        let wait = group.wait(one.id);
        if (has || group.has_place()) && wait.is_zero() {
            continue;
        }
        let (at_once, wait) = match limit.bound {
            Bound::AtOnce(max) => (Some(max), None),
            Bound::Rate { .. } => (None, Some(wait)),
        };
        give_up(groups, one);
        if wait.is_some()
            && let Some(group) = groups.get_mut(limit.group.as_str())
        {
            group.in_line.push(one.id);
        }
        return Share::Waits {
            group: limit.group.as_str(),
            at_once,
            wait,
        };
    }
    for limit in one.limits {
        let has = one.has.contains(&limit.group.as_str());
        if let Some(group) = groups.get_mut(limit.group.as_str()) {
            match limit.bound {
                Bound::AtOnce(_) if has => {}
                Bound::AtOnce(_) => group.taken = group.taken.saturating_add(1),
                Bound::Rate { .. } => {
                    group.tokens -= 1.0;
                    group.in_line.retain(|other| *other != one.id);
                }
            }
        }
    }
    Share::Starts
}

/// Whoever has to wait keeps no place meanwhile: two that wait for each other's places would wait for ever.
fn give_up<'a>(groups: &mut HashMap<&'a str, Group>, one: &Asking<'a>) {
    for name in &one.has {
        if let Some(group) = groups.get_mut(name) {
            group.taken = group.taken.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests;
