//! The one decoding that a server does: percent escapes, and `+` in forms (ASVS 1.1.1).
//!
//! It exists apart from the normal form because this is what the application behind the edge will see, and the other is what
//! an attacker hopes somebody will see.

use std::borrow::Cow;

/// Whether `+` means a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plus {
    /// In queries and forms.
    IsSpace,
    /// In paths and cookies.
    IsPlus,
}

/// A decoded value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded<'r> {
    pub(super) bytes: Cow<'r, [u8]>,
    /// A percent sign began no escape and was left as it is.
    pub(super) has_stray_percent: bool,
}

/// Decodes once. Borrows when there is nothing to decode.
pub(super) fn percent_decoded(raw: &[u8], plus: Plus) -> Decoded<'_> {
    let special = |byte: &u8| *byte == b'%' || (*byte == b'+' && plus == Plus::IsSpace);
    if !raw.iter().any(special) {
        return Decoded {
            bytes: Cow::Borrowed(raw),
            has_stray_percent: false,
        };
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut has_stray_percent = false;
    let mut rest = raw;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'%' => match escape(tail) {
                Some((byte, after)) => {
                    bytes.push(byte);
                    rest = after;
                }
                None => {
                    has_stray_percent = true;
                    bytes.push(b'%');
                }
            },
            b'+' if plus == Plus::IsSpace => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    Decoded {
        bytes: Cow::Owned(bytes),
        has_stray_percent,
    }
}

/// The byte that two digits after a percent sign mean, and what follows them.
pub(super) fn escape(after_percent: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = after_percent.split_at_checked(2)?;
    let number = digits.iter().try_fold(0, |sum, digit| {
        Some(sum * 16 + char::from(*digit).to_digit(16)?)
    })?;
    Some((u8::try_from(number).ok()?, after))
}

/// Names and values of a query, a form or a `Cookie` header, still encoded. What has no `=` is a value that is its own name.
pub(super) fn pairs(raw: &[u8], separator: u8) -> impl Iterator<Item = (&[u8], &[u8])> {
    raw.split(move |byte| *byte == separator)
        .filter(|pair| !pair.is_empty())
        .map(|pair| match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => {
                let (name, value) = pair.split_at(at);
                (name, value.get(1..).unwrap_or_default())
            }
            None => (pair, pair),
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(raw: &str, plus: Plus) -> (String, bool) {
        let decoded = percent_decoded(raw.as_bytes(), plus);
        (
            String::from_utf8_lossy(&decoded.bytes).into_owned(),
            decoded.has_stray_percent,
        )
    }

    #[test]
    fn escapes_of_either_case_are_decoded_once() {
        assert_eq!(decoded("%2e%2E%2f", Plus::IsPlus), ("../".into(), false));
        assert_eq!(decoded("%252e", Plus::IsPlus), ("%2e".into(), false));
        assert_eq!(decoded("a%00b", Plus::IsPlus), ("a\0b".into(), false));
    }

    #[test]
    fn a_plus_is_a_space_in_forms_alone() {
        assert_eq!(decoded("a+b", Plus::IsSpace).0, "a b");
        assert_eq!(decoded("a+b", Plus::IsPlus).0, "a+b");
        assert_eq!(decoded("a%2Bb", Plus::IsSpace).0, "a+b");
    }

    #[test]
    fn what_is_no_escape_stays_and_is_told() {
        for stray in ["%", "%a", "%zz", "100%"] {
            assert_eq!(decoded(stray, Plus::IsPlus), (stray.into(), true));
        }
    }

    #[test]
    fn what_needs_no_decoding_is_not_copied() {
        let plain = percent_decoded(b"plain", Plus::IsSpace);

        assert!(matches!(plain.bytes, Cow::Borrowed(b"plain")));
    }

    #[test]
    fn a_pair_without_a_value_is_its_own_name() {
        let all: Vec<_> = pairs(b"a=1&&b&c=&=d", b'&').collect();

        let wanted: [(&[u8], &[u8]); 4] = [(b"a", b"1"), (b"b", b"b"), (b"c", b""), (b"", b"d")];
        assert_eq!(all, wanted);
    }

    proptest! {
        #[test]
        fn whatever_was_encoded_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let encoded: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();

            let decoded = percent_decoded(encoded.as_bytes(), Plus::IsSpace);

            prop_assert_eq!(decoded.bytes.as_ref(), bytes.as_slice());
            prop_assert!(!decoded.has_stray_percent);
        }
    }
}
