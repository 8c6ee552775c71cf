//! The committer: gathers what arrives while another commit is under way, for a millisecond at most, stores it with one statement,
//! answers everybody. While Postgres cannot take it, the disk of this edge does.

use std::sync::Arc;
use std::time::Duration;

use sallyport_postgres::{Fault, Pools};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{AcceptError, StoreError};
use crate::events::{self, IntakeEvents};
use crate::message::{Accepted, NewMessage, Receipt};
use crate::partition::PartitionSet;
use crate::settings::Settings;
use crate::spool::Refusal;
use crate::wake::Bell;

use super::put::{Given, Putter};
use super::spooling::Spooling;

/// How many commits are under way at once: one is written while the next is gathered and sent.
const COMMITS_AT_ONCE: u32 = 2;
/// How often a batch that got in another's way is tried before its messages stand alone.
const TRIES_MAX: u32 = 3;
/// How long to wait before asking a database that is away again, when there is no spool.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A message that waits for its receipt.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) message: NewMessage,
    pub(super) came: Instant,
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<Accepted, AcceptError>>,
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
        spooling: Option<Arc<Spooling>>,
        bell: Bell,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let writer = Writer {
            putter: Putter::new(pools),
            spooling,
            bell,
            slots: Arc::new(Semaphore::new(COMMITS_AT_ONCE as usize)),
            events: IntakeEvents::resolve(),
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
        while let Some((batch, slot)) = self.gather(&mut incoming).await {
            let writer = Arc::clone(&self.writer);
            self.tasks
                .spawn(async move { writer.accept(batch, slot).await });
        }
    }

    /// The next batch and the right to store it. While both rights are in use, the batch grows.
    async fn gather(
        &self,
        incoming: &mut mpsc::Receiver<Waiting>,
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
        self.let_it_grow(&mut batch, incoming).await;
        let slot = self.writer.slot().await?;
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
    async fn let_it_grow(&self, batch: &mut Vec<Waiting>, incoming: &mut mpsc::Receiver<Waiting>) {
        let closes = tokio::time::sleep(self.gather);
        let idle = self.writer.slots.acquire_many(COMMITS_AT_ONCE);
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
    putter: Putter,
    spooling: Option<Arc<Spooling>>,
    bell: Bell,
    /// The rights to commit. Only Postgres needs them: what waits for the disk together shares one flush.
    slots: Arc<Semaphore>,
    events: IntakeEvents,
    retry_after: Duration,
}

/// What to do about a batch that Postgres did not take.
enum Course {
    /// The same again, after a while.
    Again(Duration),
    /// Postgres is away: the messages are not to blame.
    Away,
    /// One of them may be to blame.
    OneByOne,
}

impl Writer {
    /// A right to commit; none never, since the semaphore is never closed.
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    /// Stores the batch where it belongs now (law L3), and answers everybody.
    async fn accept(&self, mut batch: Vec<Waiting>, mut slot: OwnedSemaphorePermit) {
        batch.retain(|waiting| !waiting.answer.is_closed());
        let Some(until) = batch.iter().map(|waiting| waiting.deadline).min() else {
            return;
        };
        let until = until.into_std();
        let Some(spooling) = &self.spooling else {
            let left = self.commit(batch).await;
            return self.refuse(left);
        };
        if !spooling.may_go_direct().await {
            drop(slot);
            let (appended, refusal) = spooling.append_begun(&on_the_disk(&mut batch), until).await;
            let is_behind = matches!(refusal, Some(Refusal::Behind));
            batch = self.spooled(batch, appended, refusal);
            if batch.is_empty() || is_behind || spooling.must_not_be_overtaken() {
                return self.refuse(batch);
            }
            match self.slot().await {
                Some(another) => slot = another,
                None => return self.refuse(batch),
            }
        }
        let mut left = self.commit(batch).await;
        drop(slot);
        if left.is_empty() {
            return;
        }
        let (appended, refusal) = spooling.append(&on_the_disk(&mut left), until).await;
        let left = self.spooled(left, appended, refusal);
        self.refuse(left);
    }

    /// Commits the batch to Postgres, together if that works, else one by one. Returns those that Postgres did not take because
    /// it is away.
    async fn commit(&self, mut batch: Vec<Waiting>) -> Vec<Waiting> {
        // Crossing pairs would wait for each other: every batch takes them in the same order.
        batch.sort_by(|left, right| pair(&left.message).cmp(&pair(&right.message)));
        let mut tries = 0;
        loop {
            batch.retain(|waiting| !waiting.answer.is_closed());
            let Some(limit) = self.limit(&batch) else {
                return batch;
            };
            let given: Vec<Given<'_>> = batch
                .iter()
                .map(|waiting| Given::from(&waiting.message))
                .collect();
            let error = match self.putter.put(&given, limit, &self.events).await {
                Ok(receipts) => {
                    self.answer(batch, receipts);
                    return Vec::new();
                }
                Err(error) => error,
            };
            tries += 1;
            self.events.batch_failed(batch.len(), &error);
            match self.course(&error, tries) {
                Course::Again(after) => tokio::time::sleep(after).await,
                Course::Away => return batch,
                Course::OneByOne => return self.commit_one_by_one(batch).await,
            }
        }
    }

    /// How long the next try may take; `None` when there is nobody to try it for, or too little time: a commit that is cut
    /// off costs its connection, and the disk is quicker than that.
    fn limit(&self, batch: &[Waiting]) -> Option<Duration> {
        let latest = batch.iter().map(|waiting| waiting.deadline).max()?;
        let (latest, least) = match &self.spooling {
            Some(spooling) => {
                let first = batch.iter().map(|waiting| waiting.came).min()?;
                let patience = spooling.commit_deadline();
                (latest.min(first + patience), patience / 4)
            }
            None => (latest, Duration::ZERO),
        };
        let left = latest.saturating_duration_since(Instant::now());
        (left > least).then_some(left)
    }

    fn course(&self, error: &StoreError, tries: u32) -> Course {
        match (error.fault(), &self.spooling) {
            (Fault::Serialization | Fault::Deadlock, _) if tries < TRIES_MAX => {
                Course::Again(Duration::ZERO)
            }
            // A connection that had stood idle while the server was restarted says so only when it is used.
            (Fault::ConnectionLost, Some(_)) if tries == 1 => Course::Again(Duration::ZERO),
            (Fault::Refused | Fault::ConnectionLost | Fault::Timeout, Some(_)) => Course::Away,
            (Fault::Refused | Fault::ConnectionLost | Fault::Timeout, None) => {
                Course::Again(AGAIN_AFTER)
            }
            (
                Fault::Serialization | Fault::Deadlock | Fault::Unique | Fault::Data | Fault::Other,
                _,
            ) => Course::OneByOne,
        }
    }

    /// Finds those of which Postgres says that they are to blame, and tells their senders so. Returns the rest.
    async fn commit_one_by_one(&self, batch: Vec<Waiting>) -> Vec<Waiting> {
        let mut left = Vec::new();
        for waiting in batch {
            let Some(limit) = self.limit(std::slice::from_ref(&waiting)) else {
                left.push(waiting);
                continue;
            };
            let alone = [Given::from(&waiting.message)];
            match self.putter.put(&alone, limit, &self.events).await {
                Ok(receipts) => self.answer(vec![waiting], receipts),
                Err(error) if error.may_pass_later() => left.push(waiting),
                Err(error) => {
                    let reason = std::error::Error::source(&error)
                        .map_or_else(String::new, ToString::to_string);
                    // A sender that has gone hears nothing.
                    drop(waiting.answer.send(Err(AcceptError::Refused { reason })));
                }
            }
        }
        left
    }

    /// Answers those that are on the disk now, the first so many. Returns those for which there was no room.
    fn spooled(
        &self,
        mut batch: Vec<Waiting>,
        appended: usize,
        refusal: Option<Refusal>,
    ) -> Vec<Waiting> {
        let rest = batch.split_off(appended.min(batch.len()));
        if let Some(refusal) = refusal {
            events::not_spooled(rest.len(), &refusal);
        }
        for waiting in batch {
            let message = &waiting.message;
            self.events.spooled(&message.source);
            let trace = message.trace;
            // A sender that has gone hears nothing; its message is stored all the same.
            drop(waiting.answer.send(Ok(Accepted::Spooled { trace })));
        }
        rest
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
            drop(waiting.answer.send(Ok(Accepted::Stored(receipt))));
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

/// The messages of a batch that goes to the disk.
fn on_the_disk(batch: &mut [Waiting]) -> Vec<&NewMessage> {
    for waiting in batch.iter_mut() {
        say_where(&mut waiting.message, "spool");
    }
    batch.iter().map(|waiting| &waiting.message).collect()
}

/// The spans that travel in a message were made before it was known where it would lie.
fn say_where(message: &mut NewMessage, sink: &'static str) {
    for span in message.edge_spans.iter_mut().flatten() {
        if span.attribute("sallyport.sink").is_some() {
            span.set("sallyport.sink", sink);
        }
    }
}
