//! `parse_mode=Markdown`, the old one: no nesting, four marks, escapes only before them.

use frankenstein::types::MessageEntityType;

use super::Draft;
use crate::telegram::chat::Formatted;

/// Reads a text; the error is the reason after "can't parse entities: ".
pub(super) fn read(source: &str) -> Result<Formatted, String> {
    let mut draft = Draft::default();
    let mut rest = source;
    while let Some(character) = rest.chars().next() {
        let begin = source.len() - rest.len();
        let missing = || format!("Can't find end of the entity starting at byte offset {begin}");
        let after = rest.get(character.len_utf8()..).unwrap_or_default();
        rest = match character {
            '\\' if after.starts_with(['_', '*', '`', '[']) => {
                after
                    .chars()
                    .next()
                    .into_iter()
                    .for_each(|escaped| draft.push(escaped));
                after.get(1..).unwrap_or_default()
            }
            '_' => {
                spanned(&mut draft, after, "_", MessageEntityType::Italic).ok_or_else(missing)?
            }
            '*' => spanned(&mut draft, after, "*", MessageEntityType::Bold).ok_or_else(missing)?,
            '`' if after.starts_with("``") => {
                block(&mut draft, after.get(2..).unwrap_or_default()).ok_or_else(missing)?
            }
            '`' => spanned(&mut draft, after, "`", MessageEntityType::Code).ok_or_else(missing)?,
            '[' => linked(&mut draft, after).ok_or_else(missing)?,
            other => {
                draft.push(other);
                after
            }
        };
    }
    Ok(draft.finish())
}

fn spanned<'a>(
    draft: &mut Draft,
    text: &'a str,
    mark: &str,
    kind: MessageEntityType,
) -> Option<&'a str> {
    let (inner, rest) = text.split_once(mark)?;
    let offset = draft.units;
    inner.chars().for_each(|c| draft.push(c));
    draft.close(kind, offset);
    Some(rest)
}

fn block<'a>(draft: &mut Draft, text: &'a str) -> Option<&'a str> {
    let (inner, rest) = text.split_once("```")?;
    let (language, code) = match inner.split_once('\n') {
        Some((first, code)) if !first.is_empty() && !first.contains(char::is_whitespace) => {
            (Some(first.to_owned()), code)
        }
        Some(("", code)) => (None, code),
        _ => (None, inner),
    };
    let offset = draft.units;
    code.chars().for_each(|c| draft.push(c));
    draft.close_code(language, offset);
    Some(rest)
}

fn linked<'a>(draft: &mut Draft, text: &'a str) -> Option<&'a str> {
    let (inner, rest) = text.split_once(']')?;
    let offset = draft.units;
    inner.chars().for_each(|c| draft.push(c));
    let Some(address) = rest.strip_prefix('(') else {
        return Some(rest);
    };
    let (address, rest) = address.split_once(')')?;
    draft.close_link(address, offset);
    Some(rest)
}
