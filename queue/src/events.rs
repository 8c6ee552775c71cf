//! What happens here, as events: one function per thing, which makes the log line and the metric from the same fields.

use std::time::Duration;

use sallyport_telemetry::metrics::{Counter, Counters, Histogram, Histograms};
use sallyport_telemetry::{Chain, Label, Metric, counter, histogram};

use crate::control::Pause;
use crate::error::StoreError;
use crate::ledger::Audited;
use crate::message::MessageId;
use crate::message::NewMessage;
use crate::settlement::{Settled, Settlement, Verdict};
use crate::snapshots::SnapshotHolder;
use crate::spool::Refusal;
use crate::store::TakenOver;

/// The metrics of the intake.
pub(crate) struct IntakeEvents {
    commit: Histogram,
    accepted: Counters,
    duplicates: Counters,
    enqueued: Counters,
}

impl IntakeEvents {
    pub(crate) fn resolve() -> Self {
        Self {
            commit: histogram(Metric::IntakeCommitDuration, &[(Label::Sink, "postgres")]),
            accepted: Counters::new(Metric::IntakeAccepted),
            duplicates: Counters::new(Metric::IntakeDuplicates),
            enqueued: Counters::new(Metric::MessagesEnqueued),
        }
    }

    /// A batch was committed after `took`.
    pub(crate) fn committed(&self, took: Duration) {
        self.commit.record(took);
    }

    /// A message of this source and kind was stored, or had been before.
    pub(crate) fn accepted(&self, source: &str, kind: &str, duplicate: bool) {
        if duplicate {
            self.duplicates.of(&[source]).increment();
        } else {
            self.accepted.of(&[source, "postgres"]).increment();
            self.enqueued.of(&[kind]).increment();
        }
    }

    /// A message of this source is on the disk of this edge.
    pub(crate) fn spooled(&self, source: &str) {
        self.accepted.of(&[source, "spool"]).increment();
    }

    /// A batch failed and is tried again, together or row by row, or goes to the spool.
    pub(crate) fn batch_failed(&self, messages: usize, error: &StoreError) {
        tracing::warn!(name: "intake.batch_failed", messages, fault = error.fault().as_str(), error = %Chain(error), "A batch of accepts failed");
    }
}

/// Messages that Postgres could not take found no room on the disk either.
pub(crate) fn not_spooled(messages: usize, refusal: &Refusal) {
    if matches!(refusal, Refusal::Behind) {
        // Under load there are hundreds of these in a second, and the histogram of flushes says why.
        tracing::debug!(name: "intake.shed", messages, "Messages were refused: the spool's disk is behind");
        return;
    }
    tracing::error!(name: "intake.not_spooled", messages, reason = %refusal, "Messages were refused: neither Postgres nor the spool can take them");
}

/// The metrics of replays.
pub(crate) struct ReplayEvents {
    replayed: Counters,
    enqueued: Counters,
}

impl ReplayEvents {
    pub(crate) fn resolve() -> Self {
        Self {
            replayed: Counters::with(
                Metric::SpoolReplayed,
                [["stored"], ["duplicate"], ["refused"]],
            ),
            enqueued: Counters::new(Metric::MessagesEnqueued),
        }
    }

    /// A record of the spool is in Postgres, or was there before.
    pub(crate) fn replayed(&self, kind: &str, duplicate: bool) {
        if duplicate {
            self.replayed.of(&["duplicate"]).increment();
        } else {
            self.replayed.of(&["stored"]).increment();
            self.enqueued.of(&[kind]).increment();
        }
    }

    /// Postgres will never take this one. Its file is kept.
    pub(crate) fn refused(&self, message: &NewMessage, error: &StoreError) {
        self.replayed.of(&["refused"]).increment();
        tracing::error!(name: "spool.record_refused", source = message.source, kind = message.kind, error = %Chain(error), "An accepted message cannot be put into Postgres; its file of the spool is kept as *.damaged");
    }

