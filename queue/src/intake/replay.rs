//! Bringing the spool back into Postgres: in order, in batches, until it is empty.
//!
//! A batch is committed first and forgotten by the spool afterwards, so a crash in between brings it again and the unique
//! pair absorbs it (law L2). What dead edges have left is older than what this one holds, so it comes first. Between two
//! batches there is a pause as long as the batch took: whoever works on the queue meanwhile keeps half of the database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_postgres::{Fault, Pools};
use sallyport_telemetry::trace::{LINKS_MAX, SpanKind, Trail};
use tokio_util::sync::CancellationToken;

use crate::error::StoreError;
use crate::events::{IntakeEvents, ReplayEvents};
use crate::message::Receipt;
use crate::partition::PartitionSet;
use crate::spool::{self, Keeper, Record};
use crate::wake::Bell;

use super::put::{Given, Putter};
use super::record::Spooled;
use super::spooling::Spooling;

/// How long a batch may take; the last one, for which accepts wait, less.
const DEADLINE: Duration = Duration::from_secs(2);
const LAST_DEADLINE: Duration = Duration::from_millis(300);
/// How long accepts wait at most for the last batch, its disk included.
const RETURN_MAX: Duration = Duration::from_millis(600);
/// How large a batch becomes at most.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// How soon a Postgres that was away is asked again, at first and at last.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(1);
/// The longest pause between two batches.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// How often to look for what dead edges have left, and to try a spool that could not be opened again.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How often a batch that got in another's way is tried.
const TRIES_MAX: u32 = 3;

/// Replays until it is stopped. What is left then stays on the disk for the next start.
pub(crate) async fn run(
    spooling: Arc<Spooling>,
    pools: Pools,
    bell: Bell,
    stop: CancellationToken,
) {
    let replayer = Replayer {
        spooling: Arc::clone(&spooling),
        putter: Putter::new(pools),
        bell,
        events: ReplayEvents::resolve(),
        intake_events: IntakeEvents::resolve(),
    };
    // What is cut off here was either committed, and comes again, or it was not.
    stop.run_until_cancelled(replayer.run()).await;
    // Nobody may wait for a last batch that is not coming.
    spooling.end_return();
}

struct Replayer {
    spooling: Arc<Spooling>,
    putter: Putter,
    bell: Bell,
    events: ReplayEvents,
    intake_events: IntakeEvents,
}

/// What became of a look at a spool.
enum Looked {
    /// It is empty.
    Empty,
    /// A batch was replayed; the next one may follow after this pause. Whether there was more than one batch.
    Replayed { pause: Duration, is_more: bool },
    /// Postgres did not take it, or the disk did not give it.
    Away,
}

/// What became of a batch.
struct Replayed {
    /// The place behind the last record that is done with.
    up_to: u64,
    /// The records that Postgres refuses for good.
    refused: Vec<u64>,
    /// Whether Postgres went away in the middle.
    is_cut: bool,
}

impl Replayer {
    async fn run(&self) {
        let mut orphan = None;
        loop {
            if let Err(error) = self.spooling.open().await {
                spool::not_opened(&error);
            }
            self.replay_orphan(&mut orphan).await;
            let is_idle = match self.spooling.keeper() {
                Some(keeper) => self.replay_own(keeper).await,
                None => true,
            };
            if is_idle {
                // Woken or not, there may be something.
                drop(tokio::time::timeout(LOOK_EVERY, self.spooling.filled.notified()).await);
            }
        }
    }

    /// Replays this process's spool until it is empty, or until it is time to look for orphans again. Says whether it is empty.
    async fn replay_own(&self, keeper: &Keeper) -> bool {
        let began = Instant::now();
        let mut again_after = AGAIN_AFTER;
        while began.elapsed() < LOOK_EVERY {
            match self.look_at_own(keeper, DEADLINE).await {
                Looked::Empty => return true,
                Looked::Replayed { pause, is_more } => {
                    again_after = AGAIN_AFTER;
                    tokio::time::sleep(pause).await;
                    if !is_more && self.go_back(keeper).await {
                        return true;
                    }
                }
                Looked::Away => {
                    tokio::time::sleep(again_after).await;
                    again_after = (again_after * 2).min(AGAIN_AFTER_MAX);
                }
            }
        }
        false
    }

    /// Little is left: lets accepts wait while the last of it is replayed, so that the spool is empty although they keep
    /// coming (law L3). Says whether it is; if not, everything goes on as before.
    async fn go_back(&self, keeper: &Keeper) -> bool {
        let last = async {
            self.spooling.begin_return().await;
            loop {
                match self.look_at_own(keeper, LAST_DEADLINE).await {
                    Looked::Empty => return true,
                    Looked::Replayed { .. } => {}
                    Looked::Away => return false,
                }
            }
        };
        let is_empty = tokio::time::timeout(RETURN_MAX, last).await;
        self.spooling.end_return();
        is_empty.unwrap_or(false)
    }

    async fn look_at_own(&self, keeper: &Keeper, limit: Duration) -> Looked {
        let asked = Instant::now();
        let (looked, emptied_up_to) = self.look(keeper, limit).await;
        match looked {
            Looked::Empty => self.spooling.emptied(emptied_up_to),
            Looked::Replayed { .. } => self.spooling.replayed(asked.elapsed(), emptied_up_to),
            Looked::Away => {}
        }
        looked
    }

