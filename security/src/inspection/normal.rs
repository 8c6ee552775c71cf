//! The normal form: what a value could be taken for once somebody has decoded too much.
//!
//! It exists because attacks hide in layers that one reader removes and another does not: a second percent encoding, entities of HTML,
//! escapes of scripts, overlong UTF-8, wide letters, invisible ones, comments between words. It is only matched against and never passed on.
//! Each pass is linear, and there are three at most.

use super::decode::escape;

/// Layers that are taken off at most.
const PASSES_MAX: usize = 3;
/// Digits of one entity that are read; browsers allow any number of zeros, nobody needs more than these.
const ENTITY_DIGITS_MAX: usize = 10;

/// What had to be undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tricks {
    /// A percent escape, `%XX` or `%uXXXX`.
    pub(super) percent: bool,
    /// A dot or a slash under a percent escape.
    pub(super) percent_of_path: bool,
    /// An entity of HTML or an escape of a script.
    pub(super) escape: bool,
    /// A character in more bytes than it needs.
    pub(super) overlong: bool,
    /// A NUL.
    pub(super) nul: bool,
    /// A comment that MySQL executes, or one between two letters.
    pub(super) comment: bool,
}

impl Tricks {
    /// Whether anything was undone.
    pub(super) fn hide(self) -> bool {
        self != Self::default()
    }

    /// Whether something was undone that may have hidden another layer.
    fn has_layer(self) -> bool {
        self.percent || self.escape || self.overlong
    }

    fn and(self, other: Self) -> Self {
        Self {
            percent: self.percent || other.percent,
            percent_of_path: self.percent_of_path || other.percent_of_path,
            escape: self.escape || other.escape,
            overlong: self.overlong || other.overlong,
            nul: self.nul || other.nul,
            comment: self.comment || other.comment,
        }
    }
}

/// Buffers that one request's values share.
#[derive(Debug, Default)]
pub(super) struct Normaliser {
    form: Vec<u8>,
    spare: Vec<u8>,
    bare: Vec<u8>,
}

/// A value in its normal form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Normal<'n> {
    /// Small letters, single spaces, no NULs, nothing encoded.
    pub(super) form: &'n [u8],
    /// The same without comments, where it has some.
    pub(super) bare: Option<&'n [u8]>,
    pub(super) tricks: Tricks,
}

impl Normaliser {
    /// The normal form of a decoded value.
    pub(super) fn normal(&mut self, value: &[u8]) -> Normal<'_> {
        let mut tricks = fold(value, &mut self.form);
        let mut layer = tricks;
        for _ in 1..PASSES_MAX {
            if !layer.has_layer() {
                break;
            }
            std::mem::swap(&mut self.form, &mut self.spare);
            layer = fold(&self.spare, &mut self.form);
            tricks = tricks.and(layer);
        }
        let has_comments = self.form.windows(2).any(|two| two == b"/*");
        if has_comments {
            tricks.comment = uncomment(&self.form, &mut self.bare);
        }
        Normal {
            form: &self.form,
            bare: has_comments.then_some(&self.bare),
            tricks,
        }
    }
}

/// Takes one layer off.
fn fold(value: &[u8], form: &mut Vec<u8>) -> Tricks {
    form.clear();
    form.reserve(value.len());
    let mut folding = Folding {
        form,
        tricks: Tricks::default(),
    };
    let mut rest = value;
    while !rest.is_empty() {
        rest = folding.step(rest);
    }
    folding.tricks
}

struct Folding<'f> {
    form: &'f mut Vec<u8>,
    tricks: Tricks,
}

