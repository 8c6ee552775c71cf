//! A group of upstreams that do the same: which of them is asked, and what is learnt from what becomes of it.
//!
//! It exists so that a request needs no lock to find the least loaded upstream that works. Choosing is one walk over at most 64
//! members; a choice that others were faster to take is made again. Looking upstreams up and looking at their pages is for
//! [`super::keeper`], sending for Pingora.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::StatusCode;
use sallyport_telemetry::Event;
use tokio_util::sync::CancellationToken;

use super::circuit::{Permit, Turned};
use super::member::Member;
use super::nobody::NoUpstream;
use super::tally::{Seen, Tally};
use crate::events::upstreams::{GroupMeters, Happened, Verdict, What};
use crate::settings::{MEMBERS_MAX, UpstreamSettings};

/// How often a choice is made again that others were faster to take.
const CHOICES_MAX: usize = 4;
/// How long callers are asked to wait for a place. Requests take less than that, mostly.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Upstreams that do the same.
pub(crate) struct Group {
    pub(super) name: String,
    pub(super) settings: UpstreamSettings,
    pub(super) meters: GroupMeters,
    /// Cancelled when other settings have taken the place of these.
    pub(super) retired: CancellationToken,
    members: ArcSwap<Vec<Arc<Member>>>,
    /// Requests, and those of them that were sent again.
    budget: Tally,
    /// One bit for each status from 500 to 599 that counts as a failure.
    failing: u128,
    origin: Instant,
}

/// Those that a request has been sent to already. It is sent three times at most.
pub(crate) type Tried = [Option<SocketAddr>; 2];

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It could not be connected to.
    Connect,
    /// It broke the connection, or talked nonsense.
    Broken,
    /// It did not answer in time.
    TooSlow,
}

/// A request's place at the upstream that was chosen for it. Given back when it is dropped.
pub(crate) struct Lease {
    group: Arc<Group>,
    member: Arc<Member>,
    permit: Permit,
    is_told: bool,
}

impl Group {
    /// `origin` is when the clock of all members began; those with an address that `before` has are taken over from there.
    pub(super) fn new(
        name: &str,
        settings: &UpstreamSettings,
        origin: Instant,
        before: Option<&Self>,
    ) -> Self {
        let failing = settings.failing_statuses.iter().filter_map(|status| {
            let bit = status.checked_sub(500)?;
            1_u128.checked_shl(u32::from(bit))
        });
        let group = Self {
            name: name.to_owned(),
            meters: GroupMeters::new(name),
            retired: CancellationToken::new(),
            members: ArcSwap::default(),
            budget: Tally::default(),
            failing: failing.fold(0, |all, bit| all | bit),
            settings: settings.clone(),
            origin,
        };
        let known = before.map(|before| before.members.load_full());
        let known = known.as_deref().map_or(&[][..], Vec::as_slice);
        let addresses: Vec<_> = if settings.addresses.is_empty() {
            // Until the name server, or the cluster, says where they are.
            known.iter().map(|member| member.address).collect()
        } else {
            settings.addresses.clone()
        };
        group.members.store(Arc::new(joined(&addresses, known)));
        group
    }

    /// Milliseconds of the clock that all members go by.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// When that clock began.
    pub(super) fn origin(&self) -> Instant {
        self.origin
    }

    /// These settings apply from now on: what pages said is believed only as long as they are looked at.
    pub(super) fn begin(&self) {
        if self.settings.health.is_none() {
            let members = self.members.load();
            members.iter().for_each(|member| member.forget_health());
        }
    }

    /// Other settings apply from now on. `goes_on` says whether a group of this name does.
    pub(super) fn retire(&self, goes_on: bool) {
        self.retired.cancel();
        if !goes_on {
            self.meters.retire();
        }
    }

    pub(super) fn members(&self) -> Arc<Vec<Arc<Member>>> {
        self.members.load_full()
    }

    /// From now on these are the upstreams; those that stay keep what is known about them.
    pub(super) fn become_these(&self, addresses: &[SocketAddr]) {
        let before = self.members.load_full();
        let after = joined(addresses, &before);
        let has = |members: &[Arc<Member>], address| {
            members
                .iter()
                .any(|member: &Arc<Member>| member.address == address)
        };
        for member in after.iter().filter(|member| !has(&before, member.address)) {
            self.tell(member.address, What::Joined);
        }
        for member in before.iter().filter(|member| !has(&after, member.address)) {
            self.tell(member.address, What::Left);
        }
        self.members.store(Arc::new(after));
    }

