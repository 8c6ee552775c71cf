//! What people said and the bot has not yet taken: the pending updates of one bot, for its poller and its webhook alike.
//!
//! Numbers are sequential. For a webhook the updates of one chat form a lane: the next one goes out when the previous one was accepted, different lanes go
//! in parallel, and a refused update is tried again after a wait that doubles (or after the `Retry-After` it was given). Pure but for the time handed in.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::{Duration, Instant},
};

use axum::body::Bytes;
use serde::Serialize;

/// More waiting than this and the stand-in refuses new ones, rather than growing.
pub(crate) const PENDING_MAX: usize = 100_000;

/// Fates remembered for the page and for tests.
const FATES_MAX: usize = 50_000;

/// Telegram honours a `Retry-After` up to an hour.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// The doubling stops here (the real server picks 60–120 s).
const RETRY_MAX: Duration = Duration::from_secs(90);

/// Telegram keeps an update for a day.
const KEPT_FOR: Duration = Duration::from_secs(86_400);

/// What happened to an update on its way to the bot.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Fate {
    pub(crate) update_id: u32,
    pub(crate) chat_id: i64,
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<i32>,
    /// Milliseconds since 1970, as all times here.
    pub(crate) said_at_ms: i64,
    pub(crate) attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_sent_at_ms: Option<i64>,
    /// When the bot took it: the 2xx of its webhook, or the answer to `getUpdates`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) taken_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// The webhook's `Request-Id`, when it sends one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_attempt_at_ms: Option<i64>,
}

struct Pending {
    lane: i64,
    body: Bytes,
    expires: Instant,
}

#[derive(Default)]
struct Lane {
    waiting: VecDeque<u32>,
    failures: u32,
    delay: Duration,
    /// When its first update may go out; `None` while one is on its way.
    due: Option<Instant>,
}

/// An update on its way to the webhook.
#[derive(Clone, Debug)]
pub(crate) struct Departure {
    pub(crate) update_id: u32,
    pub(crate) lane: i64,
    pub(crate) body: Bytes,
}

/// The pending updates of one bot.
pub(crate) struct Updates {
    next_id: u32,
    pending: BTreeMap<u32, Pending>,
    lanes: HashMap<i64, Lane>,
    ready: BTreeSet<(Instant, i64)>,
    fates: BTreeMap<u32, Fate>,
    /// Which kinds are wanted; `None` is Telegram's default.
    pub(crate) allowed: Option<Vec<String>>,
}

/// Kinds that a bot gets only when it asks for them by name.
const NOT_BY_DEFAULT: [&str; 3] = ["chat_member", "message_reaction", "message_reaction_count"];

impl Updates {
    pub(crate) fn starting_at(next_id: u32) -> Self {
        Self {
            next_id,
            pending: BTreeMap::new(),
            lanes: HashMap::new(),
            ready: BTreeSet::new(),
            fates: BTreeMap::new(),
            allowed: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.pending.len() >= PENDING_MAX
    }

    pub(crate) fn wants(&self, kind: &str) -> bool {
        match &self.allowed {
            Some(kinds) if !kinds.is_empty() => kinds.iter().any(|wanted| wanted == kind),
            _ => !NOT_BY_DEFAULT.contains(&kind),
        }
    }

    /// Takes the next number. The caller builds the body with it and calls [`Self::push`].
    pub(crate) fn number(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1).max(1);
        id
    }

    /// Queues an update under a number from [`Self::number`].
    pub(crate) fn push(&mut self, fate: Fate, body: Bytes, now: Instant) {
        let (id, lane) = (fate.update_id, fate.chat_id);
        self.pending.insert(
            id,
            Pending {
                lane,
                body,
                expires: now + KEPT_FOR,
            },
        );
        let waiting = self.lanes.entry(lane).or_default();
        if waiting.waiting.is_empty() {
            waiting.due = Some(now);
            self.ready.insert((now, lane));
        }
        waiting.waiting.push_back(id);
        self.fates.insert(id, fate);
        while self.fates.len() > FATES_MAX {
            self.fates.pop_first();
        }
    }

    pub(crate) fn fate(&self, update_id: u32) -> Option<&Fate> {
        self.fates.get(&update_id)
    }

    pub(crate) fn fates(&self) -> impl DoubleEndedIterator<Item = &Fate> {
        self.fates.values()
    }

    /// Drops everything pending, as `drop_pending_updates` asks.
    pub(crate) fn drop_all(&mut self) {
        self.pending.clear();
        self.lanes.clear();
        self.ready.clear();
    }

    // The poller.

    /// Confirms everything below `offset` (a negative offset keeps that many of the newest), as `getUpdates` does.
    pub(crate) fn confirm(&mut self, offset: i64, now: Instant) {
        let below = match offset {
            0 => return,
            1.. => u32::try_from(offset).unwrap_or(u32::MAX),
            _ => {
                let keep = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
                let drop = self.pending.len().saturating_sub(keep);
                match self.pending.keys().nth(drop) {
                    Some(first_kept) => *first_kept,
                    None => return,
                }
            }
        };
        while let Some(id) = self
            .pending
            .first_key_value()
            .map(|(id, _)| *id)
            .filter(|id| *id < below)
        {
            self.forget(id, now);
        }
    }

