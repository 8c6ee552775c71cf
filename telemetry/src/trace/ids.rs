//! Trace and span ids as W3C Trace Context has them: random bytes, never all zero, written in lower-case hex.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// The text has another length than the id needs.
    #[error("an id of {expected} hexadecimal digits was expected, got {got} bytes")]
    Length {
        /// Digits that the id has.
        expected: usize,
        /// Bytes that were given.
        got: usize,
    },
    /// A byte is no hexadecimal digit.
    #[error("an id holds hexadecimal digits only")]
    Digit,
    /// All digits are zero, which W3C Trace Context defines as "no id".
    #[error("an id of zeros only means that there is none")]
    Zero,
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], ParseIdError> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(ParseIdError::Length {
            expected: 2 * N,
            got: digits.len(),
        });
    }
    let mut bytes = [0u8; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let mut value = 0u8;
        for digit in pair {
            let digit = char::from(*digit).to_digit(16).ok_or(ParseIdError::Digit)?;
            value = (value << 4) | u8::try_from(digit).map_err(|_| ParseIdError::Digit)?;
        }
        *byte = value;
    }
    if bytes.iter().all(|byte| *byte == 0) {
        Err(ParseIdError::Zero)
    } else {
        Ok(bytes)
    }
}

fn random<const N: usize>() -> [u8; N]
where
    rand::distr::StandardUniform: rand::distr::Distribution<[u8; N]>,
{
    loop {
        let bytes: [u8; N] = rand::random();
        if bytes.iter().any(|byte| *byte != 0) {
            return bytes;
        }
    }
}

/// Writes all digits at once: ids are written several times a request, and formatting them number by number takes ten times as long.
fn write_hex<const N: usize>(bytes: [u8; N], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or_default();
    let pairs = bytes.map(|byte| [digit(byte >> 4), digit(byte & 0xf)]);
    f.write_str(std::str::from_utf8(pairs.as_flattened()).map_err(|_| fmt::Error)?)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $length]);

        impl $name {
            /// A fresh random id.
            pub fn random() -> Self {
                Self(random())
            }

            /// The id made of these bytes; zeros only mean "no id" on the wire, so nobody should send them on.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bytes, most significant first.
            pub const fn to_bytes(self) -> [u8; $length] {
                self.0
            }

            /// The bytes, borrowed; for statements that take a `bytea`.
            pub const fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                decode(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

id! {
    /// One story: everything that happened because of one thing that came in. It is the correlation id in logs, rows and errors.
    TraceId, 16
}

id! {
    /// One piece of work inside a trace.
    SpanId, 8
}
