//! What a value looks like before anybody asks what it says.
//!
//! It exists because the same words are an attack as a parameter and a lesson in a text, and because most values need no further look.

/// Spaces of a value that is still a phrase and not a text.
const PHRASE_SPACES_MAX: usize = 6;

/// How much somebody may have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    /// No space: a parameter.
    Word,
    /// A few words in one line.
    Phrase,
    /// Lines, or many words, or a script that uses no spaces.
    Text,
}

impl Shape {
    pub(super) fn of(value: &[u8]) -> Self {
        let value = value.trim_ascii();
        let (mut spaces, mut foreign, mut last) = (0, 0, b' ');
        for byte in value.iter().copied() {
            spaces += usize::from(byte == b' ' && last != b' ');
            // Letters of other scripts begin with these in UTF-8; the bytes of overlong ASCII do not.
            foreign += usize::from(matches!(byte, 0xc3..=0xdf | 0xe1..=0xef));
            last = byte;
        }
        if value.contains(&b'\n') || spaces > PHRASE_SPACES_MAX || foreign * 8 > value.len() {
            Self::Text
        } else if spaces > 0 {
            Self::Phrase
        } else {
            Self::Word
        }
    }
}

/// Signs without which only words are left.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    /// Anything but letters, digits, spaces and the signs of plain prose.
    pub(super) any: bool,
    /// What markup or script needs.
    pub(super) markup: bool,
    /// What a path or a command needs.
    pub(super) system: bool,
}

impl Signs {
    pub(super) fn of(value: &[u8]) -> Self {
        let mut signs = Self::default();
        for byte in value {
            match byte {
                b'<' | b':' | b'=' | b'[' | b'`' | b'(' => {
                    signs.any = true;
                    signs.markup = true;
                }
                b'/' | b'$' | b'{' | b'|' | b';' => {
                    signs.any = true;
                    signs.system = true;
                }
                // What begins an encoded layer may hide all of them.
                b'%' | b'\\' | b'&' | 0xc0 | 0xc1 | 0xe0 | 0xef..=0xff | 0..=8 => {
                    signs = Self {
                        any: true,
                        markup: true,
                        system: true,
                    };
                }
                b'\'' | b'"' | b')' | b'#' | b'*' | b'@' | b'>' | b'^' | b'~' | b'+' | b'!'
                | b'\n' | b'\r' => {
                    signs.any = true;
                }
                _ => {}
            }
        }
        signs
    }
}