impl Folding<'_> {
    /// Takes at least one byte and returns what is left.
    fn step<'v>(&mut self, rest: &'v [u8]) -> &'v [u8] {
        let undone = match rest {
            [b'%', ..] => self.percent(rest),
            [b'&', ..] => self.entity(rest),
            [b'\\', ..] => self.script_escape(rest),
            [0xc0..=0xc1 | 0xe0 | 0xf0, ..] => self.overlong(rest),
            [0xc2 | 0xc5 | 0xe1..=0xe3 | 0xef, ..] => self.lookalike(rest),
            _ => None,
        };
        undone.unwrap_or_else(|| match rest.split_first() {
            Some((first, after)) => {
                self.push(*first);
                after
            }
            None => rest,
        })
    }

    fn push(&mut self, byte: u8) {
        match byte {
            0 => self.tricks.nul = true,
            1..=0x20 | 0x7f => {
                if self.form.last() != Some(&b' ') {
                    self.form.push(b' ');
                }
            }
            _ => self.form.push(byte.to_ascii_lowercase()),
        }
    }

    /// A character that was written out; a NUL so written is a word of code and not a byte.
    fn push_character(&mut self, code: u32) {
        match u8::try_from(code) {
            Ok(0) => {}
            Ok(byte) if byte.is_ascii() => self.push(byte),
            _ => {
                let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                let mut buffer = [0; 4];
                self.form
                    .extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            }
        }
    }

    /// `%41`, `%u0041`.
    fn percent<'v>(&mut self, rest: &'v [u8]) -> Option<&'v [u8]> {
        let (code, after) = match rest {
            [b'%', b'u' | b'U', digits @ ..] => hex(digits, 4, 4)?,
            _ => escape(rest.get(1..)?).map(|(byte, after)| (u32::from(byte), after))?,
        };
        self.tricks.percent = true;
        let code = narrow(code);
        self.tricks.percent_of_path |= matches!(code, 0x2e | 0x2f | 0x5c);
        match u8::try_from(code) {
            Ok(byte) => self.push(byte),
            Err(_) => self.push_character(code),
        }
        Some(after)
    }

    /// `&#65;`, `&#x41`, `&lt;`.
    fn entity<'v>(&mut self, rest: &'v [u8]) -> Option<&'v [u8]> {
        let (code, after) = match rest {
            [b'&', b'#', b'x' | b'X', digits @ ..] => hex(digits, 1, ENTITY_DIGITS_MAX)?,
            [b'&', b'#', digits @ ..] => number(digits, 10, 1, ENTITY_DIGITS_MAX)?,
            [b'&', name @ ..] => named(name)?,
            _ => return None,
        };
        self.tricks.escape = true;
        self.push_character(code);
        Some(after.strip_prefix(b";").unwrap_or(after))
    }

    /// `\x41`, `\u0041`, `\u{41}`.
    fn script_escape<'v>(&mut self, rest: &'v [u8]) -> Option<&'v [u8]> {
        let (code, after) = match rest {
            [b'\\', b'x', digits @ ..] => hex(digits, 2, 2)?,
            [b'\\', b'u', b'{', digits @ ..] => {
                let (code, after) = hex(digits, 1, 6)?;
                (code, after.strip_prefix(b"}")?)
            }
            [b'\\', b'u', digits @ ..] => hex(digits, 4, 4)?,
            _ => return None,
        };
        self.tricks.escape = true;
        self.push_character(code);
        Some(after)
    }

    /// ASCII in two, three or four bytes.
    fn overlong<'v>(&mut self, rest: &'v [u8]) -> Option<&'v [u8]> {
        let (code, after) = match rest {
            [first @ 0xc0..=0xc1, last, after @ ..] => {
                ((u32::from(*first) & 1) << 6 | low_bits(*last)?, after)
            }
            [0xe0, middle @ 0x80..=0x81, last @ 0x80..=0xbf, after @ ..]
            | [
                0xf0,
                0x80,
                middle @ 0x80..=0x81,
                last @ 0x80..=0xbf,
                after @ ..,
            ] => (low_bits(*middle)? << 6 | low_bits(*last)?, after),
            _ => return None,
        };
        self.tricks.overlong = true;
        self.push_character(code);
        Some(after)
    }

    /// Letters that some readers take for ASCII, and signs that none shows.
    fn lookalike<'v>(&mut self, rest: &'v [u8]) -> Option<&'v [u8]> {
        let (meant, after) = match rest {
            // No-break and other spaces, and the line ends of Unicode.
            [0xc2, 0x85 | 0xa0, after @ ..]
            | [0xe1, 0x9a, 0x80, after @ ..]
            | [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, after @ ..]
            | [0xe2, 0x81, 0x9f, after @ ..]
            | [0xe3, 0x80, 0x80, after @ ..] => (Some(b' '), after),
            // Soft hyphens, joiners and marks that take no place.
            [0xc2, 0xad, after @ ..]
            | [0xe1, 0xa0, 0x8e, after @ ..]
            | [0xe2, 0x80, 0x8b..=0x8f, after @ ..]
            | [0xef, 0xbb, 0xbf, after @ ..] => (None, after),
            // The long s and the Kelvin sign, which are s and k when case is ignored.
            [0xc5, 0xbf, after @ ..] => (Some(b's'), after),
            [0xe2, 0x84, 0xaa, after @ ..] => (Some(b'k'), after),
            // Slashes of fractions and sets.
            [0xe2, 0x81, 0x84, after @ ..] | [0xe2, 0x88, 0x95, after @ ..] => (Some(b'/'), after),
            [0xe2, 0x88, 0x96, after @ ..] => (Some(b'\\'), after),
            // The wide forms U+FF01 to U+FF5E.
            [0xef, 0xbc, last @ 0x81..=0xbf, after @ ..] => (Some(last - 0x60), after),
            [0xef, 0xbd, last @ 0x80..=0x9e, after @ ..] => (Some(last - 0x20), after),
            _ => return None,
        };
        if let Some(byte) = meant {
            self.push(byte);
        }
        Some(after)
    }
}

