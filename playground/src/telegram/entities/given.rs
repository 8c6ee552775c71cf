//! Entities that a bot hands over itself: checked against the text, kinds that Telegram finds by itself are ignored.

use frankenstein::types::{MessageEntity, MessageEntityType};
use serde_json::Value;

use super::{link, sort, units};
use crate::telegram::{answer::Refusal, chat::Formatted};

/// Reads the `entities` parameter: a JSON list, or nothing.
pub(super) fn read(text: &str, entities: &str) -> Result<Formatted, Refusal> {
    let listed: Vec<Value> = match serde_json::from_str(entities) {
        Ok(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    let mut kept = Vec::with_capacity(listed.len());
    for value in listed {
        kept.extend(read_one(text, value)?);
    }
    sort(&mut kept);
    Ok(Formatted {
        text: text.to_owned(),
        entities: kept,
    })
}

fn read_one(text: &str, value: Value) -> Result<Option<MessageEntity>, Refusal> {
    let unreadable =
        |reason: &str| Refusal::bad_request(&format!("Can't parse MessageEntity: {reason}"));
    let entity: MessageEntity =
        serde_json::from_value(value).map_err(|error| unreadable(&error.to_string()))?;
    let (offset, length) = (usize::from(entity.offset), usize::from(entity.length));
    check_place(text, offset, length)?;
    match entity.type_field {
        MessageEntityType::Unknown => Err(unreadable("Unsupported type specified")),
        MessageEntityType::Mention
        | MessageEntityType::Hashtag
        | MessageEntityType::Cashtag
        | MessageEntityType::BotCommand
        | MessageEntityType::Url
        | MessageEntityType::Email
        | MessageEntityType::PhoneNumber => Ok(None),
        MessageEntityType::TextLink => Ok(link(
            entity.url.as_deref().unwrap_or_default(),
            offset,
            length,
        )),
        MessageEntityType::Bold
        | MessageEntityType::Italic
        | MessageEntityType::Underline
        | MessageEntityType::Strikethrough
        | MessageEntityType::Spoiler
        | MessageEntityType::Code
        | MessageEntityType::Pre
        | MessageEntityType::TextMention
        | MessageEntityType::CustomEmoji
        | MessageEntityType::DateTime
        | MessageEntityType::Blockquote
        | MessageEntityType::ExpandableBlockquote => Ok((length > 0).then_some(entity)),
    }
}

fn check_place(text: &str, offset: usize, length: usize) -> Result<(), Refusal> {
    let end = units(text);
    if offset > end {
        let reason = format!("Entity begins after the end of the text at UTF-16 offset {offset}");
        return Err(Refusal::bad_request(&reason));
    }
    if offset + length > end {
        let reason = format!(
            "Entity beginning at UTF-16 offset {offset} ends after the end of the text at UTF-16 offset {}",
            offset + length
        );
        return Err(Refusal::bad_request(&reason));
    }
    let mut position = 0;
    for character in text.chars() {
        let middle = position + 1;
        if character.len_utf16() == 2 && offset == middle {
            return Err(Refusal::bad_request(&format!(
                "Entity begins in a middle of a UTF-16 symbol at byte offset {middle}"
            )));
        }
        if character.len_utf16() == 2 && offset + length == middle {
            return Err(Refusal::bad_request(&format!(
                "Entity beginning at UTF-16 offset {offset} ends in a middle of a UTF-16 symbol at byte offset {middle}"
            )));
        }
        position += character.len_utf16();
    }
    Ok(())
}
