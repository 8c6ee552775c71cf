//! Content-Length that two programs could read as two numbers.

use super::Fate::{One, Refused};
use super::{Case, Fate, post, smuggled, spelled};

/// Lengths of a body `abc`, and what becomes of them.
const VALUES: [(&str, Fate); 31] = [
    ("3", One("abc")),
    ("03", One("abc")),
    ("\t3", One("abc")),
    ("3 \t", One("abc")),
    ("+3", Refused(400)),
    ("-3", Refused(400)),
    ("-0", Refused(400)),
    ("0x3", Refused(400)),
    ("3h", Refused(400)),
    ("3.0", Refused(400)),
    ("3e0", Refused(400)),
    ("3_0", Refused(400)),
    ("3;", Refused(400)),
    ("3,", Refused(400)),
    (",3", Refused(400)),
    ("3, 3", Refused(400)),
    ("3,4", Refused(400)),
    ("0, 3", Refused(400)),
    ("3 3", Refused(400)),
    ("\"3\"", Refused(400)),
    ("", Refused(400)),
    (" ", Refused(400)),
    ("\u{0663}", Refused(400)),
    ("\u{ff13}", Refused(400)),
    ("3\u{0}", Refused(400)),
    ("3\u{b}", Refused(400)),
    ("\u{c}3", Refused(400)),
    ("3\u{a0}", Refused(400)),
    // 2^64 + 3 and 2^128 + 3: what is left of them in a register is 3.
    ("18446744073709551619", Refused(400)),
    ("340282366920938463463374607431768211459", Refused(400)),
    ("00000000000000000003", Refused(400)),
];

/// Field lines that some read as a Content-Length and others do not.
const LINES: [(&str, &str); 14] = [
    (
        "twice the same",
        "Content-Length: 3\r\nContent-Length: 3\r\n",
    ),
    (
        "twice, differing",
        "Content-Length: 3\r\nContent-Length: 50\r\n",
    ),
    (
        "twice in two cases",
        "Content-Length: 3\r\ncontent-length: 0\r\n",
    ),
    ("a space before the colon", "Content-Length : 3\r\n"),
    ("a tab before the colon", "Content-Length\t: 3\r\n"),
    ("a space before the name", "X: y\r\n Content-Length: 3\r\n"),
    ("a tab before the name", "X: y\r\n\tContent-Length: 3\r\n"),
    ("folded", "Content-Length:\r\n 3\r\n"),
    ("folded into a list", "Content-Length: 3\r\n ,3\r\n"),
    ("with an underscore", "Content_Length: 3\r\n"),
    (
        "with an underscore beside the right one",
        "Content-Length: 3\r\nContent_Length: 50\r\n",
    ),
    ("a NUL in the name", "Content-Length\u{0}: 3\r\n"),
    ("a dash that is none", "Content\u{2010}Length: 3\r\n"),
    ("behind a bare line feed", "X: y\nContent-Length: 3\r\n"),
];

pub(super) fn cases() -> Vec<Case> {
    let values = VALUES.iter().map(|(value, fate)| {
        let name = format!("Content-Length: {}", spelled(value));
        let behind = format!("abc{}", smuggled());
        Case::plain(
            name,
            post(&format!("Content-Length: {value}\r\n"), &behind),
            *fate,
        )
    });
    let lines = LINES.iter().map(|(name, lines)| {
        let behind = format!("abc{}", smuggled());
        Case::plain(
            format!("Content-Length {name}"),
            post(lines, &behind),
            Refused(400),
        )
    });
    values.chain(lines).collect()
}
