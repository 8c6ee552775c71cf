//! `parse_mode=HTML`: the tags Telegram knows, its four named entities, and its refusals with byte offsets.

use frankenstein::types::MessageEntityType;

use super::Draft;
use crate::telegram::chat::Formatted;

const TAGS: [&str; 17] = [
    "a",
    "b",
    "strong",
    "i",
    "em",
    "s",
    "strike",
    "del",
    "u",
    "ins",
    "tg-spoiler",
    "tg-emoji",
    "tg-time",
    "span",
    "pre",
    "code",
    "blockquote",
];

struct Open {
    tag: String,
    argument: String,
    offset: usize,
    text_from: usize,
}

/// Reads a text; the error is the reason after "can't parse entities: ".
pub(super) fn read(source: &str) -> Result<Formatted, String> {
    let (mut draft, mut open) = (Draft::default(), Vec::<Open>::new());
    let mut cursor = Cursor { source, at: 0 };
    while let Some(character) = cursor.next() {
        let begin = cursor.at - character.len_utf8();
        match character {
            '&' => match cursor.character_reference() {
                Some(decoded) => draft.push(decoded),
                None => draft.push('&'),
            },
            '<' if cursor.skip('/') => {
                let closed = end_tag(&mut cursor, begin, &mut open)?;
                close(&mut draft, closed)?;
            }
            '<' => {
                let (tag, argument) = start_tag(&mut cursor, begin)?;
                open.push(Open {
                    tag,
                    argument,
                    offset: draft.units,
                    text_from: draft.text.len(),
                });
            }
            other => draft.push(other),
        }
    }
    match open.last() {
        Some(open) => Err(format!(
            "Can't find end tag corresponding to start tag \"{}\"",
            open.tag
        )),
        None => Ok(draft.finish()),
    }
}

fn start_tag(cursor: &mut Cursor<'_>, begin: usize) -> Result<(String, String), String> {
    let tag = cursor
        .take_while(|c| !c.is_ascii_whitespace() && c != '>')
        .to_ascii_lowercase();
    if cursor.peek().is_none() {
        return Err(format!("Unclosed start tag at byte offset {begin}"));
    }
    if !TAGS.contains(&tag.as_str()) {
        return Err(format!(
            "Unsupported start tag \"{tag}\" at byte offset {begin}"
        ));
    }
    let mut argument = String::new();
    loop {
        cursor.take_while(|c| c.is_ascii_whitespace());
        if cursor.skip('>') {
            break;
        }
        if let Some((name, value)) = attribute(cursor, &tag, begin)? {
            keep_argument(&tag, &name, value, &mut argument);
        }
    }
    if tag == "span" && argument != "spoiler" {
        return Err(format!(
            "Tag \"span\" must have class \"tg-spoiler\" at byte offset {begin}"
        ));
    }
    Ok((tag, argument))
}