    /// A record holds no message that this program can read. Its file is kept.
    pub(crate) fn unreadable(&self, sequence: u64, error: &(dyn std::error::Error + 'static)) {
        self.replayed.of(&["refused"]).increment();
        tracing::error!(name: "spool.record_unreadable", sequence, error = %Chain(error), "A record of the spool cannot be read; its file is kept as *.damaged");
    }

    /// The replay waits.
    pub(crate) fn postgres_is_away(&self, error: &StoreError) {
        tracing::debug!(name: "spool.waits", fault = error.fault().as_str(), error = %Chain(error), "The spool waits for Postgres");
    }

    /// The disk does not give what is on it.
    pub(crate) fn not_read(&self, error: &std::io::Error) {
        tracing::error!(name: "spool.not_read", error = %error, "The spool cannot be read");
    }

    /// A spool that another edge has left cannot be taken.
    pub(crate) fn not_adopted(&self, error: &std::io::Error) {
        tracing::warn!(name: "spool.not_adopted", error = %error, "The spools of other edges cannot be looked at");
    }
}

/// The metrics of the store.
pub(crate) struct StoreEvents {
    claim: Histogram,
    settle: Histogram,
    failures: Histograms,
    reclaimed: Counter,
    enqueued: Counters,
    fenced: Counters,
    completed: Counters,
    dead: Counters,
    retries: Counters,
}

impl StoreEvents {
    pub(crate) fn resolve() -> Self {
        Self {
            claim: operation("claim"),
            settle: operation("settle"),
            failures: Histograms::new(Metric::DbClientOperationDuration),
            reclaimed: counter(Metric::LeasesReclaimed, &[]),
            enqueued: Counters::new(Metric::MessagesEnqueued),
            fenced: Counters::new(Metric::FencedCompletions),
            completed: Counters::new(Metric::MessagesCompleted),
            dead: Counters::new(Metric::MessagesDead),
            retries: Counters::new(Metric::MessageRetries),
        }
    }

    /// So many messages were taken into hand.
    pub(crate) fn claimed(&self, messages: usize, took: Duration) {
        self.claim.record(took);
        tracing::trace!(name: "queue.claimed", messages, "Messages were claimed");
    }

    /// These ends were made durable, or refused.
    pub(crate) fn settled(&self, settlements: &[Settlement], answers: &[Settled], took: Duration) {
        self.settle.record(took);
        for (settlement, answer) in settlements.iter().zip(answers) {
            match answer {
                Settled::Durable => self.went_through(settlement),
                Settled::Stale => self.refused(settlement),
            }
        }
    }

    fn went_through(&self, settlement: &Settlement) {
        let kind = settlement.message.kind.as_ref();
        for message in &settlement.outgoing {
            self.enqueued.of(&[&message.kind]).increment();
        }
        if let Some(outcome) = settlement.verdict.outcome() {
            self.completed.of(&[kind, outcome.as_str()]).increment();
        }
        match &settlement.verdict {
            Verdict::Retry { error, .. } => self.retries.of(&[kind, &error.kind]).increment(),
            Verdict::Dead { error } => self.dead.of(&[kind, &error.kind]).increment(),
            Verdict::Done
            | Verdict::Ignored
            | Verdict::Cancelled { .. }
            | Verdict::Expired
            | Verdict::Erased
            | Verdict::Snooze { .. } => {}
        }
    }

    fn refused(&self, settlement: &Settlement) {
        let message = &settlement.message;
        self.fenced.of(&[&message.kind]).increment();
        tracing::warn!(
            name: "queue.settlement_refused",
            { message.id = message.id.0, kind = &*message.kind, partition = message.partition.0 },
            "A settlement came too late and was refused"
        );
    }

    /// A message that waited was ended by an order.
    pub(crate) fn cancelled_while_waiting(&self, kind: &str) {
        self.completed
            .of(&[kind, crate::settlement::Outcome::Cancelled.as_str()])
            .increment();
    }

    /// Partitions changed hands, and this is what their earlier owners had left.
    pub(crate) fn taken_over(&self, partitions: usize, taken: &TakenOver) {
        if !taken.interrupted.is_empty() {
            self.reclaimed
                .add(u64::try_from(partitions).unwrap_or(u64::MAX));
        }
        tracing::info!(
            name: "queue.taken_over",
            partitions,
            interrupted = taken.interrupted.len(),
            alone = taken.alone.len(),
            ambiguous = taken.ambiguous.len(),
            held = taken.held.len(),
            "Partitions were taken over"
        );
    }

    /// An operation failed.
    pub(crate) fn failed(&self, name: &'static str, took: Duration, error: &StoreError) {
        self.failures
            .of(&["postgresql", name, error.fault().as_str()])
            .record(took);
        tracing::warn!(
            name: "queue.database_failed",
            operation = name, fault = error.fault().as_str(), error = %Chain(error), "The queue's database failed");
    }
}

/// The metrics of the live bus.
pub(crate) struct LiveEvents {
    published: Counter,
    failed: Counters,
}

impl LiveEvents {
    pub(crate) fn resolve() -> Self {
        let labels = [
            (Label::MessagingSystem, "redis"),
            (Label::MessagingDestinationName, "live"),
        ];
        Self {
            published: counter(Metric::MessagingClientSentMessages, &labels),
            failed: Counters::new(Metric::MessagingClientSentMessages),
        }
    }

    /// So many events are on the bus.
    pub(crate) fn published(&self, events: usize) {
        self.published
            .add(u64::try_from(events).unwrap_or(u64::MAX));
    }

