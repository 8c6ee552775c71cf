//! The committer: gathers what arrives while another commit is under way, for a millisecond at most, stores it with one statement,
//! answers everybody.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_postgres::{Connection, Fault, Pools};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::batch::{self, Batch};
use crate::error::{AcceptError, StoreError};
use crate::events::IntakeEvents;
use crate::message::{MessageId, NewMessage, Receipt};
use crate::partition::PartitionSet;
use crate::settings::Settings;
use crate::wake::Bell;

/// How many commits are under way at once: one is written while the next is gathered and sent.
const COMMITS_AT_ONCE: u32 = 2;
/// How often a batch that got in another's way is tried before its messages stand alone.
const TRIES_MAX: u32 = 3;
/// How long to wait before asking a database that is away again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A message that waits for its receipt.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) message: NewMessage,
    pub(super) deadline: tokio::time::Instant,
    pub(super) answer: oneshot::Sender<Result<Receipt, AcceptError>>,
}

/// Owns the way from the channel to the table.
pub(super) struct Committer {
    writer: Arc<Writer>,
    tasks: TaskTracker,
    stop: CancellationToken,
    gather: Duration,
    batch_max: usize,
}

impl Committer {
    pub(super) fn new(
        pools: Pools,
        settings: &Settings,
        bell: Bell,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let writer = Writer {
            pools,
            bell,
            events: IntakeEvents::resolve(),
            statement: batch::put_statement(),
            retry_after: Duration::from_secs(settings.accept_retry_after_seconds),
        };
        Self {
            writer: Arc::new(writer),
            tasks,
            stop,
            gather: Duration::from_micros(settings.accept_gather_us),
            batch_max: settings.accept_batch_max,
        }
    }

    /// Runs until it is stopped or nobody can send any more, and everything that was sent is answered.
    pub(super) async fn run(self, mut incoming: mpsc::Receiver<Waiting>) {
        let slots = Arc::new(Semaphore::new(COMMITS_AT_ONCE as usize));
        while let Some(batch) = self.gather(&mut incoming, &slots).await {
            let (batch, slot) = batch;
            let writer = Arc::clone(&self.writer);
            self.tasks.spawn(async move {
                writer.store(batch).await;
                drop(slot);
            });
        }
    }

    /// The next batch and the right to store it. While both rights are in use, the batch grows.
    async fn gather(
        &self,
        incoming: &mut mpsc::Receiver<Waiting>,
        slots: &Arc<Semaphore>,
    ) -> Option<(Vec<Waiting>, OwnedSemaphorePermit)> {
        let first = tokio::select! {
            biased;
            waiting = incoming.recv() => waiting?,
            () = self.stop.cancelled() => {
                // What was sent before is still answered; whoever comes later is refused as unavailable.
                incoming.close();
                incoming.recv().await?
            }
        };
        let mut batch = vec![first];
        self.let_it_grow(&mut batch, incoming, slots).await;
        // The semaphore is never closed; without it there would be nothing to wait for.
        let slot = Arc::clone(slots).acquire_owned().await.ok()?;
        while batch.len() < self.batch_max {
            match incoming.try_recv() {
                Ok(waiting) => batch.push(waiting),
                Err(_) => break,
            }
        }
        Some((batch, slot))
    }

    /// Takes in what arrives while another commit is under way, for the time of gathering at most. An idle house waits for
    /// nobody: the first message of a quiet second is on its way to the disk at once.
    async fn let_it_grow(
        &self,
        batch: &mut Vec<Waiting>,
        incoming: &mut mpsc::Receiver<Waiting>,
        slots: &Semaphore,
    ) {
        let closes = tokio::time::sleep(self.gather);
        let idle = slots.acquire_many(COMMITS_AT_ONCE);
        tokio::pin!(closes, idle);
        while batch.len() < self.batch_max {
            tokio::select! {
                biased;
                waiting = incoming.recv() => match waiting {
                    Some(waiting) => batch.push(waiting),
                    None => return,
                },
                // Both rights are free for a moment; they are given back here and one of them is taken for this batch.
                _ = &mut idle => return,
                () = &mut closes => return,
            }
        }
    }
}

/// Stores batches and answers their senders.
struct Writer {
    pools: Pools,
    bell: Bell,
    events: IntakeEvents,
    statement: String,
    retry_after: Duration,
}

