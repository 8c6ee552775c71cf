//! Sends of which nobody knows whether they arrived.
//!
//! There are three ways into it: a call without an answer, an attempt that is cut off while a call is on its way, and a
//! worker that dies. The first two are recorded here; the third is found by whoever takes over, in the queue's store.
//! The promise is that no person reads something twice without a record of it.

use sallyport_queue::{Claimed, MessageId};
use sallyport_telemetry::{Chain, Event};

use super::{Delivery, SentParts};
use crate::events::{SendAmbiguous, SendMeters};

/// A send that may have arrived.
pub(super) struct AmbiguousSend {
    pub(super) id: MessageId,
    pub(super) attempt: u16,
    pub(super) reason: &'static str,
}

impl AmbiguousSend {
    /// Counts it and writes it down.
    pub(super) async fn record(&self, sent: &SentParts, meters: &SendMeters) {
        SendAmbiguous {
            message: self.id.0,
            reason: self.reason,
        }
        .emit(meters);
        if let Err(error) = sent
            .note_ambiguous(self.id, self.attempt, self.reason)
            .await
        {
            tracing::error!(name: "send.unrecorded", { message.id = self.id.0, error = %Chain(&error) }, "Ambiguous send could not be recorded");
        }
    }
}

/// A call that is on its way. If it is dropped before an answer came (the attempt ran out of time, or the partition was
/// given away), the send is ambiguous.
pub(super) struct OnItsWay<'a> {
    delivery: &'a Delivery,
    message: &'a Claimed,
    arrived: bool,
}

impl<'a> OnItsWay<'a> {
    pub(super) fn new(delivery: &'a Delivery, message: &'a Claimed) -> Self {
        Self {
            delivery,
            message,
            arrived: false,
        }
    }

    /// An answer came, or an error that says what happened.
    pub(super) fn arrived(mut self) {
        self.arrived = true;
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        if self.arrived {
            return;
        }
        let mark = AmbiguousSend {
            id: self.message.id,
            attempt: self.message.attempts.saturating_add(1),
            reason: "the attempt was cut off while sending",
        };
        let (sent, meters) = (self.delivery.sent.clone(), self.delivery.meters.clone());
        self.delivery
            .tasks
            .spawn(async move { mark.record(&sent, &meters).await });
    }
}
