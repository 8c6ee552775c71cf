//! Limits that several processes share: one script, and the time is Redis's own, so no edge's clock matters.
//!
//! A request counts against several limits together or against none. What a refusal means, and what happens while Redis is
//! away, is for `security`.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;
use serde::Deserialize;

use crate::client::{Redis, Request, Within};
use crate::error::RedisError;

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("limits/take.lua")));

/// How requests are counted against a limit, here and in a process alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// A bucket that fills steadily: bursts up to the quota, and its pace after that. At most twice the quota passes within
    /// any window.
    #[default]
    TokenBucket,
    /// At most the quota passes within any window. What was used comes back when it is a window old, or up to a sixty-fourth
    /// of a window later, never earlier.
    SlidingWindow,
    /// The whole quota anew in every window, which begins with its first request. Twice the quota may pass around the turn.
    FixedWindow,
}

impl Algorithm {
    /// As it stands in settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TokenBucket => "token_bucket",
            Self::SlidingWindow => "sliding_window",
            Self::FixedWindow => "fixed_window",
        }
    }
}

/// What is asked of one limit.
#[derive(Debug, Clone, Copy)]
pub struct LimitAsk<'a> {
    /// The limit. Whoever asks for the same name, counted in the same way, shares it.
    pub name: &'a str,
    /// How it is counted.
    pub algorithm: Algorithm,
    /// Its window. Counted in microseconds; at least one.
    pub window: Duration,
    /// How much fits into a window.
    pub max: u32,
    /// How much is to be counted; zero only looks.
    pub tokens: u32,
}

/// How one limit stands after it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitState {
    /// How much is left now.
    pub remaining: u32,
    /// When nothing will be missing any more.
    pub full_after: Duration,
    /// When what was asked for would be there; zero when it is.
    pub enough_after: Duration,
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Whether every limit had room; else it counts against none.
    pub allowed: bool,
    /// Each limit, in the order of asking.
    pub limits: Vec<LimitState>,
}

impl Redis {
    /// Counts a request against all of these limits, or against none.
    ///
    /// # Errors
    /// Redis is away or too slow; whether the request was counted is not known then.
    pub async fn take(&self, asks: &[LimitAsk<'_>]) -> Result<Taken, RedisError> {
        let mut script = TAKE.prepare_invoke();
        for ask in asks {
            let algorithm = ask.algorithm.name();
            script.key(self.key(format_args!("{algorithm}:{}", ask.name)));
            script.arg(algorithm);
            script.arg(micros(ask.window).max(1));
            script.arg(ask.max);
            script.arg(ask.tokens);
        }
        let answer: Vec<i64> = self
            .ask("take_tokens", Within::Quick, &Request::Script(&script))
            .await?;
        let (allowed, states) = answer.split_first().unwrap_or((&0, &[]));
        let state = |numbers: &[i64]| match numbers {
            [remaining, full_after, enough_after] => LimitState {
                remaining: u32::try_from(*remaining).unwrap_or(0),
                full_after: from_micros(*full_after),
                enough_after: from_micros(*enough_after),
            },
            _ => LimitState::default(),
        };
        Ok(Taken {
            allowed: *allowed == 1,
            limits: states.chunks(3).map(state).collect(),
        })
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn from_micros(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