    /// Takes a place at the least loaded upstream that works, rather at one that has not been tried; chance decides between
    /// equals. Costs no lock and no allocation.
    ///
    /// # Errors
    /// When there is none, with the reason.
    pub(crate) fn choose(self: &Arc<Self>, tried: &Tried) -> Result<Lease, NoUpstream> {
        let now = self.now();
        let members = self.members.load();
        for _ in 0..CHOICES_MAX {
            let best = self.best(&members, tried, now)?;
            if !best.enter(self.settings.in_flight_max) {
                continue;
            }
            if let Some(permit) = best.circuit.permit(now) {
                return Ok(Lease {
                    group: Arc::clone(self),
                    member: Arc::clone(best),
                    permit,
                    is_told: false,
                });
            }
            best.leave();
        }
        Err(NoUpstream::Busy(BUSY_RETRY_AFTER))
    }

    /// The upstream to ask: among those that are well, or among all if too few are for that to be believed.
    fn best<'m>(
        &self,
        members: &'m [Arc<Member>],
        tried: &Tried,
        now: u64,
    ) -> Result<&'m Arc<Member>, NoUpstream> {
        if members.is_empty() {
            return Err(NoUpstream::Unknown);
        }
        let start = rand::random_range(0..members.len());
        let (head, tail) = members.split_at_checked(start).unwrap_or_default();
        let (mut of_sound, mut of_all) = (Best::default(), Best::default());
        let mut sound = 0_usize;
        let mut is_busy = false;
        for member in tail.iter().chain(head) {
            if member.is_back(now) {
                self.tell(member.address, What::Back);
            }
            let is_sound = member.is_sound(now);
            sound = sound.saturating_add(usize::from(is_sound));
            if !member.circuit.is_passable(now) {
                continue;
            }
            let in_flight = member.in_flight();
            if in_flight >= self.settings.in_flight_max {
                is_busy = true;
                continue;
            }
            let rank = (tried.contains(&Some(member.address)), in_flight);
            of_all.offer(rank, member);
            if is_sound {
                of_sound.offer(rank, member);
            }
        }
        let best = if self.are_enough(sound, members.len()) {
            of_sound
        } else {
            of_all
        };
        match best.0 {
            Some((_, member)) => Ok(member),
            None if is_busy => Err(NoUpstream::Busy(BUSY_RETRY_AFTER)),
            None => Err(NoUpstream::Open(opens_in(members, now))),
        }
    }

    /// Whether so many are enough for the rest to be left alone.
    fn are_enough(&self, sound: usize, all: usize) -> bool {
        let percent = usize::from(self.settings.ejection.sound_percent_min);
        sound > 0 && sound.saturating_mul(100) >= all.saturating_mul(percent)
    }

    /// A new request is sent: a share of it may be used to send another one again.
    pub(crate) fn count_request(&self) {
        let window = self.settings.retries.window_ms;
        self.budget.count(self.now(), window, Seen::PLAIN);
    }

    /// Whether one more request may be sent again; counts it if so.
    pub(crate) fn may_retry(&self) -> bool {
        let settings = &self.settings.retries;
        let now = self.now();
        let seen = self.budget.seen(now, settings.window_ms);
        let share = seen.all.saturating_mul(u64::from(settings.percent)) / 100;
        let is_covered = seen.marked < share.max(u64::from(settings.at_least));
        if is_covered {
            self.budget.count(now, settings.window_ms, Seen::MARK);
        }
        self.meters.retry(is_covered);
        is_covered
    }

    /// Leaves a member alone that fails, unless too few would be left.
    fn eject(&self, member: &Member, now: u64) {
        let members = self.members.load();
        let others = members
            .iter()
            .filter(|other| other.address != member.address && other.is_sound(now));
        if !self.are_enough(others.count(), members.len()) {
            return;
        }
        if let Some(rest) = member.eject(now, &self.settings.ejection) {
            self.tell(member.address, What::Ejected(Duration::from_millis(rest)));
        }
    }

    fn turned(&self, address: SocketAddr, turned: Option<Turned>) {
        match turned {
            Some(Turned::Opened) => self.tell(address, What::Opened),
            Some(Turned::Closed) => self.tell(address, What::Closed),
            None => {}
        }
    }

    /// Tells what happened to a member.
    pub(super) fn tell(&self, address: SocketAddr, what: What) {
        Happened {
            group: &self.name,
            address,
            what,
        }
        .emit(&self.meters);
    }

    fn is_failing(&self, status: StatusCode) -> bool {
        let bit = status.as_u16().checked_sub(500);
        let bit = bit.and_then(|bit| 1_u128.checked_shl(u32::from(bit)));
        bit.is_some_and(|bit| self.failing & bit != 0)
    }
}

