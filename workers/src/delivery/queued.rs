//! How a send waits on the queue, whoever it is for.

use bytes::Bytes;
use sallyport_queue::{Key, NewMessage, PayloadFormat, Priority};
use sallyport_telemetry::trace::SpanContext;
use serde::Serialize;

/// A message that is to be sent: what has the same key is sent in order (law L8). Who caused it is still to be said.
///
/// # Errors
/// When the payload cannot be written as JSON, which of ours every one can.
pub(crate) fn queued(
    bot: &str,
    (kind, kind_version): (&str, u16),
    key: String,
    payload: &impl Serialize,
    trace: SpanContext,
) -> Result<NewMessage, serde_json::Error> {
    Ok(NewMessage {
        bot: bot.to_owned(),
        tenant: bot.to_owned(),
        source: format!("{kind}:{bot}"),
        delivery_id: None,
        kind: kind.to_owned(),
        kind_version,
        key: Key::from(key),
        priority: Priority::Delivery,
        payload: Bytes::from(serde_json::to_vec(payload)?),
        payload_format: PayloadFormat::Json,
        subject: None,
        cause: None,
        trace,
        edge_spans: None,
        delay: None,
        expires_in: None,
        unique: None,
    })
}
