//! Transfer-Encoding that one program obeys and the next does not see: beside a length, hidden in its value, hidden in its name.

use super::Fate::{One, Refused};
use super::{Case, post, smuggled, spelled};

/// Both ways to say where a body ends.
const BOTH: [(&str, &str); 9] = [
    (
        "CL.TE",
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "TE.CL",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
    ),
    (
        "CL.TE, small letters",
        "content-length: 6\r\ntransfer-encoding: chunked\r\n",
    ),
    (
        "CL.TE, a length of nothing",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "CL.TE, identity",
        "Content-Length: 3\r\nTransfer-Encoding: identity\r\n",
    ),
    (
        "CL.TE, no coding at all",
        "Content-Length: 3\r\nTransfer-Encoding:\r\n",
    ),
    (
        "CL.TE, two lengths",
        "Content-Length: 6\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "CL.TE, Connection names the coding",
        "Connection: Transfer-Encoding\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "CL.TE, far apart",
        "Content-Length: 6\r\nA: b\r\nC: d\r\nE: f\r\nTransfer-Encoding: chunked\r\n",
    ),
];

/// Values that are `chunked` for every reader.
const PLAIN: [&str; 4] = ["chunked", "CHUNKED", "Chunked", " \tchunked\t "];

/// Values that are `chunked` for some.
const VALUES: [&str; 32] = [
    "",
    "xchunked",
    "chunkedx",
    "chunke",
    "chunked, chunked",
    "chunked,chunked",
    "chunked, identity",
    "identity, chunked",
    "identity",
    "gzip, chunked",
    "chunked, gzip",
    "gzip",
    "deflate",
    "trailers",
    "chunked;",
    "chunked;q=1",
    "chunked; x=y",
    "\"chunked\"",
    "'chunked'",
    "chunked,",
    ",chunked",
    " , chunked",
    "chunked chunked",
    "chun ked",
    "\u{b}chunked",
    "\u{c}chunked",
    "chunked\u{b}",
    "chunked\u{0}",
    "\u{a0}chunked",
    "chun\u{212a}ed",
    "c\u{200b}hunked",
    "cow",
];

/// Field lines that are a Transfer-Encoding for some.
const LINES: [(&str, &str); 20] = [
    (
        "twice",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "twice, differing",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    ),
    (
        "twice, hidden first",
        "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "twice in two cases",
        "Transfer-Encoding: chunked\r\ntransfer-encoding: x\r\n",
    ),
    (
        "a space before the colon",
        "Transfer-Encoding : chunked\r\n",
    ),
    ("a tab before the colon", "Transfer-Encoding\t: chunked\r\n"),
    (
        "a vertical tab before the colon",
        "Transfer-Encoding\u{b}: chunked\r\n",
    ),
    (
        "a space before the name",
        "X: y\r\n Transfer-Encoding: chunked\r\n",
    ),
    (
        "a tab before the name",
        "X: y\r\n\tTransfer-Encoding: chunked\r\n",
    ),
    ("folded", "Transfer-Encoding:\r\n chunked\r\n"),
    (
        "folded before the colon",
        "Transfer-Encoding\r\n : chunked\r\n",
    ),
    (
        "folded into a list",
        "Transfer-Encoding: chunked\r\n , identity\r\n",
    ),
    ("with an underscore", "Transfer_Encoding: chunked\r\n"),
    ("with a space", "Transfer Encoding: chunked\r\n"),
    ("a NUL in the name", "Transfer-Encoding\u{0}: chunked\r\n"),
    (
        "a NUL before the name",
        "\u{0}Transfer-Encoding: chunked\r\n",
    ),
    (
        "a letter of another alphabet",
        "\u{422}ransfer-Encoding: chunked\r\n",
    ),
    (
        "behind a bare line feed",
        "X: y\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "behind a bare carriage return",
        "X: y\rTransfer-Encoding: chunked\r\n",
    ),
    (
        "before a bare line feed",
        "Transfer-Encoding: chunked\nX: y\r\n",
    ),
];

pub(super) fn cases() -> Vec<Case> {
    let chunks = || format!("3\r\nabc\r\n0\r\n\r\n{}", smuggled());
    let both = BOTH.iter().map(|(name, lines)| {
        Case::plain(
            *name,
            post(lines, &format!("0\r\n\r\n{}", smuggled())),
            Refused(400),
        )
    });
    let value = |value: &str| post(&format!("Transfer-Encoding: {value}\r\n"), &chunks());
    let plain = PLAIN
        .iter()
        .map(|text| Case::plain(format!("TE: {}", spelled(text)), value(text), One("abc")));
    let values = VALUES.iter().map(|text| {
        Case::plain(
            format!("TE.TE: {}", spelled(text)),
            value(text),
            Refused(400),
        )
    });
    // With a length, too, for whoever overlooks the coding.
    let lines = LINES.iter().map(|(name, lines)| {
        let lines = format!("Content-Length: 3\r\n{lines}");
        Case::plain(
            format!("TE.TE {name}"),
            post(&lines, &chunks()),
            Refused(400),
        )
    });
    both.chain(plain).chain(values).chain(lines).collect()
}
