//! The one way to Redis: a pool, a deadline for every call, and a circuit in front.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use bb8_redis::bb8;
use parking_lot::Mutex;
use redis::{Cmd, FromRedisValue, ScriptInvocation, Value, from_redis_value};

use crate::circuit::{Change, Circuit};
use crate::error::RedisError;
use crate::events::{self, CallEvents};
use crate::link::{Link, Links};
use crate::settings::Settings;

/// Connections that nobody has used for so long are closed.
const IDLE: Duration = Duration::from_secs(300);

/// Redis, as one process sees it. Cheap to clone.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    pool: bb8::Pool<Links>,
    client: redis::Client,
    settings: Settings,
    circuit: Mutex<Circuit>,
    events: CallEvents,
    /// How many processes like this one were last seen; see [`Redis::instances`].
    instances: AtomicU32,
}

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Within {
    /// Something else waits for it.
    Quick,
    /// Nobody waits.
    Usual,
}

/// What is asked.
pub(crate) enum Request<'a> {
    One(&'a Cmd),
    Script(&'a ScriptInvocation<'a>),
}

impl Redis {
    /// Opens the way to the Redis of the settings; `None` when they name none. Connects to nothing yet, so it passes
    /// while Redis is away. Must be called inside the runtime.
    ///
    /// # Errors
    /// The address cannot be read.
    pub fn open(settings: &Settings) -> Result<Option<Self>, RedisError> {
        if settings.url.is_empty() {
            return Ok(None);
        }
        let client = redis::Client::open(settings.url.expose()).map_err(|_| RedisError::Url)?;
        let links = Links::new(&client, settings.call()).map_err(|_| RedisError::Url)?;
        let pool = bb8::Pool::builder()
            .max_size(settings.connections_max)
            .connection_timeout(settings.call())
            .test_on_check_out(false)
            .retry_connection(false)
            .idle_timeout(IDLE)
            .build_unchecked(links);
        let inner = Inner {
            pool,
            client,
            circuit: Mutex::new(Circuit::new(settings.failures_max, settings.away())),
            settings: settings.clone(),
            events: CallEvents::resolve(settings.connections_max),
            instances: AtomicU32::new(1),
        };
        Ok(Some(Self {
            inner: Arc::new(inner),
        }))
    }

    /// Whether Redis is known to be away. Costs nothing; a call may find out otherwise.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.inner.circuit.lock().is_open()
    }

    /// Asks whether it is there, whatever the circuit thinks, and tells the circuit.
    ///
    /// # Errors
    /// It is not, or not in time.
    pub async fn ping(&self) -> Result<Duration, RedisError> {
        let asked = Instant::now();
        let pong = redis::cmd("PING");
        self.call("ping", self.inner.settings.call(), &Request::One(&pong))
            .await?;
        Ok(asked.elapsed())
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn client(&self) -> &redis::Client {
        &self.inner.client
    }

    pub(crate) fn seen_instances(&self) -> &AtomicU32 {
        &self.inner.instances
    }

    /// A name of this house's.
    pub(crate) fn key(&self, name: impl fmt::Display) -> String {
        format!("{}:{name}", self.inner.settings.key_prefix)
    }

    /// Asks, unless it is known to be of no use.
    ///
    /// # Cancel safety
    /// Whether a dropped call was done is not known; the connection stays whole.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        operation: &'static str,
        within: Within,
        request: &Request<'_>,
    ) -> Result<T, RedisError> {
        if !self.inner.circuit.lock().admit(Instant::now()) {
            return Err(RedisError::Away);
        }
        let within = match within {
            Within::Quick => self.inner.settings.quick_call(),
            Within::Usual => self.inner.settings.call(),
        };
        let answer = self.call(operation, within, request).await?;
        from_redis_value(answer).map_err(|error| RedisError::of(operation, error.into()))
    }

    async fn call(
        &self,
        operation: &'static str,
        within: Duration,
        request: &Request<'_>,
    ) -> Result<Value, RedisError> {
        let asked = Instant::now();
        let answer = tokio::time::timeout(within, self.call_unbounded(operation, request))
            .await
            .unwrap_or(Err(RedisError::Late { operation, within }));
        self.inner.events.called(
            operation,
            asked.elapsed(),
            &answer,
            &self.inner.pool.state(),
        );
        self.learn(&answer);
        answer
    }

    async fn call_unbounded(
        &self,
        operation: &'static str,
        request: &Request<'_>,
    ) -> Result<Value, RedisError> {
        let link = self.inner.pool.get().await.map_err(|error| match error {
            bb8::RunError::User(source) => RedisError::of(operation, source),
            bb8::RunError::TimedOut => RedisError::Late {
                operation,
                within: self.inner.settings.call(),
            },
        })?;
        // Dropped in the middle, the link is thrown away: its answer may never come.
        let mut using = Using { link };
        let answer = using.send(request).await;
        let answer = answer.map_err(|source| RedisError::of(operation, source));
        using.link.is_broken = matches!(answer, Err(RedisError::Lost { .. }));
        answer
    }

    fn learn<T>(&self, answer: &Result<T, RedisError>) {
        let mut circuit = self.inner.circuit.lock();
        let change = match answer {
            Ok(_) | Err(RedisError::Refused { .. }) => circuit.succeeded(),
            Err(RedisError::Late { .. } | RedisError::Lost { .. }) => {
                circuit.failed(Instant::now())
            }
            Err(RedisError::Away | RedisError::Url) => Change::None,
        };
        drop(circuit);
        match (change, answer) {
            (Change::Opened, Err(error)) => events::went_away(error),
            (Change::Closed, _) => events::came_back(),
            (Change::Opened | Change::None, _) => {}
        }
    }
}

/// A borrowed link, marked as broken until its answer has come.
struct Using<'a> {
    link: bb8::PooledConnection<'a, Links>,
}

impl Using<'_> {
    async fn send(&mut self, request: &Request<'_>) -> redis::RedisResult<Value> {
        let link: &mut Link = &mut self.link;
        link.is_broken = true;
        match request {
            Request::One(command) => command.query_async(&mut link.connection).await,
            Request::Script(script) => script.invoke_async(&mut link.connection).await,
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Redis")
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}
