//! One connection of the pool, and when it is thrown away.
//!
//! bb8-redis asks a connection for a PING before every use and believes every one to be whole afterwards. Here a
//! connection carries a mark instead: whoever had no answer through it leaves the mark, and the pool lets it go.

use std::time::Duration;

use bb8_redis::{RedisConnectionManager, bb8};
use redis::aio::MultiplexedConnection;

/// A connection, and whether it failed somebody.
pub(crate) struct Link {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) is_broken: bool,
}

/// Makes links.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    inner: RedisConnectionManager,
    answer_within: Duration,
}

impl Links {
    pub(crate) fn new(client: &redis::Client, answer_within: Duration) -> redis::RedisResult<Self> {
        let inner = RedisConnectionManager::new(client.get_connection_info().clone())?;
        Ok(Self {
            inner,
            answer_within,
        })
    }
}

impl bb8::ManageConnection for Links {
    type Connection = Link;
    type Error = redis::RedisError;

    async fn connect(&self) -> Result<Link, redis::RedisError> {
        let mut connection = self.inner.connect().await?;
        connection.set_response_timeout(self.answer_within);
        Ok(Link {
            connection,
            is_broken: false,
        })
    }

    async fn is_valid(&self, link: &mut Link) -> Result<(), redis::RedisError> {
        self.inner.is_valid(&mut link.connection).await
    }

    fn has_broken(&self, link: &mut Link) -> bool {
        link.is_broken
    }
}
