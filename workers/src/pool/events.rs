//! What happens to the pool as a whole, as log lines. What happens to a message is measured by `meters` and told by `tale`;
//! failed claims, settlements and takeovers are told by the store, where they fail.

use std::time::Duration;

use sallyport_queue::{MessageId, StoreError};
use sallyport_telemetry::Chain;

pub(super) fn promote_failed(error: &StoreError) {
    tracing::warn!(name: "pool.promote_failed", { error = %Chain(error) }, "Delayed messages could not be made ready");
}

pub(super) fn take_over_failed(partitions: usize, error: &StoreError) {
    tracing::warn!(
        name: "pool.take_over_failed",
        { partitions, error = %Chain(error) },
        "A takeover failed and is tried again"
    );
}

pub(super) fn lost(partitions: usize) {
    tracing::warn!(name: "pool.partitions_lost", { partitions }, "Partitions were lost to another worker");
}

pub(super) fn lift_failed(error: &StoreError) {
    tracing::warn!(name: "pool.lift_failed", { error = %Chain(error) }, "Ended holds could not be removed");
}

pub(super) fn release_failed(messages: usize, error: &StoreError) {
    tracing::warn!(
        name: "pool.release_failed",
        { messages, error = %Chain(error) },
        "Messages could not be given back yet"
    );
}

pub(super) fn last_words_lost(message: MessageId, panic: &str) {
    tracing::error!(
        name: "pool.last_words_lost",
        { message.id = %message, error = panic },
        "What a handler wanted to say about a dead letter was lost"
    );
}

pub(super) fn suspect_runs(message: MessageId, kind: &str, attempts: u16) {
    tracing::info!(
        name: "pool.suspect_runs",
        { message.id = %message, message.kind = kind, attempts },
        "A message that was in hand at several crashes runs under a claim of its own"
    );
}

pub(super) fn drain_given_up() {
    tracing::warn!(name: "pool.drain_given_up", "The pool did not end in time and was cut off");
}

pub(super) fn obey_failed(error: &StoreError) {
    tracing::warn!(name: "pool.obey_failed", { error = %Chain(error) }, "Cancellations could not be carried out yet");
}

pub(super) fn progress_lost(error: &StoreError) {
    tracing::debug!(name: "pool.progress_lost", { error = %Chain(error) }, "Progress could not be written down");
}

pub(super) fn room_failed(error: &StoreError) {
    tracing::warn!(name: "pool.room_failed", { error = %Chain(error) }, "Room for limited messages could not be shared out yet");
}

pub(super) fn handler_stuck(message: MessageId, kind: &str, running: Duration) {
    tracing::error!(
        name: "pool.handler_stuck",
        { message.id = %message, kind, duration_s = running.as_secs_f64() },
        "A handler blocks its thread past its deadline; its message was given up, and the thread is lost until a restart"
    );
}