    /// Replays what a dead edge has left, to its end, and then lets go of it. While Postgres is away it stays taken.
    async fn replay_orphan(&self, orphan: &mut Option<Keeper>) {
        if orphan.is_none() {
            match self.spooling.adopt().await {
                Ok(found) => *orphan = found,
                Err(error) => self.events.not_adopted(&error),
            }
        }
        let Some(keeper) = orphan.as_ref() else {
            return;
        };
        loop {
            match self.look(keeper, DEADLINE).await.0 {
                Looked::Replayed { pause, .. } => tokio::time::sleep(pause).await,
                Looked::Empty => break,
                Looked::Away => return,
            }
        }
        *orphan = None;
    }

    /// Replays the next batch of a spool. Also returns up to where the spool is empty, if it is.
    async fn look(&self, keeper: &Keeper, limit: Duration) -> (Looked, Option<u64>) {
        let batch_max = self.spooling.settings.replay_batch_max;
        let peeked = match keeper.peek(batch_max, BATCH_BYTES_MAX).await {
            Ok(peeked) => peeked,
            Err(error) => {
                self.events.not_read(&error);
                return (Looked::Away, None);
            }
        };
        if peeked.records.is_empty() {
            return (Looked::Empty, peeked.emptied_up_to);
        }
        let began = Instant::now();
        let replayed = self.replay(&peeked.records, limit).await;
        let pause = began.elapsed().min(PAUSE_MAX);
        let is_cut = replayed.is_cut;
        let first = peeked.records.first().map_or(0, |record| record.sequence);
        if replayed.up_to <= first {
            return (Looked::Away, None);
        }
        #[cfg(feature = "fail-points")]
        sallyport_telemetry::points::reach(sallyport_telemetry::points::Point::K11).await;
        let emptied_up_to = keeper.advance(replayed.up_to, replayed.refused).await;
        let looked = if is_cut {
            Looked::Away
        } else {
            Looked::Replayed {
                pause,
                is_more: peeked.records.len() >= batch_max,
            }
        };
        (looked, emptied_up_to)
    }

    /// Puts records into Postgres, in order.
    async fn replay(&self, records: &[Record], limit: Duration) -> Replayed {
        let mut refused = Vec::new();
        let mut batch = Vec::with_capacity(records.len());
        for record in records {
            match self.spooling.clocks.message(record) {
                Ok(spooled) => batch.push(spooled),
                Err(error) => {
                    self.events.unreadable(record.sequence, &error);
                    refused.push(record.sequence);
                }
            }
        }
        let up_to = records.last().map_or(0, |record| record.sequence + 1);
        let first = records.first().map_or(0, |record| record.sequence);
        match self.put(&batch, limit).await {
            Ok(()) => Replayed {
                up_to,
                refused,
                is_cut: false,
            },
            Err(error) if is_away(&error) => {
                self.events.postgres_is_away(&error);
                Replayed {
                    up_to: first,
                    refused: Vec::new(),
                    is_cut: true,
                }
            }
            Err(_) => self.replay_one_by_one(&batch, first, up_to, refused).await,
        }
    }

    /// One of them may be to blame. When none of them passes, it is not them.
    async fn replay_one_by_one(
        &self,
        batch: &[Spooled],
        first: u64,
        up_to: u64,
        mut refused: Vec<u64>,
    ) -> Replayed {
        let mut has_passed = false;
        let mut done_up_to = first;
        for spooled in batch {
            match self.put(std::slice::from_ref(spooled), DEADLINE).await {
                Ok(()) => has_passed = true,
                Err(error) if error.fault() == Fault::Data || (has_passed && !is_away(&error)) => {
                    self.events.refused(&spooled.message, &error);
                    refused.push(spooled.sequence);
                }
                Err(error) => {
                    self.events.postgres_is_away(&error);
                    refused.retain(|sequence| *sequence < done_up_to);
                    return Replayed {
                        up_to: done_up_to,
                        refused,
                        is_cut: true,
                    };
                }
            }
            done_up_to = spooled.sequence + 1;
        }
        Replayed {
            up_to,
            refused,
            is_cut: false,
        }
    }

    async fn put(&self, batch: &[Spooled], limit: Duration) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let given: Vec<Given<'_>> = batch
            .iter()
            .map(|spooled| Given {
                message: &spooled.message,
                age: spooled.age,
            })
            .collect();
        let trail = Trail::root();
        let mut span = trail.start("spool replay", SpanKind::Internal);
        span.set("sallyport.spool.records", batch.len());
        for spooled in batch.iter().take(LINKS_MAX) {
            span.link(spooled.message.trace);
        }
        let mut tries = 0;
        let receipts = loop {
            tries += 1;
            let put = self.putter.put(&given, limit, &self.intake_events);
            match put.await {
                Err(error)
                    if tries < TRIES_MAX
                        && matches!(error.fault(), Fault::Serialization | Fault::Deadlock) => {}
                other => break other?,
            }
        };
        span.end();
        if let Some(sinks) = self.spooling.sinks.get() {
            sinks.keep(trail.finish());
        }
        self.tell(batch, &receipts);
        Ok(())
    }

    fn tell(&self, batch: &[Spooled], receipts: &[Receipt]) {
        let mut partitions = PartitionSet::EMPTY;
        for (spooled, receipt) in batch.iter().zip(receipts) {
            let message = &spooled.message;
            self.events.replayed(&message.kind, receipt.duplicate);
            if !receipt.duplicate && message.delay.is_none_or(|delay| delay.is_zero()) {
                partitions.insert(message.key.partition());
            }
        }
        self.bell.ring(partitions);
    }
}

/// Whether nobody's message is to blame.
fn is_away(error: &StoreError) -> bool {
    error.may_pass_later()
}
