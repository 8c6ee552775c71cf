//! Writing to the stream: a page of events at once, all or none.

use std::sync::LazyLock;

use redis::Script;

use super::{FIELDS, LiveEvent, STREAM};
use crate::client::{Redis, Request, Within};
use crate::error::RedisError;

static PUBLISH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("publish.lua")));

impl Redis {
    /// Publishes events, numbered from the one behind `last`, and answers with the number of the last of them. When the
    /// stream has come further than `last` (an answer got lost, Postgres was restored), numbering goes on behind it: an
    /// event may come twice, none is left out.
    ///
    /// # Errors
    /// Redis is away or too slow; whether they were published is not known then. Publish the same again.
    pub async fn publish_live(&self, last: i64, events: &[LiveEvent]) -> Result<i64, RedisError> {
        let mut script = PUBLISH.prepare_invoke();
        script
            .key(self.key(STREAM))
            .arg(last)
            .arg(self.settings().live_entries_max)
            .arg(&FIELDS[..]);
        for event in events {
            script
                .arg(&event.id)
                .arg(&event.name)
                .arg(&event.trace)
                .arg(&event.at)
                .arg(&event.data);
        }
        self.ask("publish_live", Within::Usual, &Request::Script(&script))
            .await
    }
}
