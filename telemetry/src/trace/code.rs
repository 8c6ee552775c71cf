//! The support code: what a person reads out when something went wrong.
//!
//! It is the first 40 bits of the trace id in Crockford's base32, so nothing has to be stored for it, and it survives being
//! spoken, hand-written and typed: case and hyphens do not matter, O is 0, I and L are 1.

use std::fmt;
use std::str::FromStr;

use super::TraceId;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LETTERS: usize = 8;
const BITS_PER_LETTER: usize = 5;
const BYTES: usize = 5;

/// The short form of a trace id, shown as `K7QF-3M2X`. Several traces may share one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SupportCode([u8; BYTES]);

/// The text is no support code: eight letters or digits of Crockford's base32 were expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a support code has eight letters or digits, as in K7QF-3M2X")]
pub struct ParseCodeError;

impl TraceId {
    /// The code that a person is shown for this trace.
    pub fn support_code(&self) -> SupportCode {
        let mut bytes = [0; BYTES];
        for (to, from) in bytes.iter_mut().zip(self.as_bytes()) {
            *to = *from;
        }
        SupportCode(bytes)
    }
}

impl SupportCode {
    /// The first and the last trace id that have this code, both included: the range for an index scan.
    pub fn bounds(&self) -> (TraceId, TraceId) {
        let fill = |rest: u8| {
            let mut bytes = [rest; 16];
            for (to, from) in bytes.iter_mut().zip(self.0) {
                *to = from;
            }
            TraceId::from_bytes(bytes)
        };
        (fill(0x00), fill(0xff))
    }

    fn as_number(self) -> u64 {
        self.0
            .iter()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }
}

impl fmt::Display for SupportCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.as_number();
        for position in 0..LETTERS {
            if position == LETTERS / 2 {
                f.write_str("-")?;
            }
            let shift = BITS_PER_LETTER * (LETTERS - 1 - position);
            let index = usize::try_from((number >> shift) & 0x1f).unwrap_or_default();
            let letter = ALPHABET.get(index).copied().unwrap_or(b'0');
            write!(f, "{}", char::from(letter))?;
        }
        Ok(())
    }
}

impl fmt::Debug for SupportCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SupportCode {
    type Err = ParseCodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut number = 0u64;
        let mut letters = 0;
        for letter in text.chars().filter(|letter| !matches!(letter, '-' | ' ')) {
            letters += 1;
            if letters > LETTERS {
                return Err(ParseCodeError);
            }
            number = (number << BITS_PER_LETTER) | value_of(letter).ok_or(ParseCodeError)?;
        }
        if letters != LETTERS {
            return Err(ParseCodeError);
        }
        let mut bytes = [0; BYTES];
        for (to, from) in bytes
            .iter_mut()
            .zip(number.to_be_bytes().into_iter().skip(8 - BYTES))
        {
            *to = from;
        }
        Ok(Self(bytes))
    }
}

impl serde::Serialize for SupportCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn value_of(letter: char) -> Option<u64> {
    let letter = match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let index = ALPHABET
        .iter()
        .position(|candidate| char::from(*candidate) == letter)?;
    u64::try_from(index).ok()
}