/// Its name, and where its members are.
impl fmt::Display for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the group {} (", self.name)?;
        if let Some(dns) = &self.settings.dns {
            return write!(formatter, "what {} stands for)", dns.name);
        }
        if let Some(kubernetes) = &self.settings.kubernetes {
            return write!(formatter, "the service {})", kubernetes.service);
        }
        let addresses: Vec<_> = self
            .settings
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect();
        write!(formatter, "{})", addresses.join(", "))
    }
}

impl Lease {
    /// Where the request goes.
    pub(crate) fn address(&self) -> SocketAddr {
        self.member.address
    }

    /// The group that it is one of.
    pub(crate) fn group(&self) -> &Group {
        &self.group
    }

    /// The head of its answer is there.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        if self.group.is_failing(status) {
            self.fails(Verdict::ServerError);
        } else {
            self.works();
        }
    }

    /// It failed, before or after that.
    pub(crate) fn failed(&mut self, failure: Failure) {
        self.fails(match failure {
            Failure::Connect => Verdict::Connect,
            Failure::Broken => Verdict::Broken,
            Failure::TooSlow => Verdict::TooSlow,
        });
    }

    fn works(&mut self) {
        let (group, member) = (&self.group, &self.member);
        group.meters.verdict(Verdict::Ok);
        member.note_success();
        let permit = self.take_permit();
        let (group, member) = (&self.group, &self.member);
        let turned = member
            .circuit
            .succeeded(permit, group.now(), &group.settings.circuit);
        group.turned(member.address, turned);
    }

    fn fails(&mut self, verdict: Verdict) {
        let permit = self.take_permit();
        let (group, member) = (&self.group, &self.member);
        group.meters.verdict(verdict);
        let now = group.now();
        let turned = member.circuit.failed(permit, now, &group.settings.circuit);
        group.turned(member.address, turned);
        if member.note_failure(&group.settings.ejection) {
            group.eject(member, now);
        }
    }

    /// The permit for the first verdict; what comes later is like any other.
    fn take_permit(&mut self) -> Permit {
        self.is_told = true;
        std::mem::replace(&mut self.permit, Permit::Usual)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.member.leave();
        if !self.is_told {
            self.group.meters.verdict(Verdict::Abandoned);
            self.member.circuit.abandoned(self.permit, self.group.now());
        }
    }
}

/// Those who were tried come after all others, and those with more in hand after those with less.
type Rank = (bool, u32);

/// The first of the best that were looked at.
#[derive(Default)]
struct Best<'m>(Option<(Rank, &'m Arc<Member>)>);

impl<'m> Best<'m> {
    fn offer(&mut self, rank: Rank, member: &'m Arc<Member>) {
        if self.0.is_none_or(|(best, _)| rank < best) {
            self.0 = Some((rank, member));
        }
    }
}

/// The members of these addresses, with the state of those that there are already.
fn joined(addresses: &[SocketAddr], known: &[Arc<Member>]) -> Vec<Arc<Member>> {
    let member = |address: &SocketAddr| {
        let known = known.iter().find(|member| member.address == *address);
        known.map_or_else(|| Arc::new(Member::new(*address)), Arc::clone)
    };
    addresses.iter().take(MEMBERS_MAX).map(member).collect()
}

/// How long until one of them is tried again.
fn opens_in(members: &[Arc<Member>], now: u64) -> Duration {
    let waits = members
        .iter()
        .filter_map(|member| member.circuit.opens_in(now));
    waits
        .min()
        .map_or(BUSY_RETRY_AFTER, Duration::from_millis)
        .max(BUSY_RETRY_AFTER)
}

#[cfg(test)]
mod tests;
