//! Cutting a long text into messages.
//!
//! Telegram counts UTF-16 units, so we do. A cut falls between paragraphs if one is near, else between lines, words,
//! or as a last resort characters, and entities go on in the next part. The result depends on the text alone: a retry
//! that starts over cuts in the same places and can go on with the part that is missing.

use crate::format::{Formatted, clip};

/// The longest text of one message, in UTF-16 units.
pub const TEXT_UNITS_MAX: usize = 4096;
/// The longest caption, in UTF-16 units.
pub const CAPTION_UNITS_MAX: usize = 1024;
/// A cut at a nicer place may leave this share of a part unused, in percent: shorter parts read worse than a cut line.
const UNUSED_PERCENT_MAX: usize = 50;

/// The length of `text` in UTF-16 units.
#[must_use]
pub fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Cuts `text` into parts of at most `units_max` units (at least 2, since one character may need two). Nothing but
/// white space at the cuts is lost; a blank text has no parts.
#[must_use]
pub fn split(text: &Formatted, units_max: usize) -> Vec<Formatted> {
    let units_max = units_max.max(2);
    let mut parts = Vec::new();
    let mut rest = text.text.as_str();
    let mut offset = 0;
    while !rest.is_empty() {
        let bytes = cut(rest, units_max);
        let (part, after) = rest.split_at_checked(bytes).unwrap_or((rest, ""));
        let length = units(part);
        let window = offset..offset + length;
        let part = Formatted {
            text: part.to_owned(),
            entities: text
                .entities
                .iter()
                .filter_map(|entity| clip(entity, &window))
                .collect(),
        }
        .trimmed();
        if !part.is_blank() {
            parts.push(part);
        }
        offset += length;
        rest = after;
    }
    parts
}

/// Where to cut, in bytes: the end of the text if it fits, else the nicest place that is not too early.
fn cut(text: &str, units_max: usize) -> usize {
    let Some(limit) = byte_at(text, units_max) else {
        return text.len();
    };
    let earliest = byte_at(text, units_max * (100 - UNUSED_PERCENT_MAX) / 100).unwrap_or(0);
    let head = text.get(..limit).unwrap_or(text);
    ["\n\n", "\n", ". ", " "]
        .iter()
        .filter_map(|place| head.rfind(place).map(|at| at + place.len()))
        .find(|at| *at > earliest)
        .unwrap_or(limit)
}

/// The byte at which `units_max` units are full, or `None` if the text is shorter or just fits.
fn byte_at(text: &str, units_max: usize) -> Option<usize> {
    let mut used = 0;
    for (byte, character) in text.char_indices() {
        used += character.len_utf16();
        if used > units_max {
            return Some(byte);
        }
    }
    None
}

#[cfg(test)]
mod tests;
