//! Is the path one that the router, the limits and the upstream all understand alike?
//!
//! `/a//b`, `/a/../b`, `/a%2fb` and `/a;x` mean different things to different programs; a path that passes here means one
//! thing to all. Nothing is decoded or repaired: who sends something else is told.

use super::Asked;
use crate::refusal::Refusal;

pub(super) fn check<'r>(asked: &Asked<'r>) -> Result<&'r str, Refusal> {
    let target = asked.head.raw_path();
    let target =
        std::str::from_utf8(target).map_err(|_| Refusal::Malformed("the target is not ASCII"))?;
    let path = target.split_once('?').map_or(target, |(path, _query)| path);
    judge(path)?;
    Ok(path)
}

fn judge(path: &str) -> Result<(), Refusal> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err(Refusal::Malformed("the target is not a path"));
    };
    if !path.bytes().all(is_plain) {
        return Err(Refusal::Malformed(
            "the path holds a byte that must be percent-encoded",
        ));
    }
    escapes(path)?;
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if segment.is_empty() && !is_last {
            return Err(Refusal::Malformed("the path has an empty segment"));
        }
        if segment == "." || segment == ".." {
            return Err(Refusal::Malformed("the path has a segment of dots"));
        }
    }
    Ok(())
}

/// The bytes of RFC 3986's `pchar` but `;`, and the slash.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@/%".contains(&byte)
}

/// Every escape stands for a byte that means nothing to a router: no slash, no dot, no percent sign, no control character.
fn escapes(path: &str) -> Result<(), Refusal> {
    for escape in path.split('%').skip(1) {
        let digits = escape
            .get(..2)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = digits
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .ok_or(Refusal::Malformed(
                "the path has a percent sign that escapes nothing",
            ))?;
        if byte.is_ascii_control() || b"/\\.%;".contains(&byte) {
            return Err(Refusal::Malformed(
                "the path hides a character behind an escape",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_pass() {
        for path in [
            "/",
            "/telegram/ops",
            "/ops/traces/",
            "/a%20b",
            "/%D0%B4",
            "/a.b/c~d",
        ] {
            assert!(judge(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn paths_that_programs_read_differently_are_refused() {
        for path in [
            "",
            "*",
            "a",
            "//a",
            "/a//b",
            "/./a",
            "/a/..",
            "/a/../b",
            "/a%2fb",
            "/a%2Fb",
            "/%2e%2e/a",
            "/a%5cb",
            "/a\\b",
            "/a;b",
            "/a%3bb",
            "/a%00",
            "/a%0d%0a",
            "/a%252e",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a b",
            "/\u{e9}",
            "/a#b",
        ] {
            assert!(judge(path).is_err(), "{path:?}");
        }
    }
}
