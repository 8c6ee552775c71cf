//! How many processes of a kind there are, so that each can take its share of a limit while Redis is away.
//!
//! Each says "I am here" every few seconds; the answer is who else said so lately. What was seen last is remembered when
//! Redis goes away: that is when it is needed.

use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use redis::Script;

use crate::client::{Redis, Request, Within};
use crate::error::RedisError;

static HERE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("presence/here.lua")));
/// Whoever was silent for so long is gone.
const SILENT_SECONDS: u32 = 10;

impl Redis {
    /// How many processes of this kind were seen last, this one among them; 1 until it has been known better.
    #[must_use]
    pub fn instances(&self) -> u32 {
        self.seen_instances().load(Ordering::Relaxed)
    }

    /// Says that the process `instance` of a kind is here, and counts all of its kind.
    pub(crate) async fn say_here(&self, kind: &str, instance: &str) -> Result<u32, RedisError> {
        let mut script = HERE.prepare_invoke();
        script
            .key(self.key(format_args!("here:{kind}")))
            .arg(instance)
            .arg(SILENT_SECONDS);
        let seen: u32 = self
            .ask("say_here", Within::Usual, &Request::Script(&script))
            .await?;
        self.seen_instances().store(seen.max(1), Ordering::Relaxed);
        Ok(seen)
    }
}
