//! `parse_mode=MarkdownV2`: every reserved character is markup or must be escaped, with the real server's refusals and byte offsets.

use frankenstein::types::MessageEntityType;

use super::Draft;
use crate::telegram::chat::Formatted;

/// What can be open. The names are those of the real server's error texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bold,
    Italic,
    Underline,
    Strikethrough,
    Spoiler,
    Code,
    Pre,
    PreCode,
    TextUrl,
    CustomEmoji,
    BlockQuote,
}

struct Open {
    kind: Kind,
    language: Option<String>,
    offset: usize,
    byte: usize,
    text_from: usize,
}

struct Reader<'a> {
    source: &'a [u8],
    text: &'a str,
    at: usize,
    draft: Draft,
    open: Vec<Open>,
    in_quote: bool,
    may_quote: bool,
}

/// Reads a text; the error is the reason after "can't parse entities: ".
pub(super) fn read(source: &str) -> Result<Formatted, String> {
    let mut reader = Reader {
        source: source.as_bytes(),
        text: source,
        at: 0,
        draft: Draft::default(),
        open: Vec::new(),
        in_quote: false,
        may_quote: true,
    };
    while let Some(character) = reader.character() {
        reader.step(character)?;
    }
    reader.finish()
}

impl Reader<'_> {
    fn character(&self) -> Option<char> {
        self.text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
    }

    /// The byte `ahead` of the current one, 0 at the end: markup is ASCII, so bytes are enough.
    fn byte(&self, ahead: usize) -> u8 {
        self.source.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn step(&mut self, character: char) -> Result<(), String> {
        if character == '\\' && (1..=126).contains(&self.byte(1)) {
            let escaped = char::from(self.byte(1));
            self.draft.push(escaped);
            self.at += 2;
            if escaped != '\r' {
                self.may_quote = escaped == '\n';
            }
            return Ok(());
        }
        if !self.is_reserved(character) {
            self.draft.push(character);
            self.at += character.len_utf8();
            if character != '\r' {
                self.may_quote = false;
            }
            return Ok(());
        }
        if self.ends_here(character) {
            self.end(character)
        } else {
            self.begin(character)
        }
    }

    fn is_reserved(&self, character: char) -> bool {
        match self.open.last().map(|open| open.kind) {
            Some(Kind::Code | Kind::Pre | Kind::PreCode) => character == '`',
            _ => "_*[]()~`>#+-=|{}.!\n".contains(character),
        }
    }

    fn ends_here(&self, character: char) -> bool {
        let Some(open) = self.open.last() else {
            return false;
        };
        if self.in_quote && character == '\n' && self.byte(1) != b'>' {
            return true;
        }
        match open.kind {
            Kind::Bold => character == '*',
            Kind::Italic => character == '_' && self.byte(1) != b'_',
            Kind::Underline => character == '_' && self.byte(1) == b'_',
            Kind::Strikethrough => character == '~',
            Kind::Spoiler => character == '|' && self.byte(1) == b'|',
            Kind::Code => character == '`',
            Kind::Pre | Kind::PreCode => {
                character == '`' && self.byte(1) == b'`' && self.byte(2) == b'`'
            }
            Kind::TextUrl | Kind::CustomEmoji => character == ']',
            Kind::BlockQuote => false,
        }
    }

    fn begin(&mut self, character: char) -> Result<(), String> {
        let byte = self.at;
        let next = self.byte(1);
        let mut language = None;
        let (kind, length) = match character {
            '_' if next == b'_' => (Kind::Underline, 2),
            '_' => (Kind::Italic, 1),
            '*' => (Kind::Bold, 1),
            '~' => (Kind::Strikethrough, 1),
            '|' if next == b'|' => (Kind::Spoiler, 2),
            '[' => (Kind::TextUrl, 1),
            '`' if next == b'`' && self.byte(2) == b'`' => {
                let (named, length) = self.fence();
                language = named;
                (
                    if language.is_some() {
                        Kind::PreCode
                    } else {
                        Kind::Pre
                    },
                    length,
                )
            }
            '`' => (Kind::Code, 1),
            '!' if next == b'[' => (Kind::CustomEmoji, 2),
            '\n' => {
                self.draft.push('\n');
                self.may_quote = true;
                self.at += 1;
                return Ok(());
            }
            '>' if self.may_quote && self.in_quote => {
                self.at += 1;
                return Ok(());
            }
            '>' if self.may_quote => {
                self.in_quote = true;
                (Kind::BlockQuote, 1)
            }
            other => {
                return Err(format!(
                    "Character '{other}' is reserved and must be escaped with the preceding '\\'"
                ));
            }
        };
        self.at += length;
        let (offset, text_from) = (self.draft.units, self.draft.text.len());
        self.open.push(Open {
            kind,
            language,
            offset,
            byte,
            text_from,
        });
        Ok(())
    }

    /// The opening of a code block: its language, if it names one, and how many bytes it takes, the first line break included.
    fn fence(&self) -> (Option<String>, usize) {
        let rest = self.text.get(self.at + 3..).unwrap_or_default();
        let named = rest
            .find(|c: char| c.is_whitespace() || c == '`')
            .unwrap_or(rest.len());
        let ends_in_code = rest
            .get(named..)
            .is_some_and(|after| !after.is_empty() && !after.starts_with('`'));
        let language =
            (named > 0 && ends_in_code).then(|| rest.get(..named).unwrap_or_default().to_owned());
        let taken = if language.is_some() { named } else { 0 };
        let after = rest.get(taken..).unwrap_or_default();
        let line_break = ["\r\n", "\n\r", "\n", "\r"]
            .into_iter()
            .find(|ending| after.starts_with(ending));
        (language, 3 + taken + line_break.map_or(0, str::len))
    }

    fn end(&mut self, character: char) -> Result<(), String> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        if character == '\n' {
            return self.end_quote_line(open);
        }
        match open.kind {
            Kind::Bold => self.close(MessageEntityType::Bold, &open, 1),
            Kind::Italic => self.close(MessageEntityType::Italic, &open, 1),
            Kind::Code => self.close(MessageEntityType::Code, &open, 1),
            Kind::Strikethrough => self.close(MessageEntityType::Strikethrough, &open, 1),
            Kind::Underline => self.close(MessageEntityType::Underline, &open, 2),
            Kind::Spoiler => self.close(MessageEntityType::Spoiler, &open, 2),
            Kind::Pre | Kind::PreCode => {
                self.draft.close_code(open.language, open.offset);
                self.at += 3;
            }
            Kind::TextUrl => self.end_link(&open)?,
            Kind::CustomEmoji => self.end_emoji(&open)?,
            Kind::BlockQuote => {}
        }
        Ok(())
    }

    fn close(&mut self, kind: MessageEntityType, open: &Open, length: usize) {
        self.draft.close(kind, open.offset);
        self.at += length;
    }

    /// A line break that ends a quotation; `||` right before it makes the quotation expandable.
    fn end_quote_line(&mut self, open: Open) -> Result<(), String> {
        let expandable = open.kind == Kind::Spoiler && open.byte + 2 == self.at;
        let quote = if expandable {
            self.open.pop()
        } else {
            Some(open)
        };
        match quote {
            Some(quote) if quote.kind == Kind::BlockQuote => {
                self.draft.push('\n');
                self.at += 1;
                self.in_quote = false;
                self.may_quote = true;
                let kind = if expandable {
                    MessageEntityType::ExpandableBlockquote
                } else {
                    MessageEntityType::Blockquote
                };
                self.draft.close(kind, quote.offset);
                Ok(())
            }
            Some(open) => Err(unended(&open)),
            None => Ok(()),
        }
    }

    fn end_link(&mut self, open: &Open) -> Result<(), String> {
        let address = if self.byte(1) == b'(' {
            self.address()?
        } else {
            self.at += 1;
            self.draft
                .text
                .get(open.text_from..)
                .unwrap_or_default()
                .to_owned()
        };
        self.draft.close_link(&address, open.offset);
        Ok(())
    }

    fn end_emoji(&mut self, open: &Open) -> Result<(), String> {
        if self.byte(1) != b'(' {
            return Err("The entity must contain a tg://emoji or tg://time URL".to_owned());
        }
        let address = self.address()?;
        let (kind, emoji, time) = match address
            .strip_prefix("tg://emoji?id=")
            .map(str::parse::<u64>)
        {
            Some(Ok(id)) => (MessageEntityType::CustomEmoji, Some(id.to_string()), None),
            _ => {
                let time = address
                    .strip_prefix("tg://time?unix=")
                    .and_then(|time| time.split('&').next()?.parse().ok());
                let time = time.ok_or("Invalid tg://emoji or tg://time URL specified")?;
                (MessageEntityType::DateTime, None, Some(time))
            }
        };
        self.draft.close(kind, open.offset);
        if let Some(last) = self.draft.entities.last_mut() {
            last.custom_emoji_id = emoji;
            last.unix_time = time;
        }
        Ok(())
    }

    /// The address in round brackets after a `]`, escapes undone; moves behind the closing bracket.
    fn address(&mut self) -> Result<String, String> {
        self.at += 2;
        let (begin, mut address) = (self.at, String::new());
        loop {
            match self.character() {
                None => return Err(format!("Can't find end of a URL at byte offset {begin}")),
                Some(')') => {
                    self.at += 1;
                    return Ok(address);
                }
                Some('\\') if (1..=126).contains(&self.byte(1)) => {
                    address.push(char::from(self.byte(1)));
                    self.at += 2;
                }
                Some(other) => {
                    address.push(other);
                    self.at += other.len_utf8();
                }
            }
        }
    }

    fn finish(mut self) -> Result<Formatted, String> {
        let ends_expandable = self
            .open
            .last()
            .is_some_and(|open| open.kind == Kind::Spoiler && open.byte + 2 == self.source.len());
        if self.in_quote && ends_expandable {
            self.open.pop();
        }
        if self.in_quote
            && self
                .open
                .last()
                .is_some_and(|open| open.kind == Kind::BlockQuote)
        {
            let kind = if ends_expandable {
                MessageEntityType::ExpandableBlockquote
            } else {
                MessageEntityType::Blockquote
            };
            if let Some(open) = self.open.pop() {
                self.draft.close(kind, open.offset);
            }
        }
        match self.open.last() {
            Some(open) => Err(unended(open)),
            None => Ok(self.draft.finish()),
        }
    }
}

fn unended(open: &Open) -> String {
    format!(
        "Can't find end of {:?} entity at byte offset {}",
        open.kind, open.byte
    )
}