/// One attribute and its value; `None` for one that says nothing to us.
fn attribute(
    cursor: &mut Cursor<'_>,
    tag: &str,
    begin: usize,
) -> Result<Option<(String, String)>, String> {
    let unclosed = || format!("Unclosed start tag \"{tag}\" at byte offset {begin}");
    let stops = |c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/' | '"' | '\'');
    let name = cursor.take_while(|c| !stops(c)).to_owned();
    if name.is_empty() {
        return Err(format!(
            "Empty attribute name in the tag \"{tag}\" at byte offset {begin}"
        ));
    }
    cursor.take_while(|c| c.is_ascii_whitespace());
    if !cursor.skip('=') {
        cursor.peek().ok_or_else(unclosed)?;
        return Ok((name == "expandable").then(|| (name, String::new())));
    }
    cursor.take_while(|c| c.is_ascii_whitespace());
    match cursor.peek().ok_or_else(unclosed)? {
        quote @ ('"' | '\'') => {
            cursor.next();
            let value = cursor
                .quoted(quote)
                .ok_or_else(|| format!("Unclosed start tag at byte offset {begin}"))?;
            Ok(Some((name, value)))
        }
        _ => {
            let from = cursor.at;
            let value = cursor
                .take_while(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
                .to_ascii_lowercase();
            match cursor.peek() {
                Some(c) if c.is_ascii_whitespace() || c == '>' => Ok(Some((name, value))),
                Some(_) => Err(format!(
                    "Unexpected end of name token at byte offset {from}"
                )),
                None => Err(format!("Unclosed start tag at byte offset {begin}")),
            }
        }
    }
}

fn keep_argument(tag: &str, name: &str, value: String, argument: &mut String) {
    match (tag, name) {
        ("a", "href") | ("tg-emoji", "emoji-id") | ("tg-time", "unix") => *argument = value,
        ("code", "class") => {
            *argument = value
                .strip_prefix("language-")
                .unwrap_or(argument)
                .to_owned()
        }
        ("span", "class") => *argument = value.strip_prefix("tg-").unwrap_or(argument).to_owned(),
        ("blockquote", "expandable") => "1".clone_into(argument),
        _ => {}
    }
}

fn end_tag(cursor: &mut Cursor<'_>, begin: usize, open: &mut Vec<Open>) -> Result<Open, String> {
    let Some(last) = open.pop() else {
        return Err(format!("Unexpected end tag at byte offset {begin}"));
    };
    let name = cursor
        .take_while(|c| !c.is_ascii_whitespace() && c != '>')
        .to_ascii_lowercase();
    cursor.take_while(|c| c.is_ascii_whitespace());
    if !cursor.skip('>') {
        return Err(format!("Unclosed end tag at byte offset {begin}"));
    }
    if !name.is_empty() && name != last.tag {
        let expected = &last.tag;
        return Err(format!(
            "Unmatched end tag at byte offset {begin}, expected \"</{expected}>\", found \"</{name}>\""
        ));
    }
    Ok(last)
}

fn close(draft: &mut Draft, open: Open) -> Result<(), String> {
    let Open {
        tag,
        argument,
        offset,
        text_from,
    } = open;
    match tag.as_str() {
        "b" | "strong" => draft.close(MessageEntityType::Bold, offset),
        "i" | "em" => draft.close(MessageEntityType::Italic, offset),
        "s" | "strike" | "del" => draft.close(MessageEntityType::Strikethrough, offset),
        "u" | "ins" => draft.close(MessageEntityType::Underline, offset),
        "span" | "tg-spoiler" => draft.close(MessageEntityType::Spoiler, offset),
        "blockquote" if argument.is_empty() => draft.close(MessageEntityType::Blockquote, offset),
        "blockquote" => draft.close(MessageEntityType::ExpandableBlockquote, offset),
        "a" => {
            let address = if argument.is_empty() {
                draft
                    .text
                    .split_at_checked(text_from)
                    .map(|(_, inner)| inner.to_owned())
                    .unwrap_or_default()
            } else {
                argument
            };
            draft.close_link(&address, offset);
        }
        "tg-emoji" => {
            argument
                .parse::<i64>()
                .ok()
                .filter(|id| *id != 0)
                .ok_or("Invalid custom emoji identifier specified")?;
            draft.close(MessageEntityType::CustomEmoji, offset);
            if let Some(last) = draft.entities.last_mut() {
                last.custom_emoji_id = Some(argument);
            }
        }
        "tg-time" => {
            draft.close(MessageEntityType::DateTime, offset);
            if let Some(last) = draft.entities.last_mut() {
                last.unix_time = argument.parse().ok();
            }
        }
        "code" => close_code(draft, argument, offset),
        _ => close_pre(draft, offset),
    }
    Ok(())
}

/// `<pre><code class="language-x">` is one block with a language: the inner tag closes first and keeps the language for the outer one.
fn close_code(draft: &mut Draft, language: String, offset: usize) {
    draft.close(MessageEntityType::Code, offset);
    if let Some(last) = draft.entities.last_mut().filter(|_| !language.is_empty()) {
        last.language = Some(language);
    }
}

fn close_pre(draft: &mut Draft, offset: usize) {
    let same_place = draft.entities.last().is_some_and(|last| {
        last.type_field == MessageEntityType::Code
            && usize::from(last.offset) == offset
            && usize::from(last.offset) + usize::from(last.length) == draft.units
    });
    let language = if same_place {
        draft.entities.pop().and_then(|inner| inner.language)
    } else {
        None
    };
    draft.close_code(language, offset);
}

/// Walks the source character by character and knows its byte offset.
struct Cursor<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn skip(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.at += wanted.len_utf8();
        }
        there
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// A quoted value up to its closing quote, references decoded; `None` when it never closes.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut value = String::new();
        loop {
            match self.next()? {
                c if c == quote => return Some(value),
                '&' => value.push(self.character_reference().unwrap_or('&')),
                c => value.push(c),
            }
        }
    }

    /// What follows an `&`: `lt;`, `gt;`, `amp;`, `quot;` or a number. Moves on only when it is one.
    fn character_reference(&mut self) -> Option<char> {
        let rest = self.rest();
        for (name, character) in [("lt;", '<'), ("gt;", '>'), ("amp;", '&'), ("quot;", '"')] {
            if rest.starts_with(name) || rest.starts_with(name.trim_end_matches(';')) {
                self.at += if rest.starts_with(name) {
                    name.len()
                } else {
                    name.len() - 1
                };
                return Some(character);
            }
        }
        let number = rest.strip_prefix('#')?;
        let (digits, radix) = match number.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16),
            None => (number, 10),
        };
        let length = digits
            .find(|c: char| !c.is_digit(radix))
            .unwrap_or(digits.len());
        let code = u32::from_str_radix(digits.get(..length)?, radix).ok()?;
        let character = char::from_u32(code).filter(|c| *c != '\0')?;
        let ended = digits
            .get(length..)
            .is_some_and(|after| after.starts_with(';'));
        self.at += (rest.len() - digits.len()) + length + usize::from(ended);
        Some(character)
    }
}
