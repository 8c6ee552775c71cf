//! What Telegram finds in any text by itself: commands, mentions, hashtags and links.
//!
//! Enough of the real rules for bots to work with: a command is found only as a whole word, nothing is found inside code or an existing link.

use frankenstein::types::{MessageEntity, MessageEntityType};

use super::{entity, sort};
use crate::telegram::chat::Formatted;

/// Adds what is found to what is there.
pub(super) fn add(mut formatted: Formatted) -> Formatted {
    let mut found = Vec::new();
    let mut offset = 0;
    for word in formatted.text.split_inclusive(char::is_whitespace) {
        let length = super::units(word);
        let bare = word.trim_end();
        let lead = bare
            .chars()
            .take_while(|c| matches!(c, '(' | '"' | '\'' | '«' | '['))
            .map(char::len_utf8)
            .sum();
        if let Some((_, core)) = bare.split_at_checked(lead) {
            found.extend(
                kind_of(core)
                    .map(|(kind, units)| entity(kind, offset + lead_units(bare, lead), units)),
            );
        }
        offset += length;
    }
    found.retain(|new| !formatted.entities.iter().any(|old| covers(old, new)));
    formatted.entities.extend(found);
    sort(&mut formatted.entities);
    formatted
}

fn lead_units(word: &str, lead: usize) -> usize {
    word.split_at_checked(lead)
        .map_or(0, |(lead, _)| super::units(lead))
}

/// Code and links hide what is inside them.
fn covers(old: &MessageEntity, new: &MessageEntity) -> bool {
    let opaque = matches!(
        old.type_field,
        MessageEntityType::Code
            | MessageEntityType::Pre
            | MessageEntityType::TextLink
            | MessageEntityType::TextMention
    );
    let (old_end, new_end) = (
        u32::from(old.offset) + u32::from(old.length),
        u32::from(new.offset) + u32::from(new.length),
    );
    opaque && u32::from(old.offset) < new_end && u32::from(new.offset) < old_end
}

fn kind_of(word: &str) -> Option<(MessageEntityType, usize)> {
    let mut letters = word.chars();
    match letters.next()? {
        '/' => command_length(word).map(|units| (MessageEntityType::BotCommand, units)),
        '@' => {
            let name = leading(letters.as_str(), |c| c.is_ascii_alphanumeric() || c == '_');
            (3..=32)
                .contains(&name)
                .then_some((MessageEntityType::Mention, name + 1))
        }
        '#' => {
            let tag = leading(letters.as_str(), |c| c.is_alphanumeric() || c == '_');
            (tag > 0 && tag <= 256).then_some((MessageEntityType::Hashtag, tag + 1))
        }
        _ if word.starts_with("http://") || word.starts_with("https://") => {
            let address =
                word.trim_end_matches(['.', ',', '!', '?', ';', ':', ')', '"', '\'', '»']);
            let (_, rest) = address.split_once("://")?;
            (!rest.is_empty()).then(|| (MessageEntityType::Url, super::units(address)))
        }
        _ => None,
    }
}

/// `/name` or `/name@bot`, ended by the word's end or by punctuation.
fn command_length(word: &str) -> Option<usize> {
    let rest = word.strip_prefix('/')?;
    let name = leading(rest, |c| c.is_ascii_alphanumeric() || c == '_');
    if name == 0 || name > 64 {
        return None;
    }
    let (_, after) = rest.split_at_checked(name)?;
    let bot = after
        .strip_prefix('@')
        .map(|bot| leading(bot, |c| c.is_ascii_alphanumeric() || c == '_'));
    let ends =
        |rest: Option<char>| rest.is_none_or(|c| !c.is_alphanumeric() && c != '/' && c != '_');
    match bot {
        Some(bot) if bot >= 3 => Some(name + bot + 2),
        _ if ends(after.chars().next()) => Some(name + 1),
        _ => None,
    }
}

/// How many UTF-16 units at the start fit (all of them ASCII or BMP letters in practice).
fn leading(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.chars()
        .take_while(|c| fits(*c))
        .map(char::len_utf16)
        .sum()
}