impl Writer {
    /// Stores the batch together if that works, else one by one. Nobody waits beyond the deadline of the whole batch.
    async fn store(&self, mut batch: Vec<Waiting>) {
        // Crossing pairs would wait for each other: every batch takes them in the same order.
        batch.sort_by(|left, right| pair(&left.message).cmp(&pair(&right.message)));
        let mut tries = 0;
        loop {
            batch.retain(|waiting| !waiting.answer.is_closed());
            let Some(latest) = batch.iter().map(|waiting| waiting.deadline).max() else {
                return;
            };
            let error = match self.put(&batch).await {
                Ok(receipts) => return self.answer(batch, receipts),
                Err(error) => error,
            };
            tries += 1;
            self.events.batch_failed(batch.len(), &error);
            match error.fault() {
                Fault::Serialization | Fault::Deadlock if tries < TRIES_MAX => {}
                Fault::Refused | Fault::ConnectionLost | Fault::Timeout
                    if can_repeat(&batch, error.fault())
                        && tokio::time::Instant::now() + AGAIN_AFTER < latest =>
                {
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
                Fault::Refused | Fault::ConnectionLost | Fault::Timeout => {
                    return self.refuse(batch);
                }
                Fault::Serialization
                | Fault::Deadlock
                | Fault::Unique
                | Fault::Data
                | Fault::Other => {
                    return self.store_one_by_one(batch).await;
                }
            }
        }
    }

    async fn store_one_by_one(&self, batch: Vec<Waiting>) {
        for waiting in batch {
            let alone = std::slice::from_ref(&waiting);
            match self.put(alone).await {
                Ok(receipts) => self.answer(vec![waiting], receipts),
                Err(error) if error.may_pass_later() => self.refuse(vec![waiting]),
                Err(error) => {
                    let reason = std::error::Error::source(&error)
                        .map_or_else(String::new, ToString::to_string);
                    // A sender that has gone hears nothing.
                    drop(waiting.answer.send(Err(AcceptError::Refused { reason })));
                }
            }
        }
    }

    /// One statement, one commit; then whoever was not new learns about the first.
    async fn put(&self, waiting: &[Waiting]) -> Result<Vec<Receipt>, StoreError> {
        let failed = || StoreError::postgres("accept");
        let batch = Batch::of(waiting.iter().map(|waiting| &waiting.message))?;
        let pool = self.pools.accept().map_err(StoreError::pool("accept"))?;
        let connection = pool.get().await.map_err(StoreError::pool("accept"))?;
        let statement = connection
            .prepare_cached(&self.statement)
            .await
            .map_err(failed())?;
        let began = Instant::now();
        let parameters = batch.parameters();
        let storing = connection.query(&statement, &parameters);
        #[cfg(feature = "fail-points")]
        let storing = sallyport_telemetry::points::reach_during(
            sallyport_telemetry::points::Point::K2,
            storing,
        );
        let rows = storing.await.map_err(failed())?;
        self.events.committed(began.elapsed());

        let stored: HashMap<i64, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let mut receipts: Vec<Option<Receipt>> = (1..)
            .zip(waiting)
            .map(|(place, waiting)| {
                let id = MessageId(*stored.get(&place)?);
                Some(Receipt {
                    id,
                    trace: waiting.message.trace,
                    duplicate: false,
                })
            })
            .collect();
        if stored.len() < waiting.len() {
            first_ones(&connection, waiting, &mut receipts).await?;
        }
        // A pair that was pruned between the two statements leaves a gap; asking again stores it.
        let complete: Option<Vec<Receipt>> = receipts.into_iter().collect();
        complete.ok_or_else(|| StoreError::Row {
            table: "deliveries",
            what: "a pair came and went".to_owned(),
        })
    }

    fn answer(&self, batch: Vec<Waiting>, receipts: Vec<Receipt>) {
        let mut partitions = PartitionSet::EMPTY;
        for (waiting, receipt) in batch.into_iter().zip(receipts) {
            let message = &waiting.message;
            if !receipt.duplicate && message.delay.is_none_or(|delay| delay.is_zero()) {
                partitions.insert(message.key.partition());
            }
            self.events
                .accepted(&message.source, &message.kind, receipt.duplicate);
            // A sender that has gone hears nothing; its message is stored all the same.
            drop(waiting.answer.send(Ok(receipt)));
        }
        self.bell.ring(partitions);
    }

    fn refuse(&self, batch: Vec<Waiting>) {
        for waiting in batch {
            // A sender that has gone hears nothing.
            drop(waiting.answer.send(Err(AcceptError::Unavailable {
                retry_after: self.retry_after,
            })));
        }
    }
}

fn pair(message: &NewMessage) -> (&str, Option<&str>) {
    (&message.source, message.delivery_id.as_deref())
}

/// After a lost connection nobody knows whether the batch is stored. The unique pair tells for those that have one; for
/// the others a repeat could store them twice, so their senders decide.
fn can_repeat(batch: &[Waiting], fault: Fault) -> bool {
    fault != Fault::ConnectionLost
        || batch
            .iter()
            .all(|waiting| waiting.message.delivery_id.is_some())
}

/// Fills the gaps with the receipts of those who came first. A trace of our own there means that we were first, and only
/// the answer to our commit had got lost.
async fn first_ones(
    connection: &Connection,
    waiting: &[Waiting],
    receipts: &mut [Option<Receipt>],
) -> Result<(), StoreError> {
    let gaps: Vec<(&Waiting, &mut Option<Receipt>)> = waiting
        .iter()
        .zip(receipts)
        .filter(|(_, receipt)| receipt.is_none())
        .collect();
    let sources: Vec<&str> = gaps
        .iter()
        .map(|(waiting, _)| waiting.message.source.as_str())
        .collect();
    let delivery_ids: Vec<Option<&str>> = gaps
        .iter()
        .map(|(waiting, _)| waiting.message.delivery_id.as_deref())
        .collect();
    let statement = connection
        .prepare_cached(include_str!("first_ones.sql"))
        .await
        .map_err(StoreError::postgres("look up a duplicate"))?;
    let rows = connection
        .query(&statement, &[&sources, &delivery_ids])
        .await
        .map_err(StoreError::postgres("look up a duplicate"))?;
    let mut found = HashMap::new();
    for row in &rows {
        let place: i64 = row.get("place");
        found.insert(
            place,
            (
                MessageId(row.get("message_id")),
                crate::rows::trace(row, "deliveries")?,
            ),
        );
    }
    for (place, (waiting, receipt)) in (1..).zip(gaps) {
        *receipt = found.get(&place).map(|(id, trace)| Receipt {
            id: *id,
            trace: *trace,
            duplicate: *trace != waiting.message.trace,
        });
    }
    Ok(())
}
