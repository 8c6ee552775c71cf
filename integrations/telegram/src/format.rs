//! Small Markdown to Telegram's text and entities, in a way that cannot break.
//!
//! Telegram's own Markdown modes refuse a whole message for one unbalanced star. Here the Markdown is read as
//! CommonMark, which has no errors, and turned into plain text with entities counted in UTF-16 units: whatever a model
//! writes, the result is accepted. What Telegram cannot show (headings, tables, images) becomes the closest thing it
//! can. Cutting long texts is next door, in `split`.

use std::ops::Range;

use frankenstein::types::{MessageEntity, MessageEntityType};
use pulldown_cmark::{Options, Parser};

use crate::split::units;

mod growing;
mod nesting;
mod writer;

use writer::Writer;

/// Text with the entities that decorate it, as Telegram wants them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Formatted {
    /// The text, without any marks in it.
    pub text: String,
    /// Sorted by offset; offsets and lengths in UTF-16 units; none empty, none overlapping another in part.
    pub entities: Vec<Entity>,
}

/// One decorated stretch of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// What it looks like.
    pub style: Style,
    /// First UTF-16 unit.
    pub offset: usize,
    /// Length in UTF-16 units, at least 1.
    pub length: usize,
}

/// The looks that Telegram has for text and that Markdown can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Style {
    /// Strong text, and headings.
    Bold,
    /// Emphasised text.
    Italic,
    /// Struck-out text.
    Strikethrough,
    /// Code within a line.
    Code,
    /// A block of code, with its language if it has one.
    Pre(Option<String>),
    /// A quotation.
    Blockquote,
    /// A link behind words.
    Link(String),
}

impl Style {
    /// Which of two styles with the same extent is the outer one: the smaller.
    fn depth(&self) -> u8 {
        match self {
            Self::Blockquote => 0,
            Self::Bold | Self::Italic | Self::Strikethrough | Self::Link(_) => 1,
            Self::Code | Self::Pre(_) => 2,
        }
    }

    /// Code holds no other entity and sits in none but a quotation.
    fn is_code(&self) -> bool {
        matches!(self, Self::Code | Self::Pre(_))
    }
}

impl Entity {
    pub(crate) fn end(&self) -> usize {
        self.offset + self.length
    }
}

impl Formatted {
    /// Whether there is anything to show. Telegram refuses a message that is empty or only space.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// The entities in the Bot API's form. What does not fit its 16-bit numbers is left out; after a split at
    /// [`crate::TEXT_UNITS_MAX`] everything fits.
    #[must_use]
    pub fn wire_entities(&self) -> Vec<MessageEntity> {
        self.entities.iter().filter_map(wire_entity).collect()
    }
}

fn wire_entity(entity: &Entity) -> Option<MessageEntity> {
    let (kind, url, language) = match &entity.style {
        Style::Bold => (MessageEntityType::Bold, None, None),
        Style::Italic => (MessageEntityType::Italic, None, None),
        Style::Strikethrough => (MessageEntityType::Strikethrough, None, None),
        Style::Code => (MessageEntityType::Code, None, None),
        Style::Pre(language) => (MessageEntityType::Pre, None, language.clone()),
        Style::Blockquote => (MessageEntityType::Blockquote, None, None),
        Style::Link(url) => (MessageEntityType::TextLink, Some(url.clone()), None),
    };
    let offset = u16::try_from(entity.offset).ok()?;
    let length = u16::try_from(entity.length).ok()?;
    Some(
        MessageEntity::builder()
            .type_field(kind)
            .offset(offset)
            .length(length)
            .maybe_url(url)
            .maybe_language(language)
            .build(),
    )
}

/// Text without any formatting, exactly as it is.
#[must_use]
pub fn plain(text: &str) -> Formatted {
    Formatted {
        text: text.to_owned(),
        entities: Vec::new(),
    }
}

/// Formats a whole Markdown text. Never fails: what is not Markdown stays as it was written.
#[must_use]
pub fn format_complete(markdown: &str) -> Formatted {
    let mut writer = Writer::default();
    for event in Parser::new_ext(markdown, Options::ENABLE_STRIKETHROUGH) {
        writer.take(event);
    }
    writer.finish()
}

/// Formats a Markdown text that is still being written: what is open at its end is closed first, so that a person
/// never sees the raw marks of a half-written bold word.
#[must_use]
pub fn format_growing(markdown: &str) -> Formatted {
    format_complete(&growing::closed(markdown))
}

impl Formatted {
    /// Without white space at either end; entities move and shrink along.
    pub(crate) fn trimmed(self) -> Self {
        let kept = self.text.trim_end();
        let start = kept.len() - kept.trim_start().len();
        let Some((lead, body)) = kept.split_at_checked(start) else {
            return self;
        };
        let from = units(lead);
        let to = from + units(body);
        let entities = self
            .entities
            .iter()
            .filter_map(|entity| clip(entity, &(from..to)))
            .collect();
        Self {
            text: body.to_owned(),
            entities,
        }
    }
}

/// The part of an entity that lies in `window`, counted from the window's start.
pub(crate) fn clip(entity: &Entity, window: &Range<usize>) -> Option<Entity> {
    let start = entity.offset.max(window.start);
    let end = entity.end().min(window.end);
    (start < end).then(|| Entity {
        style: entity.style.clone(),
        offset: start - window.start,
        length: end - start,
    })
}

#[cfg(test)]
mod tests;
