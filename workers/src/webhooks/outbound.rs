//! What waits on the queue for a webhook: the payload of `webhook.send`.
//!
//! It outlives deployments, so fields are only added, with a default. It names the webhook and holds neither URL nor key.

use jiff::Timestamp;
use sallyport_kit::{ChatId, Posting, WebhookName};
use sallyport_queue::{Claimed, NewMessage};
use sallyport_telemetry::trace::SpanContext;
use sallyport_webhook::Event;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::delivery::queued::queued;

/// The queue's kind.
pub const KIND: &str = "webhook.send";
/// Version of the payload.
pub const KIND_VERSION: u16 = 1;

/// An event for a webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outbound {
    /// Whose webhook.
    pub chat: String,
    /// Its name.
    pub name: String,
    /// What happened.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// The rest.
    #[serde(default)]
    pub data: Value,
}

impl Outbound {
    /// What an app posts now.
    #[must_use]
    pub fn of(posting: Posting, at: Timestamp) -> Self {
        Self {
            chat: posting.to.chat.0,
            name: posting.to.name,
            kind: posting.kind,
            at,
            data: posting.data,
        }
    }

    /// A message for the queue. Everything for one webhook has one key, so it is sent in order (law L8).
    ///
    /// # Errors
    /// Never in practice: the payload is JSON already.
    pub fn message(&self, bot: &str, trace: SpanContext) -> Result<NewMessage, serde_json::Error> {
        let key = format!("out:webhook:{bot}:{}:{}", self.chat, self.name);
        queued(bot, (KIND, KIND_VERSION), key, self, trace)
    }

    /// The webhook, and the event as it is sent. Its id is the message's own, with the trace beside it: a database that was restored
    /// to a moment gives numbers out twice.
    pub(super) fn event(self, message: &Claimed) -> (WebhookName, Event) {
        let which = WebhookName {
            chat: ChatId(self.chat),
            name: self.name,
        };
        let event = Event {
            id: format!("msg_{}_{}", message.trace.trace_id, message.id.0),
            kind: self.kind,
            at: self.at,
            data: self.data,
        };
        (which, event)
    }
}

#[cfg(test)]
mod tests {
    use super::Outbound;

    #[test]
    fn the_shortest_payload_ever_written_still_parses() {
        let text = r#"{"chat": "7", "name": "hub.digest", "kind": "digest.daily", "at": "2026-11-22T09:00:00Z"}"#;

        let outbound: Outbound = serde_json::from_str(text).expect("it parses");

        assert!(outbound.data.is_null());
    }
}
