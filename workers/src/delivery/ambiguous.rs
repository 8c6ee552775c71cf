//! Sends of which nobody knows whether they arrived.
//!
//! There are three ways into it: a call without an answer, an attempt that is cut off while a call is on its way, and a
//! worker that dies. The first two are recorded here; the third is found by whoever takes over, in the queue's store.
//! The promise is that no person reads something twice without a record of it.

use std::sync::Arc;

use sallyport_queue::{Claimed, MessageId};
use sallyport_telemetry::{Chain, Event};
use tokio_util::task::TaskTracker;

use super::SentParts;
use crate::events::{SendAmbiguous, SendMeters};

/// Where such sends are recorded.
#[derive(Clone)]
pub(crate) struct Ambiguities {
    pub(crate) sent: SentParts,
    pub(crate) meters: Arc<SendMeters>,
    /// Records that an attempt has no time for any more.
    pub(crate) tasks: TaskTracker,
}

impl Ambiguities {
    /// Counts it and writes it down.
    pub(crate) async fn record(&self, send: Ambiguous) {
        let Ambiguous {
            id,
            attempt,
            reason,
        } = send;
        SendAmbiguous {
            message: id.0,
            reason,
        }
        .emit(&self.meters);
        if let Err(error) = self.sent.note_ambiguous(id, attempt, reason).await {
            tracing::error!(name: "send.unrecorded", { message.id = id.0, error = %Chain(&error) }, "Ambiguous send could not be recorded");
        }
    }

    /// A call of this message's that is on its way from now on.
    pub(crate) fn on_its_way<'a>(&'a self, message: &Claimed) -> OnItsWay<'a> {
        OnItsWay {
            ambiguities: self,
            send: Ambiguous::of(message, "the attempt was cut off while sending"),
            arrived: false,
        }
    }
}

/// A send that may have arrived.
#[derive(Clone, Copy)]
pub(crate) struct Ambiguous {
    id: MessageId,
    attempt: u16,
    reason: &'static str,
}

impl Ambiguous {
    /// The attempt at this message that is being made.
    pub(crate) fn of(message: &Claimed, reason: &'static str) -> Self {
        Self {
            id: message.id,
            attempt: message.attempts.saturating_add(1),
            reason,
        }
    }
}

/// A call that is on its way. If it is dropped before an answer came (the attempt ran out of time, or the partition was
/// given away), the send is ambiguous.
pub(crate) struct OnItsWay<'a> {
    ambiguities: &'a Ambiguities,
    send: Ambiguous,
    arrived: bool,
}

impl OnItsWay<'_> {
    /// An answer came, or an error that says what happened.
    pub(crate) fn arrived(mut self) {
        self.arrived = true;
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        if self.arrived {
            return;
        }
        let (ambiguities, send) = (self.ambiguities.clone(), self.send);
        self.ambiguities
            .tasks
            .spawn(async move { ambiguities.record(send).await });
    }
}
