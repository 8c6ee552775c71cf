//! As much of an update's shape as order and identity need, and not one field more.
//!
//! It exists apart from the verdicts in `telegram` because it is the one place that a new Bot API version touches. An update is
//! walked once; the value of the one field that says what happened is kept as raw text and looked into leniently:
//! whatever does not fit makes the chat unknown, never the update refused.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::fields::FieldName;
use crate::{ReadError, STOP_BUTTON, Urgency, strict};

/// Every kind of update known by Bot API 10.3: the field in which it comes is also its name.
const KINDS: [&str; 27] = [
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "guest_message",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "managed_bot",
    "subscription",
    "stopped_message_generation",
];

/// An update, walked once.
pub(super) struct Envelope<'a> {
    /// Telegram's number for it.
    pub(super) update_id: i64,
    what: Option<(&'static str, &'a RawValue)>,
}

/// What order and identity need to know.
pub(super) struct Facts {
    /// The kind, or `other`.
    pub(super) what: &'static str,
    /// The chat it belongs to; the person's private chat where there is none.
    pub(super) chat: Option<i64>,
    /// The person who did it.
    pub(super) person: Option<i64>,
    presses_stop: bool,
}

impl Facts {
    /// A payment waits ten seconds for its answer, and a stop button that stood in line would stop nothing.
    pub(super) fn urgency(&self) -> Urgency {
        match self.what {
            "pre_checkout_query" | "stopped_message_generation" => Urgency::Now,
            _ if self.presses_stop => Urgency::Now,
            _ => Urgency::InOrder,
        }
    }
}

/// Walks an update.
pub(super) fn envelope(body: &[u8]) -> Result<Envelope<'_>, ReadError> {
    let fields: Fields<'_> = serde_json::from_slice(body).map_err(ReadError::NotAnObject)?;
    strict::check(body).map_err(ReadError::Unreadable)?;
    if fields.repeated_content {
        return Err(ReadError::RepeatedContent);
    }
    if fields.repeated {
        return Err(ReadError::Repeated {
            name: "update_id",
            pointer: "/update_id",
        });
    }
    let update_id = fields
        .update_id
        .and_then(|raw| raw.get().parse::<i64>().ok())
        .ok_or(ReadError::Field {
            name: "update_id",
            pointer: "/update_id",
            what: "an integer",
        })?;
    Ok(Envelope {
        update_id,
        what: fields.what,
    })
}

impl Envelope<'_> {
    /// Looks into the one field that says what happened.
    pub(super) fn facts(&self) -> Facts {
        let Some((what, raw)) = self.what else {
            return Facts {
                what: "other",
                chat: None,
                person: None,
                presses_stop: false,
            };
        };
        let happening: Happening<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
        let person = happening.person();
        Facts {
            what,
            chat: happening.chat().or(person),
            person,
            presses_stop: what == "callback_query" && happening.presses_stop(),
        }
    }
}

/// The fields of an update that matter here; the others are only walked over.
struct Fields<'a> {
    update_id: Option<&'a RawValue>,
    repeated: bool,
    repeated_content: bool,
    what: Option<(&'static str, &'a RawValue)>,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields {
            update_id: None,
            repeated: false,
            repeated_content: false,
            what: None,
        };
        while let Some(name) = map.next_key::<FieldName<'de>>()? {
            let value: &RawValue = map.next_value()?;
            if name.as_ref() == b"update_id" {
                fields.repeated |= fields.update_id.is_some();
                fields.update_id = Some(value);
            } else if let Some(kind) = KINDS.iter().find(|kind| kind.as_bytes() == name.as_ref()) {
                fields.repeated_content |= fields.what.is_some();
                fields.what.get_or_insert((*kind, value));
            }
        }
        Ok(fields)
    }
}

/// The fields by which all kinds of updates name their chat and their person.
#[derive(Default, Deserialize)]
struct Happening<'a> {
    chat: Option<Numbered>,
    from: Option<Numbered>,
    user: Option<Numbered>,
    voter_chat: Option<Numbered>,
    #[serde(borrow)]
    message: Option<Around<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Numbered {
    id: i64,
}

/// The message that a pressed button sits on. Leniently: a message too old to be shown is described differently.
#[derive(Deserialize)]
struct Around<'a> {
    #[serde(borrow)]
    chat: Option<&'a RawValue>,
}

impl Happening<'_> {
    fn chat(&self) -> Option<i64> {
        let around = self
            .message
            .as_ref()
            .and_then(|message| message.chat)
            .and_then(|chat| serde_json::from_str::<Numbered>(chat.get()).ok());
        let chat = self.chat.as_ref().or(around.as_ref());
        chat.or(self.voter_chat.as_ref()).map(|chat| chat.id)
    }

    fn person(&self) -> Option<i64> {
        let person = self.from.as_ref().or(self.user.as_ref());
        person.map(|person| person.id)
    }

    /// Whether the button's data is `stop`, alone or followed by `:` and what to stop.
    fn presses_stop(&self) -> bool {
        let Some(data) = self.data else { return false };
        let Some(rest) = data
            .get()
            .strip_prefix('"')
            .and_then(|text| text.strip_prefix(STOP_BUTTON))
        else {
            return false;
        };
        rest.starts_with(':') || rest == "\""
    }
}
