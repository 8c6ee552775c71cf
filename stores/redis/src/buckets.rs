//! Token buckets that several processes share: one script, and the time is Redis's own, so no edge's clock matters.
//!
//! Several buckets are taken from together or not at all. What a refusal means, and what happens while Redis is away, is
//! for `security`.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use crate::client::{Redis, Request, Within};
use crate::error::RedisError;

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("buckets/take.lua")));

/// What is asked of one bucket.
#[derive(Debug, Clone, Copy)]
pub struct BucketAsk<'a> {
    /// The bucket. Whoever asks for the same name shares it.
    pub name: &'a str,
    /// How long one token takes to come back. Counted in microseconds; at least one.
    pub token_every: Duration,
    /// How many tokens fit in.
    pub tokens_max: u32,
    /// How many are to be taken.
    pub tokens: u32,
}

/// How one bucket stands after it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketState {
    /// Tokens that are there now.
    pub remaining: u32,
    /// When it will be full.
    pub full_after: Duration,
    /// When what was asked for would be there; zero when it is.
    pub enough_after: Duration,
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Whether every bucket had enough; else nothing was taken from any.
    pub allowed: bool,
    /// Each bucket, in the order of asking.
    pub buckets: Vec<BucketState>,
}

impl Redis {
    /// Takes from all of these buckets, or from none.
    ///
    /// # Errors
    /// Redis is away or too slow; whether tokens were taken is not known then.
    pub async fn take(&self, asks: &[BucketAsk<'_>]) -> Result<Taken, RedisError> {
        let mut script = TAKE.prepare_invoke();
        for ask in asks {
            script.key(self.key(format_args!("bucket:{}", ask.name)));
            script.arg(micros(ask.token_every).max(1));
            script.arg(ask.tokens_max);
            script.arg(ask.tokens);
        }
        let answer: Vec<i64> = self
            .ask("take_tokens", Within::Quick, &Request::Script(&script))
            .await?;
        let (allowed, states) = answer.split_first().unwrap_or((&0, &[]));
        let state = |numbers: &[i64]| match numbers {
            [remaining, full_after, enough_after] => BucketState {
                remaining: u32::try_from(*remaining).unwrap_or(0),
                full_after: from_micros(*full_after),
                enough_after: from_micros(*enough_after),
            },
            _ => BucketState {
                remaining: 0,
                full_after: Duration::ZERO,
                enough_after: Duration::ZERO,
            },
        };
        Ok(Taken {
            allowed: *allowed == 1,
            buckets: states.chunks(3).map(state).collect(),
        })
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn from_micros(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
