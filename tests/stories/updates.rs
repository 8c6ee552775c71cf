//! Updates as Telegram posts them, for stories that go straight to the edge.

use serde_json::{Value, json};

/// A text message in a private chat; the chat's id is the person's.
pub(crate) fn text(update_id: i64, person: i64, text: &str) -> Value {
    let entities = if text.starts_with('/') {
        let length = text
            .split_whitespace()
            .next()
            .map_or(0, |command| command.encode_utf16().count());
        json!([{"type": "bot_command", "offset": 0, "length": length}])
    } else {
        json!([])
    };
    json!({
        "update_id": update_id,
        "message": {
            "message_id": update_id,
            "date": now(),
            "from": {"id": person, "is_bot": false, "first_name": "Ada", "language_code": "en"},
            "chat": {"id": person, "type": "private", "first_name": "Ada"},
            "text": text,
            "entities": entities,
        }
    })
}

/// Seconds since 1970, as Telegram writes a message's date.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
