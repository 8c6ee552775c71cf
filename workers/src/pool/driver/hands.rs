//! How much to ask for, of which partitions, urgencies and tenants. Pure: the clock is handed in.
//!
//! Each urgency has hands of its own, so that none keeps another from being claimed: what somebody waits for has all of
//! `in_hand_max`, deliveries three quarters as many beside it, background work half as many. And when one tenant's
//! messages fill the hands of an urgency, a quarter more may be filled from the lanes of the others: they do not wait
//! until its backlog moves.

use std::time::{Duration, Instant};

use sallyport_queue::mailboxes::Mailboxes;
use sallyport_queue::{Lane, Lanes, Partition, PartitionClaim, PartitionSet, Priority};

use crate::pool::partitions::Partitions;

/// A partition is asked for at least this much at a time, so that a claim of much walks few partitions and reads hardly a
/// row more than it takes; and for at most so much, so that one claim stays short.
const EACH_MIN: usize = 16;
const EACH_MAX: usize = 1_024;
/// The same where messages may have to go behind: an update for each, 30 to 70 µs on a busy machine whatever the size of the
/// batch, so a larger one saves only the way to the database and keeps all other claims waiting.
const EACH_MAX_WATCHED: usize = 512;
/// A claim is worth its while when so large a share of the hands is free: the next one then runs while three quarters and
/// more of them are being worked off. With a quarter, claims paused for a third of the time.
const ROOM_SHARE_MIN: usize = 8;
/// However often something comes in while the hands are full, the lanes of others are looked at this often.
const OTHERS_EVERY: Duration = Duration::from_millis(5);
/// So many tenants may have more than their share at a time.
const HEAVY_MAX: usize = 4;

/// What one urgency asks for.
#[derive(Debug)]
struct Asking {
    priority: Priority,
    in_hand_max: usize,
    wanted: PartitionSet,
    sweep: PartitionSet,
    /// With which partition the next claim begins, so that each has its turn.
    next: Partition,
    others_at: Instant,
    /// Something is wanted and the hands are full.
    waits: bool,
}

/// What is wanted, and how much of it may be in hand.
#[derive(Debug)]
pub(super) struct Hands {
    askings: [Asking; 3],
}

impl Hands {
    pub(super) fn new(in_hand_max: usize, now: Instant) -> Self {
        let asking = |priority, in_hand_max: usize| Asking {
            priority,
            in_hand_max: in_hand_max.max(1),
            wanted: PartitionSet::EMPTY,
            sweep: PartitionSet::EMPTY,
            next: Partition(0),
            others_at: now,
            waits: false,
        };
        Self {
            askings: [
                asking(Priority::Interactive, in_hand_max),
                asking(Priority::Delivery, in_hand_max - in_hand_max / 4),
                asking(Priority::Background, in_hand_max / 2),
            ],
        }
    }

    /// There may be something to claim in these partitions.
    pub(super) fn want(&mut self, partitions: PartitionSet) {
        for asking in &mut self.askings {
            asking.wanted.union(partitions);
        }
    }

    /// Everything is looked at from its beginning.
    pub(super) fn sweep(&mut self) {
        for asking in &mut self.askings {
            asking.wanted = PartitionSet::ALL;
            asking.sweep = PartitionSet::ALL;
        }
    }

    /// How many more of this urgency may be in hand.
    pub(super) fn room<M>(&self, mailboxes: &Mailboxes<M>, priority: Priority) -> usize {
        let of = self.askings.iter().find(|of| of.priority == priority);
        of.map_or(0, |of| of.room(mailboxes))
    }

    /// Whether something is wanted for which there is hardly room.
    pub(super) fn are_short<M>(&self, mailboxes: &Mailboxes<M>) -> bool {
        self.askings
            .iter()
            .any(|asking| !asking.wanted.is_empty() && !asking.has_room(mailboxes))
    }

    /// When to ask again although nothing ends.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.askings
            .iter()
            .filter(|asking| asking.waits)
            .map(|asking| asking.others_at)
            .min()
    }

    /// What to claim now. Counts as asked for from now on: answer by [`Hands::given`] or [`Hands::not_given`].
    pub(super) fn ask<M>(
        &mut self,
        mailboxes: &Mailboxes<M>,
        partitions: &Partitions,
        watched: PartitionSet,
        now: Instant,
    ) -> Vec<PartitionClaim> {
        let mut claims = Vec::new();
        for asking in &mut self.askings {
            asking.waits = false;
            if asking.wanted.is_empty() {
                continue;
            }
            if asking.has_room(mailboxes) {
                let room = asking.room(mailboxes);
                asking.ask_in_turn(room, partitions, watched, &mut claims);
                continue;
            }
            let heavy = mailboxes.lanes_with(asking.priority, (asking.in_hand_max / 4).max(1));
            asking.waits = !heavy.is_empty() && heavy.len() <= HEAVY_MAX;
            if asking.waits && asking.others_at <= now {
                asking.waits = false;
                asking.others_at = now + OTHERS_EVERY;
                let room = asking.room_for_others(mailboxes);
                asking.ask_others(room, &heavy, partitions, &mut claims);
            }
        }
        claims
    }

    /// These were claimed from, and there is more of some of them.
    pub(super) fn given(&mut self, _asked: &[PartitionClaim], more: &[(Partition, Priority)]) {
        for (partition, priority) in more {
            for asking in &mut self.askings {
                if asking.priority == *priority {
                    asking.wanted.insert(*partition);
                }
            }
        }
    }

    /// Nothing came of what was asked for.
    pub(super) fn not_given(&mut self, asked: &[PartitionClaim]) {
        for claim in asked {
            for asking in &mut self.askings {
                if asking.priority == claim.priority {
                    asking.wanted.insert(claim.partition);
                    if claim.sweep {
                        asking.sweep.insert(claim.partition);
                    }
                }
            }
        }
    }
}

