//! Writing: one task gathers spans for a moment and puts them into Postgres by COPY.
//!
//! A batch that Postgres cannot take is tried again while the queue before it fills and then drops: an outage of a few seconds
//! costs nothing, a longer one costs spans and never memory.

use std::error::Error;
use std::time::Duration;

use sallyport_postgres::{Pool, PoolError, classify};
use sallyport_telemetry::Event as _;
use sallyport_telemetry::trace::{Batches, SpanRecord};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_util::sync::CancellationToken;

use crate::events::{Dropped, Meters, WriteFailed, WriteRecovered};
use crate::row::{COPY, Row, TYPES};

/// Spans of one COPY.
const BATCH_SPANS: usize = 2000;
/// How long the first span of a batch waits for company: below what a person notices who waits for a story to appear.
const BATCH_WAIT: Duration = Duration::from_millis(100);
/// One COPY may take so long, the wait for a connection included.
const COPY_WITHIN: Duration = Duration::from_secs(5);
/// What is queued at the stop gets so long in all.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// Between two tries of the same batch, doubling up to the second number.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// Tries of one batch: about half a minute of them.
const TRIES: u32 = 10;

/// Why a batch was not written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("no connection to record spans with")]
    Connection(#[source] PoolError),
    #[error("spans could not be copied")]
    Copy(#[source] tokio_postgres::Error),
    #[error("spans could not be copied within {COPY_WITHIN:?}")]
    Slow,
}

impl WriteError {
    fn may_pass_later(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Slow => true,
            Self::Copy(error) => classify(error).may_pass_later(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Connection(_) => "connection",
            Self::Copy(error) => classify(error).as_str(),
            Self::Slow => "timeout",
        }
    }
}

/// The task that writes.
pub(crate) struct Writer {
    pool: Pool,
    meters: Meters,
    /// Spans that were taken from the queue and are neither written nor given up.
    in_hand: usize,
    /// Whether the last COPY went well, so that an outage makes one line and not one per batch.
    healthy: bool,
}

impl Writer {
    pub(crate) fn new(pool: Pool, meters: Meters) -> Self {
        Self {
            pool,
            meters,
            in_hand: 0,
            healthy: true,
        }
    }

    /// Writes until told to stop, then what is left, in time.
    pub(crate) async fn run(mut self, mut batches: Batches, stop: CancellationToken) {
        let too_late = async {
            stop.cancelled().await;
            sleep(SHUTDOWN).await;
        };
        tokio::select! {
            () = self.work(&mut batches, &stop) => {}
            () = too_late => {}
        }
        batches.abandon(self.in_hand);
    }

    async fn work(&mut self, batches: &mut Batches, stop: &CancellationToken) {
        while let Some(batch) = batches.next(BATCH_SPANS, BATCH_WAIT, stop).await {
            self.write_patiently(batch, stop).await;
        }
        while let Some(batch) = batches.rest(BATCH_SPANS) {
            self.write_patiently(batch, stop).await;
        }
    }

    /// Writes a batch, again and again while that may help; after the stop, once more and no more.
    async fn write_patiently(&mut self, batch: Vec<SpanRecord>, stop: &CancellationToken) {
        self.in_hand = batch.len();
        let (mut pause, longest) = RETRY;
        for tries_left in (0..TRIES).rev() {
            let last = stop.is_cancelled() || tries_left == 0;
            let Err(error) = self.write(&batch).await else {
                self.in_hand = 0;
                self.tell_recovery();
                return;
            };
            self.tell_failure(&error);
            if last || !error.may_pass_later() {
                break;
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => {}
            }
            pause = longest.min(pause * 2);
        }
        self.in_hand = 0;
        Dropped { spans: batch.len() }.emit(&self.meters);
    }

    async fn write(&self, spans: &[SpanRecord]) -> Result<(), WriteError> {
        let started = Instant::now();
        let outcome = match timeout(COPY_WITHIN, copy(&self.pool, spans)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(WriteError::Slow),
        };
        let error_type = outcome.as_ref().err().map_or("", WriteError::kind);
        self.meters
            .operated("record_spans", started.elapsed(), error_type);
        outcome
    }

    fn tell_failure(&mut self, error: &(dyn Error + 'static)) {
        if std::mem::replace(&mut self.healthy, false) {
            WriteFailed { error }.emit(&self.meters);
        }
    }

    fn tell_recovery(&mut self) {
        if !std::mem::replace(&mut self.healthy, true) {
            WriteRecovered.emit(&self.meters);
        }
    }
}

/// One COPY. Dropping the future makes Postgres forget the batch.
async fn copy(pool: &Pool, spans: &[SpanRecord]) -> Result<(), WriteError> {
    let connection = pool.get().await.map_err(WriteError::Connection)?;
    let sink = connection.copy_in(COPY).await.map_err(WriteError::Copy)?;
    let writer = BinaryCopyInWriter::new(sink, &TYPES);
    tokio::pin!(writer);
    for row in spans.iter().filter_map(Row::of) {
        writer
            .as_mut()
            .write(&row.values())
            .await
            .map_err(WriteError::Copy)?;
    }
    writer.finish().await.map_err(WriteError::Copy)?;
    Ok(())
}
