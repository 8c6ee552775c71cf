//! Words that reach whoever listens at this moment, and nobody else: wake-ups.
//!
//! Published through the pool, heard on a connection of their own. A listener pings while it is quiet, so that a server
//! that vanished without a word is noticed within a second.

use std::time::Duration;

use futures::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::time::timeout;

use crate::client::{Redis, Request, Within};
use crate::error::RedisError;

/// How long it may be quiet before the listener asks whether anybody is still there.
const QUIET: Duration = Duration::from_millis(500);

/// Hears what is said on one channel.
pub struct Listener {
    said: PubSubStream,
    sink: PubSubSink,
    answer_within: Duration,
}

impl Redis {
    /// Says something on a channel; answers how many listeners heard it.
    ///
    /// # Errors
    /// Redis is away or too slow; it may have been heard nevertheless.
    pub async fn say(&self, channel: &str, words: &str) -> Result<u64, RedisError> {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(self.key(channel)).arg(words);
        self.ask("publish", Within::Quick, &Request::One(&publish))
            .await
    }

    /// Listens to a channel, from now on.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn listen(&self, channel: &str) -> Result<Listener, RedisError> {
        let operation = "subscribe";
        let within = self.settings().call();
        let subscribe = async {
            let pubsub = self.client().get_async_pubsub().await?;
            let (mut sink, said) = pubsub.split();
            sink.subscribe(self.key(channel)).await?;
            Ok(Listener {
                said,
                sink,
                answer_within: within,
            })
        };
        timeout(within, subscribe)
            .await
            .map_err(|_| RedisError::Late { operation, within })?
            .map_err(|source| RedisError::of(operation, source))
    }
}

impl Listener {
    /// The next words. Never `Ok` without words.
    ///
    /// # Errors
    /// The connection is gone; listen again, and expect to have missed something.
    ///
    /// # Cancel safety
    /// Cancel safe: a dropped call loses no words.
    pub async fn next(&mut self) -> Result<String, RedisError> {
        let operation = "listen";
        loop {
            match timeout(QUIET, self.said.next()).await {
                Ok(Some(message)) => {
                    return message
                        .get_payload()
                        .map_err(|error| RedisError::of(operation, error));
                }
                Ok(None) => return Err(self.is_gone(operation)),
                Err(_) => {
                    let ping = timeout(self.answer_within, self.sink.ping::<redis::Value>());
                    match ping.await {
                        Ok(Ok(_)) => {}
                        Ok(Err(source)) => return Err(RedisError::of(operation, source)),
                        Err(_) => return Err(self.is_gone(operation)),
                    }
                }
            }
        }
    }

    fn is_gone(&self, operation: &'static str) -> RedisError {
        RedisError::Late {
            operation,
            within: self.answer_within,
        }
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Listener")
    }
}
