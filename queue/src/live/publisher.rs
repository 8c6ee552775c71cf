//! The publisher: one process of all leads, the others wait for it to fall silent.

use std::time::{Duration, Instant};

use sallyport_postgres::{Connection, Pools};
use sallyport_redis::Redis;
use tokio_util::sync::CancellationToken;

use super::lead::{self, Progress};
use super::page;
use crate::error::StoreError;
use crate::events::{self, LiveEvents};
use crate::pace::Pace;

/// Events of a page: one call of Redis, which is busy with it for about two milliseconds.
const PAGE_MAX: i64 = 500;
/// How often the lead is asked for, or confirmed while nothing happens.
const LEAD_EVERY: Duration = Duration::from_secs(1);

/// Publishes what is new, when it is this process's turn.
pub(crate) struct Publisher {
    pools: Pools,
    redis: Redis,
    me: String,
    /// After a page the next one waits, so that catching up does not starve what is caught up with.
    pause: Duration,
    leading: Option<Leading>,
    asked: Option<Instant>,
    events: LiveEvents,
}

/// How far we are, as the one who leads.
#[derive(Debug)]
struct Leading {
    progress: Progress,
    confirmed: Instant,
}

/// What one turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// There may be more.
    More,
    /// There is nothing to publish.
    Idle,
}

impl Publisher {
    /// A publisher that calls itself `me`, a name that nobody else has, and publishes at most so much.
    pub(crate) fn new(pools: Pools, redis: Redis, me: String, events_per_second_max: u32) -> Self {
        let pages_per_second = f64::from(events_per_second_max.max(1)) / PAGE_MAX as f64;
        Self {
            pools,
            redis,
            me,
            pause: Duration::from_secs_f64(1.0 / pages_per_second),
            leading: None,
            asked: None,
            events: LiveEvents::resolve(),
        }
    }

    /// Publishes one page, if it is this process's turn and there is one. While Redis is away nothing is read, and
    /// somebody else may lead: their way to Redis may be whole.
    async fn turn(&mut self) -> Result<Turn, StoreError> {
        if self.redis.is_away() {
            self.resign().await?;
            return Ok(Turn::Idle);
        }
        let Some(leading) = self.lead().await? else {
            return Ok(Turn::Idle);
        };
        let (mut progress, confirmed) = (leading.progress.clone(), leading.confirmed);
        let connection = self.connection().await?;
        let page = page::next(&*connection, &progress, PAGE_MAX).await?;
        let last = progress.published;
        progress = page.progress;
        if page.events.is_empty() {
            // Where we are is written down with the next page; to look at this again would cost next to nothing.
            self.leading = Some(Leading {
                progress,
                confirmed,
            });
            return Ok(Turn::Idle);
        }
        match self.redis.publish_live(last, &page.events).await {
            Ok(last) => progress.published = last,
            Err(error) => {
                self.events.failed(page.events.len(), &error);
                drop(connection);
                self.resign().await?;
                return Ok(Turn::Idle);
            }
        }
        self.events.published(page.events.len());
        let leads_still = lead::advance(&*connection, &self.me, &progress).await?;
        self.leading = leads_still.then(|| Leading {
            progress,
            confirmed: Instant::now(),
        });
        Ok(if page.is_full { Turn::More } else { Turn::Idle })
    }

    /// Asks for the lead, or confirms it, when it is time to.
    async fn lead(&mut self) -> Result<Option<&Leading>, StoreError> {
        let now = Instant::now();
        let is_due = |asked: Instant| now.saturating_duration_since(asked) >= LEAD_EVERY;
        let must_ask = match &self.leading {
            Some(leading) => is_due(leading.confirmed),
            None => self.asked.is_none_or(is_due),
        };
        if must_ask {
            self.asked = Some(now);
            let connection = self.connection().await?;
            let led = lead::lead(&*connection, &self.me).await?;
            self.leading = match (led, self.leading.take()) {
                // What we know ourselves is newer than what was written down.
                (Some(_), Some(known)) => Some(Leading {
                    confirmed: now,
                    ..known
                }),
                (Some(progress), None) => Some(Leading {
                    progress,
                    confirmed: now,
                }),
                (None, _) => None,
            };
        }
        Ok(self.leading.as_ref())
    }

    async fn resign(&mut self) -> Result<(), StoreError> {
        if self.leading.take().is_none() {
            return Ok(());
        }
        self.asked = Some(Instant::now());
        let connection = self.connection().await?;
        lead::resign(&*connection, &self.me).await
    }

    /// The pool whose plans are fixed: planning a page over all days costs more than reading it.
    async fn connection(&self) -> Result<Connection, StoreError> {
        let operation = "publish the news";
        let pool = self.pools.settle().map_err(StoreError::pool(operation))?;
        pool.get().await.map_err(StoreError::pool(operation))
    }
}

/// Publishes until `stop`, then lets another one lead.
pub(crate) async fn run(mut publisher: Publisher, every_ms: u64, stop: CancellationToken) {
    let mut pace = Pace::new(every_ms, stop.clone());
    while pace.next().await {
        loop {
            let turn = publisher.turn().await;
            match turn {
                Ok(Turn::More) => {
                    let pause = tokio::time::sleep(publisher.pause);
                    if stop.run_until_cancelled(pause).await.is_none() {
                        break;
                    }
                }
                Ok(Turn::Idle) => break,
                Err(error) => {
                    publisher.leading = None;
                    events::chore_failed("live", &error);
                    break;
                }
            }
        }
    }
    if let Err(error) = publisher.resign().await {
        events::chore_failed("live", &error);
    }
}