impl Asking {
    fn room<M>(&self, mailboxes: &Mailboxes<M>) -> usize {
        self.in_hand_max
            .saturating_sub(mailboxes.in_hand_of(self.priority))
    }

    fn has_room<M>(&self, mailboxes: &Mailboxes<M>) -> bool {
        let room = self.room(mailboxes);
        room > 0
            && (room >= self.in_hand_max / ROOM_SHARE_MIN
                || mailboxes.in_hand_of(self.priority) == 0)
    }

    fn room_for_others<M>(&self, mailboxes: &Mailboxes<M>) -> usize {
        let most = self.in_hand_max + self.in_hand_max / 4;
        most.saturating_sub(mailboxes.in_hand_of(self.priority))
    }

    /// The wanted partitions that may be claimed from, beginning with the one whose turn it is. Those that may not are
    /// forgotten: whoever opens them for claims wants them again.
    fn in_turn(&mut self, partitions: &Partitions) -> Vec<PartitionClaim> {
        let mut claims: Vec<PartitionClaim> = partitions
            .claimable()
            .filter(|(partition, _)| self.wanted.contains(*partition))
            .map(|(partition, token)| PartitionClaim {
                partition,
                token,
                priority: self.priority,
                messages_max: 0,
                lanes: Lanes::InTurn,
                sweep: self.sweep.contains(partition),
            })
            .collect();
        let turn = claims.partition_point(|claim| claim.partition < self.next);
        claims.rotate_left(turn);
        claims
    }

    fn ask_in_turn(
        &mut self,
        room: usize,
        partitions: &Partitions,
        watched: PartitionSet,
        claims: &mut Vec<PartitionClaim>,
    ) {
        let wanted = self.in_turn(partitions);
        let each = (room / wanted.len().max(1)).clamp(EACH_MIN.min(room), EACH_MAX);
        let count = wanted.len().min((room / each).max(1));
        if count == wanted.len() {
            self.wanted = PartitionSet::EMPTY;
        }
        for mut claim in wanted.into_iter().take(count) {
            let each_max = match watched.contains(claim.partition) {
                true => EACH_MAX_WATCHED,
                false => EACH_MAX,
            };
            claim.messages_max = u16::try_from(each.min(each_max)).unwrap_or(u16::MAX);
            self.wanted.remove(claim.partition);
            self.sweep.remove(claim.partition);
            self.next = Partition(claim.partition.0.wrapping_add(1));
            claims.push(claim);
        }
    }

    /// The hands are full of some tenants' messages: asks for those of the others, in the lanes between theirs. The
    /// partitions stay wanted for all.
    fn ask_others(
        &mut self,
        room: usize,
        heavy: &[Lane],
        partitions: &Partitions,
        claims: &mut Vec<PartitionClaim>,
    ) {
        let between = between(heavy);
        let each = EACH_MIN.min(room);
        let count = room.checked_div(each * between.len()).unwrap_or(0);
        for claim in self.in_turn(partitions).into_iter().take(count) {
            self.next = Partition(claim.partition.0.wrapping_add(1));
            claims.extend(between.iter().map(|(from, to)| PartitionClaim {
                messages_max: u16::try_from(each).unwrap_or(u16::MAX),
                lanes: Lanes::Between(*from, *to),
                sweep: false,
                ..claim
            }));
        }
    }
}

/// The ranges of lanes between these, which are in order.
fn between(heavy: &[Lane]) -> Vec<(Lane, Lane)> {
    let mut ranges = Vec::with_capacity(heavy.len() + 1);
    let mut from = Some(Lane::FIRST);
    for lane in heavy {
        if let Some(from) = from
            && from < *lane
        {
            ranges.push((from, Lane(lane.0 - 1)));
        }
        from = (*lane < Lane::LAST).then(|| lane.next());
    }
    ranges.extend(from.map(|from| (from, Lane::LAST)));
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lanes_between_heavy_ones_are_all_the_others() {
        let heavy = [Lane(0), Lane(7), Lane(8), Lane::LAST];

        assert_eq!(
            between(&heavy),
            [(Lane(1), Lane(6)), (Lane(9), Lane(i16::MAX - 1))]
        );
        assert_eq!(between(&[]), [(Lane::FIRST, Lane::LAST)]);
    }
}