    /// So many could not be put on it, and will be tried again.
    pub(crate) fn failed(&self, events: usize, error: &sallyport_redis::RedisError) {
        self.failed
            .of(&["redis", "live", error.as_str()])
            .add(u64::try_from(events).unwrap_or(u64::MAX));
        tracing::debug!(name: "live.not_published", events, error = %Chain(error), "Events could not be published yet");
    }
}

/// How far the live bus had come was written in another history of the database.
pub(crate) fn live_history_changed() {
    tracing::warn!(name: "live.history_changed", "The database has another history than the live bus knows; it begins at now");
}

fn operation(name: &str) -> Histogram {
    let labels = [
        (Label::DbSystemName, "postgresql"),
        (Label::DbOperationName, name),
        (Label::ErrorType, ""),
    ];
    histogram(Metric::DbClientOperationDuration, &labels)
}

/// A notification could not be sent; the sweep will find what it was about.
pub(crate) fn notification_failed(error: &(dyn std::error::Error + 'static)) {
    tracing::debug!(name: "queue.wakeup_not_sent", error = %Chain(error), "A wake-up could not be sent");
}

/// The listener's connection ended.
pub(crate) fn listener_lost(error: Option<&(dyn std::error::Error + Send + Sync + 'static)>) {
    match error {
        Some(error) => {
            tracing::warn!(name: "queue.listener_lost", error = %Chain(error), "The listener for wake-ups lost its connection")
        }
        None => {
            tracing::warn!(name: "queue.listener_lost", "The listener for wake-ups lost its connection")
        }
    }
}

/// The listener at Redis lost its connection. Redis itself tells when it is away, so this is a detail.
pub(crate) fn redis_listener_lost(error: &sallyport_redis::RedisError) {
    tracing::debug!(name: "queue.redis_listener_lost", error = %Chain(error), "The listener for wake-ups at Redis lost its connection");
}

/// A task that runs again and again failed this time.
pub(crate) fn chore_failed(chore: &'static str, error: &StoreError) {
    tracing::warn!(name: "queue.chore_failed", chore, fault = error.fault().as_str(), error = %Chain(error), "A chore of the queue failed");
}

/// A day has more rows in the default partition than may be moved while everybody waits.
pub(crate) fn day_stays(table: &str, day: jiff::civil::Date) {
    tracing::info!(name: "queue.day_stays", table, day = %day, "A day of the log stays in the default partition: too much of it waits there to be moved");
}

/// A day of the log went, with what belonged to it.
pub(crate) fn day_dropped(day: jiff::civil::Date, moved: u64, deliveries: u64) {
    tracing::info!(name: "queue.day_dropped", day = %day, moved, deliveries, "A day of the log was dropped");
}

/// The database has another history than the last time: it was restored, or failed over.
pub(crate) fn history_changed(before: &str, now: &str) {
    tracing::warn!(name: "queue.history_changed", before, now, "The database has another history: leases were cleared and workers wait for a resume");
}

/// Another number of messages is unaccounted for than before.
pub(crate) fn ledger_changed(before: usize, audited: &Audited) {
    if audited.unaccounted == 0 {
        tracing::info!(name: "ledger.sound_again", before, "Every message is accounted for again");
    } else {
        tracing::error!(
            name: "ledger.unaccounted",
            before, unaccounted = audited.unaccounted, oldest = ?audited.oldest,
            "Messages were accepted and have neither ended nor wait: stop the janitor, keep the database and the WAL, and compare with a backup");
    }
}

/// Somebody has held a snapshot for long, and dead rows pile up.
pub(crate) fn snapshot_held(holder: &SnapshotHolder, dead_rows: u64) {
    tracing::warn!(
        name: "postgres.snapshot_held",
        pid = holder.pid, application = holder.name, user = holder.user, state = holder.state,
        age_s = holder.age.unwrap_or_default().as_secs_f64(), dead_rows,
        "An old snapshot keeps dead rows in the queue and slows claims: end that transaction, or the session with pg_terminate_backend(pid)"
    );
}

/// Something is paused from now on.
pub(crate) fn paused(pause: &Pause) {
    tracing::warn!(name: "queue.paused", scope = ?pause.scope, by = pause.by, reason = pause.reason, "The queue was paused");
}

/// A pause ended.
pub(crate) fn resumed(pause: &Pause, by: &str) {
    tracing::info!(name: "queue.resumed", scope = ?pause.scope, by, paused_by = pause.by, "The queue was resumed");
}

/// A message is to be ended.
pub(crate) fn cancel_ordered(id: MessageId, by: &str, reason: &str) {
    tracing::info!(name: "queue.cancel_ordered", { message.id = id.0, by, reason }, "A message is to be cancelled");
}

/// Waiting messages were ended by order.
pub(crate) fn cancelled(messages: usize) {
    tracing::info!(name: "queue.cancelled", messages, "Waiting messages were cancelled by order");
}
