//! Reading the stream as one of a group: each event reaches one consumer of the group, at least once.
//!
//! What was heard and not declared done comes again: to the same consumer at once, to another one of its group when the
//! first has been silent for long. A gap is heard like an event and stays until it is declared done, so that a crash in
//! between does not make anybody believe that nothing was missed.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use redis::{Script, Value, from_redis_value};

use super::{FIELDS, LiveEvent, STREAM};
use crate::client::{Redis, Request, Within};
use crate::error::RedisError;
use crate::events::LiveEvents;

static LOOK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("look.lua")));
static OVER_GAP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("over_gap.lua")));

/// Events that are heard at once.
const BATCH_MAX: usize = 200;
/// How often the others of the group are looked after, at least.
const RESCUE_EVERY: Duration = Duration::from_secs(5);

/// What a consumer heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// These happened, oldest first.
    Events(Vec<LiveEvent>),
    /// Something may have happened that nobody will be told: read the state from Postgres, then say that it is done.
    /// The first thing that a new group hears.
    Gap,
}

/// One consumer of a group.
pub struct Subscriber {
    redis: Redis,
    group: String,
    consumer: String,
    /// A consumer that was silent for so long is believed to be gone, and what it heard comes to another one.
    silent_max: Duration,
    rescued: Option<Instant>,
    open: Option<Open>,
    events: LiveEvents,
}

/// What was heard last and is not done yet.
enum Open {
    Entries(Vec<String>),
    Gap { upto: i64 },
}

/// What one look found.
enum Found {
    Entries(Vec<(String, LiveEvent)>),
    Gap { upto: i64 },
    Nothing { delivered: String },
}

impl Subscriber {
    /// The consumer of this name in this group. The name should be the same after a restart, and never two at a time.
    #[must_use]
    pub fn new(redis: Redis, group: &str, consumer: &str, silent_max: Duration) -> Self {
        Self {
            redis,
            group: group.to_owned(),
            consumer: consumer.to_owned(),
            silent_max,
            rescued: None,
            open: None,
            events: LiveEvents::resolve(),
        }
    }

    /// Waits for what comes next. What was heard before and not [`done`](Self::done) is heard again.
    ///
    /// # Errors
    /// Redis is away: try again after a while, nothing is lost by it.
    ///
    /// # Cancel safety
    /// Cancel safe: what a dropped call had found is found again.
    pub async fn next(&mut self) -> Result<Heard, RedisError> {
        loop {
            match self.look().await? {
                Found::Gap { upto } => {
                    self.events.missed(&self.group);
                    self.open = Some(Open::Gap { upto });
                    return Ok(Heard::Gap);
                }
                Found::Entries(found) => {
                    let (entries, events): (Vec<_>, Vec<_>) = found.into_iter().unzip();
                    self.events.heard(events.len());
                    self.open = Some(Open::Entries(entries));
                    return Ok(Heard::Events(events));
                }
                Found::Nothing { delivered } => self.wait_behind(&delivered).await?,
            }
        }
    }

    /// Says that what was heard last has been dealt with: it does not come again.
    ///
    /// # Errors
    /// Redis is away; it will come again, unless this is repeated.
    pub async fn done(&mut self) -> Result<(), RedisError> {
        match &self.open {
            None => return Ok(()),
            Some(Open::Entries(entries)) => {
                let mut ack = redis::cmd("XACK");
                ack.arg(self.stream()).arg(&self.group).arg(entries);
                let _acknowledged: i64 = self
                    .redis
                    .ask("acknowledge_live", Within::Usual, &Request::One(&ack))
                    .await?;
            }
            Some(Open::Gap { upto }) => {
                let mut script = OVER_GAP.prepare_invoke();
                script.key(self.stream()).arg(&self.group).arg(*upto);
                let _over: i64 = self
                    .redis
                    .ask("step_over_gap", Within::Usual, &Request::Script(&script))
                    .await?;
            }
        }
        self.open = None;
        Ok(())
    }

    fn stream(&self) -> String {
        self.redis.key(STREAM)
    }

    async fn look(&mut self) -> Result<Found, RedisError> {
        let operation = "look_live";
        let rescue = self
            .rescued
            .is_none_or(|rescued| rescued.elapsed() >= RESCUE_EVERY.min(self.silent_max));
        let silent_max = u64::try_from(self.silent_max.as_millis()).unwrap_or(u64::MAX);
        let mut script = LOOK.prepare_invoke();
        script
            .key(self.stream())
            .arg(&self.group)
            .arg(&self.consumer)
            .arg(BATCH_MAX)
            .arg(if rescue { silent_max.max(1) } else { 0 });
        let request = Request::Script(&script);
        let (kind, position, entries): (String, String, Value) =
            self.redis.ask(operation, Within::Usual, &request).await?;
        if rescue {
            self.rescued = Some(Instant::now());
        }
        Ok(match kind.as_str() {
            "gap" => Found::Gap {
                upto: position.parse().unwrap_or(0),
            },
            "events" => Found::Entries(
                read(entries).map_err(|error| RedisError::of(operation, error.into()))?,
            ),
            _ => Found::Nothing {
                delivered: position,
            },
        })
    }

    /// Returns when there is something behind this entry, or after a while.
    async fn wait_behind(&self, entry: &str) -> Result<(), RedisError> {
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT")
            .arg(1)
            .arg("BLOCK")
            .arg((self.redis.settings().call_ms / 2).max(1))
            .arg("STREAMS")
            .arg(self.stream())
            .arg(entry);
        let _news: Value = self
            .redis
            .ask("wait_live", Within::Usual, &Request::One(&read))
            .await?;
        Ok(())
    }
}

type Entry = (String, Vec<(String, String)>);

fn read(entries: Value) -> Result<Vec<(String, LiveEvent)>, redis::ParsingError> {
    let entries: Vec<Entry> = from_redis_value(entries)?;
    let event = |(entry, fields): Entry| {
        let mut values = FIELDS.map(|wanted| {
            let found = fields.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        });
        let [id, name, trace, at, data] = values.each_mut().map(std::mem::take);
        let event = LiveEvent {
            id,
            name,
            trace,
            at,
            data,
        };
        (entry, event)
    };
    Ok(entries.into_iter().map(event).collect())
}

impl std::fmt::Debug for Subscriber {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Subscriber")
            .field("group", &self.group)
            .field("consumer", &self.consumer)
            .finish_non_exhaustive()
    }
}
