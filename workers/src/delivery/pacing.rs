//! When the next message may go to a chat.
//!
//! Telegram lets a chat take a short burst and then about one message a second, a group twenty a minute, and bulk
//! sendings about thirty a second in total. Going faster earns a 429 that blocks everything, so the decision is made
//! before the call. A chat's pace is kept here, since one worker says everything to it; what all workers of a bot send
//! in bulk is one limit of the fleet ([`bulk`]). Pure: the clock is handed in, so properties can be tested over any sequence of times. It sends
//! nothing and sleeps never; whoever asks and must wait puts the message back.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use sallyport_redis::Redis;
use sallyport_security::{FleetLimiter, InvalidQuota, Policy, Quota, Scope, WhenAway};
use serde::Deserialize;

/// Messages that a chat takes at once before it wants one a second.
const CHAT_BURST: f64 = 3.0;
const CHAT_PER_SECOND: f64 = 1.0;
/// Twenty in any minute to a group.
const GROUP_MESSAGES: usize = 20;
const GROUP_WINDOW: Duration = Duration::from_secs(60);
/// The documented limit for notifying many people: thirty, refilled within a second.
const BULK_BURST: u32 = 30;
const BULK_WINDOW: Duration = Duration::from_secs(1);
/// Bots that are remembered.
const BOTS_MAX: usize = 1_000;
/// Chats that are remembered. A bucket that is full again says nothing, so those are forgotten first.
const CHATS_MAX: usize = 50_000;

/// Whose limits apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pacing {
    /// Telegram's own servers.
    #[default]
    Cloud,
    /// A Bot API server of one's own, or a stand-in: only what it refuses has to wait.
    OwnServer,
}

/// What is about to be sent where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The chat.
    pub chat: i64,
    /// Groups have a limit of their own.
    pub to_group: bool,
    /// Whether it is one of many sendings that nobody waits for.
    pub bulk: bool,
}

/// Whether it may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Now; it has been counted.
    Go,
    /// Not before this long; nothing was counted.
    Wait(Duration),
}

/// The pace of one bot. Several bots have one each, since Telegram counts per bot.
#[derive(Debug)]
pub struct Pacer {
    pacing: Pacing,
    chats: HashMap<i64, ChatPace>,
}

#[derive(Debug)]
struct ChatPace {
    messages: Bucket,
    group: Option<Window>,
    /// Set by a 429: whatever the buckets say, nothing goes before.
    blocked_until: Option<Instant>,
}

impl Pacer {
    /// A pacer that has sent nothing yet.
    #[must_use]
    pub fn new(pacing: Pacing) -> Self {
        Self {
            pacing,
            chats: HashMap::new(),
        }
    }

    /// Asks for a turn and takes it if it is there.
    pub fn ask(&mut self, step: Step, now: Instant) -> Turn {
        let wait = self.wait(step, now);
        if wait > Duration::ZERO {
            return Turn::Wait(wait);
        }
        if self.pacing == Pacing::Cloud
            && let Some(chat) = self.chats.get_mut(&step.chat)
        {
            chat.messages.take();
            if let Some(group) = &mut chat.group {
                group.take(now);
            }
        }
        Turn::Go
    }

    /// How long this chat has to wait for its turn; zero when it is its turn now.
    pub fn wait(&mut self, step: Step, now: Instant) -> Duration {
        self.forget_idle(now);
        let chat = self
            .chats
            .entry(step.chat)
            .or_insert_with(|| ChatPace::new(step.to_group));
        let blocked = chat
            .blocked_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        if self.pacing == Pacing::OwnServer {
            return blocked;
        }
        let group = chat
            .group
            .as_ref()
            .map_or(Duration::ZERO, |group| group.wait(now));
        blocked.max(group).max(chat.messages.wait(now))
    }

    /// Telegram said to wait with this chat. An earlier, longer word stays.
    pub fn told_to_wait(&mut self, chat: i64, to_group: bool, wait: Duration, now: Instant) {
        let pace = self
            .chats
            .entry(chat)
            .or_insert_with(|| ChatPace::new(to_group));
        let until = now + wait;
        pace.blocked_until = Some(pace.blocked_until.map_or(until, |old| old.max(until)));
    }

    fn forget_idle(&mut self, now: Instant) {
        if self.chats.len() >= CHATS_MAX {
            self.chats.retain(|_, chat| !chat.is_idle(now));
        }
    }
}

/// What a bot may send in bulk, over all its workers. While Redis is away each worker takes its share.
///
/// # Errors
/// Never with these numbers; they are checked nevertheless.
pub fn bulk(redis: Option<Redis>, now: Instant) -> Result<FleetLimiter, InvalidQuota> {
    let policy = Policy {
        quota: Quota::try_new(BULK_BURST, BULK_WINDOW)?,
        scope: Scope::Shared,
        when_away: WhenAway::Share,
    };
    Ok(FleetLimiter::new("bulk", policy, redis, BOTS_MAX, now))
}

impl ChatPace {
    fn new(to_group: bool) -> Self {
        Self {
            messages: Bucket::full(CHAT_BURST, CHAT_PER_SECOND),
            group: to_group.then(Window::default),
            blocked_until: None,
        }
    }

    fn is_idle(&mut self, now: Instant) -> bool {
        self.blocked_until.is_none_or(|until| until <= now)
            && self.messages.is_full(now)
            && self.group.as_ref().is_none_or(|group| group.is_idle(now))
    }
}

/// The times of the last messages to a group.
#[derive(Debug, Default)]
struct Window(VecDeque<Instant>);

impl Window {
    fn wait(&self, now: Instant) -> Duration {
        match self.0.front() {
            Some(oldest) if self.0.len() >= GROUP_MESSAGES => {
                (*oldest + GROUP_WINDOW).saturating_duration_since(now)
            }
            _ => Duration::ZERO,
        }
    }

    fn take(&mut self, now: Instant) {
        if self.0.len() >= GROUP_MESSAGES {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    fn is_idle(&self, now: Instant) -> bool {
        self.0
            .back()
            .is_none_or(|last| now.saturating_duration_since(*last) >= GROUP_WINDOW)
    }
}

/// A token bucket that is asked before it is taken from.
#[derive(Debug)]
struct Bucket {
    burst: f64,
    per_second: f64,
    tokens: f64,
    at: Option<Instant>,
}

impl Bucket {
    fn full(burst: f64, per_second: f64) -> Self {
        Self {
            burst,
            per_second,
            tokens: burst,
            at: None,
        }
    }

    fn refill(&mut self, now: Instant) {
        if let Some(at) = self.at {
            let passed = now.saturating_duration_since(at).as_secs_f64();
            self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        }
        self.at = Some(self.at.map_or(now, |at| at.max(now)));
    }

    fn wait(&mut self, now: Instant) -> Duration {
        self.refill(now);
        let missing = 1.0 - self.tokens;
        if missing <= 0.0 {
            return Duration::ZERO;
        }
        // A millisecond more than the exact time: rounding must not send us back for another microsecond.
        Duration::from_secs_f64(missing / self.per_second) + Duration::from_millis(1)
    }

    fn take(&mut self) {
        self.tokens -= 1.0;
    }

    fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.tokens >= self.burst
    }
}

#[cfg(test)]
mod tests;