/// Replaces each comment of SQL and of scripts by a space, and of a comment that MySQL executes its signs alone. Returns whether one
/// of those was there, or one between two letters.
fn uncomment(form: &[u8], bare: &mut Vec<u8>) -> bool {
    bare.clear();
    let mut hides = false;
    let mut rest = form;
    while let Some((first, tail)) = rest.split_first() {
        let Some(inside) = rest.strip_prefix(b"/*") else {
            bare.push(*first);
            rest = tail;
            continue;
        };
        let executed = inside.strip_prefix(b"!");
        if let Some(executed) = executed.filter(|text| begins_word(text)) {
            hides = true;
            bare.push(b' ');
            let version = executed.iter().take_while(|byte| byte.is_ascii_digit());
            rest = executed.get(version.count()..).unwrap_or_default();
            continue;
        }
        let Some(end) = inside.windows(2).position(|two| two == b"*/") else {
            bare.extend_from_slice(rest);
            break;
        };
        rest = inside.get(end + 2..).unwrap_or_default();
        hides |= bare.last().is_some_and(u8::is_ascii_alphanumeric) && begins_word(rest);
        if bare.last() != Some(&b' ') {
            bare.push(b' ');
        }
        rest = rest.strip_prefix(b" ").unwrap_or(rest);
    }
    hides
}

fn begins_word(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_alphanumeric)
}

/// The low six bits of a continuation byte. Some decoders take any byte for one, and `%c0%2f` is a known spelling of a slash.
fn low_bits(byte: u8) -> Option<u32> {
    match byte {
        0x80..=0xbf => Some(u32::from(byte) & 0x3f),
        0x2e | 0x2f | 0x5c => Some(u32::from(byte)),
        _ => None,
    }
}

/// The ASCII of wide forms, and of signs that some tables map to dots and slashes; any other code is itself.
fn narrow(code: u32) -> u32 {
    match code {
        0xff01..=0xff5e => code - 0xfee0,
        0x2024 => u32::from(b'.'),
        0x2044 | 0x2215 | 0x29f8 | 0xefc8 => u32::from(b'/'),
        0x2216 | 0x29f5 | 0x29f9 => u32::from(b'\\'),
        _ => code,
    }
}

fn hex(digits: &[u8], least: usize, most: usize) -> Option<(u32, &[u8])> {
    number(digits, 16, least, most)
}

/// Reads `least` to `most` digits.
fn number(digits: &[u8], radix: u32, least: usize, most: usize) -> Option<(u32, &[u8])> {
    let count = digits
        .iter()
        .take(most)
        .take_while(|digit| char::from(**digit).is_digit(radix))
        .count();
    let (read, after) = digits.split_at_checked(count)?;
    let value = read.iter().try_fold(0_u32, |sum, digit| {
        sum.checked_mul(radix)?
            .checked_add(char::from(*digit).to_digit(radix)?)
    });
    (count >= least).then_some((value.unwrap_or(u32::MAX), after))
}

/// The names of HTML that hide what matters here, and what follows them.
fn named(rest: &[u8]) -> Option<(u32, &[u8])> {
    const NAMES: [(&[u8], char); 20] = [
        (b"lt", '<'),
        (b"gt", '>'),
        (b"quot", '"'),
        (b"apos", '\''),
        (b"amp", '&'),
        (b"colon", ':'),
        (b"lpar", '('),
        (b"rpar", ')'),
        (b"tab", ' '),
        (b"newline", ' '),
        (b"nbsp", ' '),
        (b"sol", '/'),
        (b"bsol", '\\'),
        (b"equals", '='),
        (b"grave", '`'),
        (b"period", '.'),
        (b"comma", ','),
        (b"semi", ';'),
        (b"num", '#'),
        (b"excl", '!'),
    ];
    let length = rest
        .iter()
        .take(8)
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let (name, after) = rest.split_at_checked(length)?;
    let after = after.strip_prefix(b";")?;
    let known = NAMES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some((u32::from(known.1), after))
}

#[cfg(test)]
mod tests;