    /// Up to `limit` pending bodies, oldest first, and marks them as taken by the poller.
    pub(crate) fn poll(&mut self, limit: usize, now_ms: i64) -> Vec<Bytes> {
        let mut bodies = Vec::new();
        for (id, pending) in self.pending.iter().take(limit) {
            bodies.push(pending.body.clone());
            if let Some(fate) = self.fates.get_mut(id) {
                fate.attempts += 1;
                fate.first_sent_at_ms.get_or_insert(now_ms);
                fate.taken_at_ms.get_or_insert(now_ms);
            }
        }
        bodies
    }

    /// The chats among the first `limit` pending updates, to tell their pages.
    pub(crate) fn polled_lanes(&self, limit: usize) -> BTreeSet<i64> {
        self.pending
            .values()
            .take(limit)
            .map(|pending| pending.lane)
            .collect()
    }

    // The webhook.

    /// The next update that may leave now.
    pub(crate) fn depart(&mut self, now: Instant, now_ms: i64) -> Option<Departure> {
        loop {
            let (due, lane_id) = *self.ready.first()?;
            if due > now {
                return None;
            }
            self.ready.pop_first();
            let lane = self.lanes.get_mut(&lane_id)?;
            let Some(id) = lane.waiting.front().copied() else {
                continue;
            };
            let Some(body) = self
                .pending
                .get(&id)
                .filter(|pending| pending.expires > now)
                .map(|p| p.body.clone())
            else {
                self.forget(id, now);
                continue;
            };
            if let Some(lane) = self.lanes.get_mut(&lane_id) {
                lane.due = None;
            }
            if let Some(fate) = self.fates.get_mut(&id) {
                fate.attempts += 1;
                fate.first_sent_at_ms.get_or_insert(now_ms);
                fate.next_attempt_at_ms = None;
            }
            return Some(Departure {
                update_id: id,
                lane: lane_id,
                body,
            });
        }
    }

    /// When the next departure is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.ready.first().map(|(due, _)| *due)
    }

    /// The webhook took it.
    pub(crate) fn accepted(
        &mut self,
        update_id: u32,
        status: u16,
        request_id: Option<String>,
        now: Instant,
        now_ms: i64,
    ) {
        if let Some(fate) = self.fates.get_mut(&update_id) {
            fate.taken_at_ms = Some(now_ms);
            fate.status = Some(status);
            fate.request_id = request_id;
            fate.error = None;
        }
        self.forget(update_id, now);
    }

    /// The webhook refused it, or could not be reached: the lane waits and tries the same update again.
    pub(crate) fn refused(
        &mut self,
        update_id: u32,
        refused: &Refused<'_>,
        now: Instant,
        now_ms: i64,
    ) {
        let Some(lane_id) = self.pending.get(&update_id).map(|pending| pending.lane) else {
            return;
        };
        let Some(lane) = self.lanes.get_mut(&lane_id) else {
            return;
        };
        lane.failures += 1;
        let wait = match refused.retry_after {
            Some(asked) if !asked.is_zero() => asked.min(RETRY_AFTER_MAX),
            _ => {
                lane.delay = if lane.failures == 1 {
                    refused.first_delay
                } else {
                    (lane.delay * 2).min(RETRY_MAX)
                };
                lane.delay
            }
        };
        lane.due = Some(now + wait);
        self.ready.insert((now + wait, lane_id));
        if let Some(fate) = self.fates.get_mut(&update_id) {
            fate.status = refused.status;
            fate.error = Some(refused.error.to_owned());
            fate.next_attempt_at_ms =
                Some(now_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)));
        }
    }

    /// A webhook went away while updates were under way: they are due again at once.
    pub(crate) fn recall(&mut self, now: Instant) {
        for (lane_id, lane) in &mut self.lanes {
            if lane.due.is_none() && !lane.waiting.is_empty() {
                lane.due = Some(now);
                self.ready.insert((now, *lane_id));
            }
        }
    }

    fn forget(&mut self, id: u32, now: Instant) {
        let Some(pending) = self.pending.remove(&id) else {
            return;
        };
        let Some(lane) = self.lanes.get_mut(&pending.lane) else {
            return;
        };
        if lane.waiting.front() != Some(&id) {
            lane.waiting.retain(|waiting| *waiting != id);
            return;
        }
        lane.waiting.pop_front();
        if let Some(due) = lane.due.take() {
            self.ready.remove(&(due, pending.lane));
        }
        if lane.waiting.is_empty() {
            self.lanes.remove(&pending.lane);
            return;
        }
        (lane.failures, lane.delay, lane.due) = (0, Duration::ZERO, Some(now));
        self.ready.insert((now, pending.lane));
    }
}

/// Why a delivery was not accepted.
#[derive(Debug)]
pub(crate) struct Refused<'a> {
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) error: &'a str,
    pub(crate) first_delay: Duration,
}

#[cfg(test)]
mod tests;
