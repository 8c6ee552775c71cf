//! libinjection, kept from what it does badly.
//!
//! The port (0.1.1) follows the C library byte by byte, with its weaknesses, and adds some. What was found in its source, and what
//! is done about it here:
//!
//! - A word with many dots or backticks is looked up once for each, prefix by prefix: quadratic. It never gets more than
//!   [`WINDOW_BYTES_MAX`] of a value, nor more than [`DOTS_MAX`] dots of one word, where no name has more than four.
//! - Arrays are indexed without checks. Nothing was found that panics, but nothing proves it either: a panic is caught and counts as a match.
//! - Its reading ends at a byte 0xFF, as C's signed characters do, and it walks lists of names for every NUL. It gets neither.
//! - It reads at most five tokens from the front, but walks on while they fold: the same bound. A long value is cut at its first quote,
//!   where the reading "inside quotes" begins anyway.

use std::panic::{AssertUnwindSafe, catch_unwind};

use libinjectionrs::sqli::SqliState;
use libinjectionrs::{SqliFlags, detect_xss};

/// Bytes of one value that the reader of SQL gets.
const WINDOW_BYTES_MAX: usize = 512;
/// Bytes of one value that the reader of markup gets.
const MARKUP_BYTES_MAX: usize = 4 * 1024;
/// Dots of one word; further ones are left out.
const DOTS_MAX: usize = 16;

/// What the reader of SQL says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sql {
    /// No fingerprint that it lists.
    Harmless,
    /// A fingerprint that it lists, and that complete statements, code and prose have as well.
    Listed,
    /// A fingerprint that continues somebody else's statement.
    Continues,
}

/// One request's use of libinjection.
#[derive(Debug, Default)]
pub(super) struct Injections {
    window: Vec<u8>,
}

impl Injections {
    /// Whether a value reads like a part of a statement.
    pub(super) fn sql(&mut self, value: &[u8]) -> Sql {
        if !may_continue(value) {
            return Sql::Harmless;
        }
        self.cut(from_first_quote(value), WINDOW_BYTES_MAX);
        let window = self.window.as_slice();
        match catch_unwind(AssertUnwindSafe(|| listed_tokens(window))) {
            Ok(None) => Sql::Harmless,
            Ok(Some(tokens)) if !continues(&tokens) => Sql::Listed,
            Ok(Some(_)) | Err(_) => Sql::Continues,
        }
    }

    /// Whether a value runs script as markup, alone or inside an attribute.
    pub(super) fn markup(&mut self, value: &[u8]) -> bool {
        self.cut(value, MARKUP_BYTES_MAX);
        let window = self.window.as_slice();
        catch_unwind(AssertUnwindSafe(|| runs_script(window))).unwrap_or(true)
    }

    /// Fills the window: no NUL, no 0xFF, no word of dots, and no more than this.
    fn cut(&mut self, value: &[u8], bytes_max: usize) {
        let mut dots = 0;
        let read = |byte: &u8| {
            match byte {
                b'.' => dots += 1,
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'`' | 0x80.. => {}
                _ => dots = 0,
            }
            !matches!(byte, 0 | 0xff) && (*byte != b'.' || dots <= DOTS_MAX)
        };
        self.window.clear();
        self.window
            .extend(value.iter().copied().filter(read).take(bytes_max));
    }
}

/// The tokens of a value, when libinjection lists their order.
fn listed_tokens(window: &[u8]) -> Option<[u8; 8]> {
    let mut state = SqliState::new(window, SqliFlags::FLAG_NONE);
    state.detect().then_some(state.fingerprint)
}

fn runs_script(window: &[u8]) -> bool {
    detect_xss(window).is_injection()
}

/// Whether a value can continue a statement at all: it closes a quote, or begins with a number.
fn may_continue(value: &[u8]) -> bool {
    let leads = |byte: &&u8| {
        !matches!(
            byte,
            b' ' | b'(' | b')' | b'+' | b'-' | b'!' | b'~' | b'\t'..=b'\r'
        )
    };
    let begins_with_number = value.iter().find(leads).is_some_and(u8::is_ascii_digit);
    begins_with_number || value.iter().any(|byte| matches!(byte, b'\'' | b'"'))
}

/// A long value from where its first quote is near; a short one whole.
fn from_first_quote(value: &[u8]) -> &[u8] {
    if value.len() <= WINDOW_BYTES_MAX {
        return value;
    }
    let quote = value.iter().position(|byte| matches!(byte, b'\'' | b'"'));
    let start = quote.unwrap_or(0).saturating_sub(WINDOW_BYTES_MAX / 8);
    value.get(start..).unwrap_or(value)
}

/// Whether a fingerprint begins with a constant, perhaps in brackets, and goes on with what joins it to more. The letters are
/// libinjection's: `s` a string, `1` a number, `&` AND or OR, `c` a comment, `U` UNION, `B` GROUP or ORDER BY. Names and operators
/// are not asked for: phone numbers, sums and code have them.
fn continues(tokens: &[u8]) -> bool {
    let [b's' | b'1', joined @ ..] = tokens else {
        return false;
    };
    let closed = joined.iter().take_while(|token| **token == b')').count();
    let joint = joined.get(closed);
    joint.is_some_and(|token| matches!(token, b'&' | b'c' | b'U' | b';' | b'B'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What SQL and HTML are made of, and bytes that are neither.
    fn fragments() -> impl Strategy<Value = Vec<u8>> {
        let fragment = prop_oneof![
            proptest::sample::select(vec![
                "'",
                "\"",
                "`",
                "/*",
                "*/",
                "/*!",
                "--",
                "#",
                "$a$",
                "$$",
                "@@",
                "0x",
                "q'(",
                "x'",
                "\\",
                "(",
                ")",
                ",",
                ";",
                "1",
                "1e",
                ".",
                "a.",
                "select ",
                "union ",
                "in ",
                "like ",
                "user(",
                "<",
                ">",
                "<!",
                "<!--",
                "-->",
                "<a ",
                "/",
                "=",
                "on",
                "style=",
                "href=",
                "&#",
                "&#x6a",
                "[if",
                "<![CDATA[",
                "]]>",
                "%>",
                "\0",
                "\n",
                " ",
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
            Just(b"or\xa0".to_vec()),
            proptest::sample::select(b"ab.`$1".to_vec()).prop_map(|byte| vec![byte; 45]),
            proptest::collection::vec(any::<u8>(), 1..4),
        ];
        proptest::collection::vec(fragment, 0..60).prop_map(|fragments| fragments.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn libinjection_itself_panics_on_nothing_that_it_is_handed(value in fragments()) {
            let mut injections = Injections::default();

            injections.cut(&value, WINDOW_BYTES_MAX);
            let _tokens = listed_tokens(&injections.window);

            injections.cut(&value, MARKUP_BYTES_MAX);
            let _runs = runs_script(&injections.window);
        }
    }

    #[test]
    fn the_first_quote_of_a_long_value_is_still_read() {
        let long = [&[b'x'; 5_000][..], b"' OR '1'='1"].concat();

        assert_eq!(Injections::default().sql(&long), Sql::Continues);
    }

    #[test]
    fn phone_numbers_sums_and_words_continue_nothing() {
        for harmless in [
            "(18)/772-0362",
            "+49 30 1234",
            "2*3",
            "rock 'n' roll",
            "it's ok; don't worry",
        ] {
            assert_ne!(
                Injections::default().sql(harmless.as_bytes()),
                Sql::Continues,
                "{harmless}"
            );
        }
    }
}
