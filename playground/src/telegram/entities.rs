//! From what a bot sends to what a chat shows: text and its entities, with the real server's refusals.
//!
//! A bot may mark up its text (`parse_mode`), or hand over entities itself; both end as plain text plus entities counted in UTF-16 units. Mentions,
//! commands and links are found in any text, as Telegram does. Each notation has a file; what they share, the growing text, is [`Draft`].

mod found;
mod given;
mod html;
mod markdown;
mod markdown_v2;

use frankenstein::types::{MessageEntity, MessageEntityType, User};

use super::{answer::Refusal, chat::Formatted};

/// A text may have this many UTF-16 units after its markup is read.
pub(crate) const TEXT_UNITS_MAX: usize = 4_096;

/// The raw text may have this many bytes.
const RAW_BYTES_MAX: usize = 1 << 15;

/// Reads a text the way `sendMessage` does.
pub(crate) fn read(text: &str, parse_mode: &str, entities: &str) -> Result<Formatted, Refusal> {
    let formatted = read_any_length(text, parse_mode, entities)?;
    if formatted.text.is_empty() {
        return Err(Refusal::bad_request("Text must be non-empty"));
    }
    if units(&formatted.text) > TEXT_UNITS_MAX {
        return Err(Refusal::bad_request("Message is too long"));
    }
    Ok(formatted)
}

/// As [`read`], but an empty text is fine, as in a draft.
pub(crate) fn read_any_length(
    text: &str,
    parse_mode: &str,
    entities: &str,
) -> Result<Formatted, Refusal> {
    if text.len() > RAW_BYTES_MAX {
        return Err(Refusal::bad_request("Text is too long"));
    }
    let parsed = match parse_mode.to_ascii_lowercase().as_str() {
        "" | "none" => given::read(text, entities)?,
        _ if text.is_empty() => Formatted::default(),
        "html" => html::read(text).map_err(unparsable)?,
        "markdownv2" => markdown_v2::read(text).map_err(unparsable)?,
        "markdown" => markdown::read(text).map_err(unparsable)?,
        _ => return Err(Refusal::bad_request("Unsupported parse_mode")),
    };
    Ok(found::add(trimmed(parsed)))
}

/// Text that a person typed: only what Telegram finds by itself.
pub(crate) fn typed(text: &str) -> Formatted {
    found::add(Formatted {
        text: text.to_owned(),
        entities: Vec::new(),
    })
}

fn unparsable(reason: String) -> Refusal {
    Refusal::new(400, format!("Bad Request: can't parse entities: {reason}"))
}

/// The length of a text as Telegram counts it.
pub(crate) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Splits what a person pasted as their app would: pieces of at most 4096 units, never inside a character.
pub(crate) fn pieces(text: &str) -> Vec<String> {
    let (mut pieces, mut piece, mut length) = (Vec::new(), String::new(), 0);
    for character in text.chars() {
        if length + character.len_utf16() > TEXT_UNITS_MAX {
            pieces.push(std::mem::take(&mut piece));
            length = 0;
        }
        length += character.len_utf16();
        piece.push(character);
    }
    pieces.push(piece);
    pieces
}

/// The entity in its wire form; only these kinds can be written in markup.
pub(super) fn entity(kind: MessageEntityType, offset: usize, length: usize) -> MessageEntity {
    let clip = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
    MessageEntity::builder()
        .type_field(kind)
        .offset(clip(offset))
        .length(clip(length))
        .build()
}

/// A link, or a mention of a person without a user name (`tg://user?id=`); `None` when the address is none.
pub(super) fn link(address: &str, offset: usize, length: usize) -> Option<MessageEntity> {
    if let Some(id) = address
        .strip_prefix("tg://user?id=")
        .and_then(|id| id.parse::<u64>().ok())
    {
        let mut mention = entity(MessageEntityType::TextMention, offset, length);
        mention.user = Some(
            User::builder()
                .id(id)
                .is_bot(false)
                .first_name(format!("Person {id}"))
                .build(),
        );
        return Some(mention);
    }
    let mut linked = entity(MessageEntityType::TextLink, offset, length);
    linked.url = Some(checked_address(address)?);
    Some(linked)
}

fn checked_address(address: &str) -> Option<String> {
    let address = address.trim();
    let with_scheme = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    let url = url::Url::parse(&with_scheme).ok()?;
    let known = matches!(
        url.scheme(),
        "http" | "https" | "ftp" | "tg" | "ton" | "tonsite"
    );
    let reachable = matches!(url.scheme(), "tg" | "ton")
        || url.host_str().is_some_and(|host| host.contains('.'));
    (known && reachable).then(|| url.to_string())
}

/// The text as it grows, with its length in UTF-16 units, and the entities closed so far.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) text: String,
    pub(super) units: usize,
    pub(super) entities: Vec<MessageEntity>,
}

impl Draft {
    pub(super) fn push(&mut self, character: char) {
        self.text.push(character);
        self.units += character.len_utf16();
    }

    /// Closes an entity that began at `offset`; an empty one leaves no trace.
    pub(super) fn close(&mut self, kind: MessageEntityType, offset: usize) {
        if self.units > offset {
            self.entities
                .push(entity(kind, offset, self.units - offset));
        }
    }

    pub(super) fn close_link(&mut self, address: &str, offset: usize) {
        if self.units > offset {
            self.entities
                .extend(link(address, offset, self.units - offset));
        }
    }

    pub(super) fn close_code(&mut self, language: Option<String>, offset: usize) {
        if self.units > offset {
            let mut code = entity(MessageEntityType::Pre, offset, self.units - offset);
            code.language = language;
            self.entities.push(code);
        }
    }

    pub(super) fn finish(mut self) -> Formatted {
        sort(&mut self.entities);
        Formatted {
            text: self.text,
            entities: self.entities,
        }
    }
}

/// Outer before inner, earlier before later.
pub(super) fn sort(entities: &mut [MessageEntity]) {
    entities.sort_by_key(|entity| (entity.offset, std::cmp::Reverse(entity.length)));
}

/// Telegram shows no white space at a text's ends; entities move and shrink with it.
fn trimmed(formatted: Formatted) -> Formatted {
    let start = formatted.text.trim_start();
    let cut = units(&formatted.text) - units(start);
    let text = start.trim_end().to_owned();
    let length = units(&text);
    let inside = |entity: &MessageEntity| {
        let from = usize::from(entity.offset).max(cut) - cut;
        let to = (usize::from(entity.offset) + usize::from(entity.length))
            .saturating_sub(cut)
            .min(length);
        (to > from).then(|| {
            let mut moved = entity.clone();
            moved.offset = u16::try_from(from).unwrap_or(u16::MAX);
            moved.length = u16::try_from(to - from).unwrap_or(u16::MAX);
            moved
        })
    };
    let entities = formatted.entities.iter().filter_map(inside).collect();
    Formatted { text, entities }
}

#[cfg(test)]
mod tests;
