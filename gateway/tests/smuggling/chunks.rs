//! Chunks whose sizes and ends two programs could read differently. The head is fine, so the edge finds out while the body comes.

use super::Fate::{Cut, One};
use super::{Case, Fate, post, smuggled, spelled};

/// The size of a chunk `abc`.
const SIZES: [(&str, Fate); 31] = [
    ("3", One("abc")),
    ("03", One("abc")),
    ("0000000000000003", One("abc")),
    ("3;x", One("abc")),
    ("3;x=y", One("abc")),
    ("3;x=\"y;z\"", One("abc")),
    ("", Cut),
    (" 3", Cut),
    ("\t3", Cut),
    ("3 ", Cut),
    ("3\t", Cut),
    ("3 ;x", Cut),
    ("+3", Cut),
    ("-3", Cut),
    ("0x3", Cut),
    ("3h", Cut),
    ("3,", Cut),
    ("3.0", Cut),
    ("3_", Cut),
    ("g", Cut),
    ("\u{663}", Cut),
    ("3\u{0}", Cut),
    ("3;\u{0}", Cut),
    ("3;x\n", Cut),
    ("3;x\r", Cut),
    ("3;x\ny", Cut),
    ("3;x\ry", Cut),
    ("3\r", Cut),
    // 2^64 + 3 and 2^64 - 1.
    ("10000000000000003", Cut),
    ("ffffffffffffffff", Cut),
    ("00000000000000000000000000000003", Cut),
];

/// Whole bodies.
const BODIES: [(&str, &str, Fate); 29] = [
    ("two chunks", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", One("abc")),
    (
        "a last chunk of two zeros",
        "3\r\nabc\r\n00\r\n\r\n",
        One("abc"),
    ),
    (
        "a last chunk with an extension",
        "3\r\nabc\r\n0;x=y\r\n\r\n",
        One("abc"),
    ),
    ("a trailer", "3\r\nabc\r\n0\r\nX: y\r\n\r\n", One("abc")),
    (
        "a size that ends in a line feed alone",
        "3\nabc\r\n0\r\n\r\n",
        Cut,
    ),
    (
        "a size that ends in a carriage return alone",
        "3\rabc\r\n0\r\n\r\n",
        Cut,
    ),
    (
        "a chunk that ends in a line feed alone",
        "3\r\nabc\n0\r\n\r\n",
        Cut,
    ),
    (
        "a chunk that ends in a carriage return alone",
        "3\r\nabc\r0\r\n\r\n",
        Cut,
    ),
    ("a chunk that ends in nothing", "3\r\nabc0\r\n\r\n", Cut),
    (
        "a chunk that ends in something else",
        "3\r\nabcXY0\r\n\r\n",
        Cut,
    ),
    (
        "a chunk longer than its size",
        "3\r\nabcd\r\n0\r\n\r\n",
        Cut,
    ),
    (
        "a chunk longer than its size by a line",
        "3\r\nabc\r\n\r\n0\r\n\r\n",
        Cut,
    ),
    (
        "a last chunk that ends in line feeds",
        "3\r\nabc\r\n0\n\n",
        Cut,
    ),
    (
        "a last chunk whose trailers end in a line feed",
        "3\r\nabc\r\n0\r\n\n",
        Cut,
    ),
    ("a last chunk with a sign", "3\r\nabc\r\n-0\r\n\r\n", Cut),
    (
        "a last chunk that is hexadecimal twice",
        "3\r\nabc\r\n0x0\r\n\r\n",
        Cut,
    ),
    (
        "a trailer that ends in a line feed",
        "3\r\nabc\r\n0\r\nX: y\n\r\n",
        Cut,
    ),
    (
        "a trailer that is folded",
        "3\r\nabc\r\n0\r\nX: y\r\n z\r\n\r\n",
        Cut,
    ),
    (
        "a trailer without a colon",
        "3\r\nabc\r\n0\r\nX y\r\n\r\n",
        Cut,
    ),
    (
        "a trailer with a space before its colon",
        "3\r\nabc\r\n0\r\nX : y\r\n\r\n",
        Cut,
    ),
    (
        "a trailer with a NUL",
        "3\r\nabc\r\n0\r\nX: \u{0}\r\n\r\n",
        Cut,
    ),
    (
        "a trailer with a bare carriage return",
        "3\r\nabc\r\n0\r\nX: a\rb\r\n\r\n",
        Cut,
    ),
    (
        "a trailer that is a length",
        "3\r\nabc\r\n0\r\nContent-Length: 50\r\n\r\n",
        Cut,
    ),
    (
        "a trailer that is a coding",
        "3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        Cut,
    ),
    (
        "a trailer that is a host",
        "3\r\nabc\r\n0\r\nHost: elsewhere\r\n\r\n",
        Cut,
    ),
    (
        "a trailer that is a request",
        "3\r\nabc\r\n0\r\nGET /X/0000/smuggled HTTP/1.1\r\nHost: edge\r\n\r\n",
        Cut,
    ),
    ("no chunk at all", "xyz\r\n\r\n", Cut),
    (
        "a request in place of chunks",
        "GET /X/0000/smuggled HTTP/1.1\r\nHost: edge\r\n\r\n",
        Cut,
    ),
    (
        "an empty line before the first size",
        "\r\n3\r\nabc\r\n0\r\n\r\n",
        Cut,
    ),
];

pub(super) fn cases() -> Vec<Case> {
    let chunked = |behind: &str| {
        post(
            "Transfer-Encoding: chunked\r\n",
            &format!("{behind}{}", smuggled()),
        )
    };
    let sizes = SIZES.iter().map(|(size, fate)| {
        let body = format!("{size}\r\nabc\r\n0\r\n\r\n");
        Case::plain(
            format!("chunk of size {}", spelled(size)),
            chunked(&body),
            *fate,
        )
    });
    let bodies = BODIES
        .iter()
        .map(|(name, body, fate)| Case::plain(format!("chunks: {name}"), chunked(body), *fate));
    let long = [
        (
            "an extension of 64 KiB",
            format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(64 << 10)),
        ),
        (
            "trailers of 64 KiB",
            format!("3\r\nabc\r\n0\r\nX: {}\r\n\r\n", "y".repeat(64 << 10)),
        ),
        (
            "a size of 64 KiB of zeros",
            format!("{}3\r\nabc\r\n0\r\n\r\n", "0".repeat(64 << 10)),
        ),
    ];
    let long = long
        .into_iter()
        .map(|(name, body)| Case::plain(format!("chunks: {name}"), chunked(&body), Cut));
    sizes.chain(bodies).chain(long).collect()
}
