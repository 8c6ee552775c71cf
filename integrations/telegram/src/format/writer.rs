//! From Markdown's events to plain text with entities.
//!
//! What Telegram cannot show becomes the closest thing it can: a heading is bold, a list has bullets, a rule is a dash.

use pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd};

use super::{Entity, Formatted, Style, nesting};
use crate::split::units;

/// Builds the text and remembers what is open.
#[derive(Default)]
pub(super) struct Writer {
    text: String,
    /// UTF-16 length of `text`, kept so that it is not counted again for every event.
    at: usize,
    open: Vec<(Style, usize)>,
    lists: Vec<Option<u64>>,
    entities: Vec<Entity>,
}

impl Writer {
    pub(super) fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text) => self.push(&text),
            Event::Code(text) => self.code(&text),
            Event::SoftBreak | Event::HardBreak => self.push("\n"),
            Event::Rule => {
                self.paragraph_gap();
                self.push("———");
            }
            Event::FootnoteReference(name) => self.push(&format!("[{name}]")),
            Event::TaskListMarker(done) => self.push(if done { "☑ " } else { "☐ " }),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Strong => self.begin(Style::Bold),
            Tag::Emphasis => self.begin(Style::Italic),
            Tag::Strikethrough => self.begin(Style::Strikethrough),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.begin(Style::Link(dest_url.into_string()));
            }
            Tag::Heading { .. } => {
                self.paragraph_gap();
                self.begin(Style::Bold);
            }
            Tag::BlockQuote(_) => {
                self.paragraph_gap();
                self.begin(Style::Blockquote);
            }
            Tag::CodeBlock(kind) => {
                self.paragraph_gap();
                self.begin(Style::Pre(language(kind)));
            }
            Tag::List(first) => {
                if self.lists.is_empty() {
                    self.paragraph_gap();
                }
                self.lists.push(first);
            }
            Tag::Item => self.item(),
            Tag::Paragraph | Tag::HtmlBlock if self.lists.is_empty() => self.paragraph_gap(),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Strong
            | TagEnd::Emphasis
            | TagEnd::Strikethrough
            | TagEnd::Link
            | TagEnd::Image
            | TagEnd::Heading(_)
            | TagEnd::BlockQuote(_)
            | TagEnd::CodeBlock => self.finish_innermost(),
            TagEnd::List(_) => {
                self.lists.pop();
            }
            _ => {}
        }
    }

    fn item(&mut self) {
        self.line_gap();
        let depth = self.lists.len().saturating_sub(1);
        self.push(&"  ".repeat(depth));
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                let mark = format!("{number}. ");
                *number = number.saturating_add(1);
                mark
            }
            Some(None) | None => "• ".to_owned(),
        };
        self.push(&mark);
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.at += units(text);
    }

    fn code(&mut self, text: &str) {
        self.begin(Style::Code);
        self.push(text);
        self.finish_innermost();
    }

    fn begin(&mut self, style: Style) {
        self.open.push((style, self.at));
    }

    fn finish_innermost(&mut self) {
        if let Some((style, offset)) = self.open.pop() {
            let length = self.at - offset;
            if length > 0 {
                self.entities.push(Entity {
                    style,
                    offset,
                    length,
                });
            }
        }
    }

    /// One empty line before the next block, none at the very beginning.
    fn paragraph_gap(&mut self) {
        if self.nothing_since_block_opened() {
            return;
        }
        let missing = 2 - self
            .text
            .chars()
            .rev()
            .take(2)
            .take_while(|c| *c == '\n')
            .count();
        self.push(&"\n".repeat(missing));
    }

    fn line_gap(&mut self) {
        if !self.nothing_since_block_opened() && !self.text.ends_with('\n') {
            self.push("\n");
        }
    }

    /// True at the start of the text and right inside a quotation: a gap there would be a hole at its top.
    fn nothing_since_block_opened(&self) -> bool {
        self.text.is_empty()
            || matches!(self.open.last(), Some((Style::Blockquote, offset)) if *offset == self.at)
    }

    pub(super) fn finish(mut self) -> Formatted {
        while !self.open.is_empty() {
            self.finish_innermost();
        }
        let entities = nesting::tidy(&self.text, self.entities);
        Formatted {
            text: self.text,
            entities,
        }
        .trimmed()
    }
}

fn language(kind: CodeBlockKind<'_>) -> Option<String> {
    match kind {
        CodeBlockKind::Fenced(info) => info
            .split_whitespace()
            .next()
            .map(str::to_owned)
            .filter(|word| !word.is_empty()),
        CodeBlockKind::Indented => None,
    }
}
