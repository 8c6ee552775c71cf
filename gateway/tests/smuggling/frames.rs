//! HTTP/2, written frame by frame: what its own framing forbids, and what would be two requests once it is written as HTTP/1.

use super::Fate::{One, Reset, ResetBehind};
use super::{Case, Fate, Over, PATH};
use Odd::{Also, Instead, Without};

type Fields<'f> = &'f [(&'f str, &'f str)];

const HEADERS: u8 = 1;
const DATA: u8 = 0;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const USUAL: Fields<'static> = &[
    (":method", "POST"),
    (":scheme", "https"),
    (":authority", "localhost"),
    (":path", PATH),
];

/// Fields behind the usual ones, with the body `abc`.
const FIELDS: [(&str, Fields<'_>, Fate); 36] = [
    ("nothing odd", &[], One("abc")),
    ("the right length", &[("content-length", "3")], One("abc")),
    ("te: trailers", &[("te", "trailers")], One("abc")),
    (
        "a length that is too small",
        &[("content-length", "2")],
        Reset,
    ),
    (
        "a length that is too large",
        &[("content-length", "50")],
        Reset,
    ),
    (
        "a length of nothing",
        &[("content-length", "0")],
        ResetBehind(""),
    ),
    (
        "two lengths",
        &[("content-length", "3"), ("content-length", "3")],
        Reset,
    ),
    (
        "two lengths that differ",
        &[("content-length", "3"), ("content-length", "50")],
        Reset,
    ),
    ("a list of lengths", &[("content-length", "3, 3")], Reset),
    ("a length with a sign", &[("content-length", "+3")], Reset),
    (
        "a length beyond 64 bits",
        &[("content-length", "18446744073709551619")],
        Reset,
    ),
    (
        "a length that is none",
        &[("content-length", "three")],
        Reset,
    ),
    (
        "a length with an underscore",
        &[("content_length", "50")],
        Reset,
    ),
    (
        "transfer-encoding",
        &[("transfer-encoding", "chunked")],
        Reset,
    ),
    (
        "transfer-encoding beside a length",
        &[("content-length", "3"), ("transfer-encoding", "chunked")],
        Reset,
    ),
    (
        "transfer-encoding with an underscore",
        &[("transfer_encoding", "chunked")],
        Reset,
    ),
    ("te: chunked", &[("te", "chunked")], Reset),
    ("connection", &[("connection", "close")], Reset),
    ("keep-alive", &[("keep-alive", "timeout=5")], Reset),
    (
        "proxy-connection",
        &[("proxy-connection", "keep-alive")],
        Reset,
    ),
    ("upgrade", &[("upgrade", "h2c")], Reset),
    ("a capital letter", &[("X", "y")], Reset),
    ("a field without a name", &[("", "y")], Reset),
    ("a space in a name", &[("x y", "z")], Reset),
    ("a colon in a name", &[("x: y\r\nz", "a")], Reset),
    (
        "a line in a name",
        &[("x\r\ntransfer-encoding", "chunked")],
        Reset,
    ),
    ("a NUL in a name", &[("x\0", "y")], Reset),
    (
        "a line in a value",
        &[("x", "y\r\ntransfer-encoding: chunked")],
        Reset,
    ),
    (
        "a head in a value",
        &[(
            "x",
            "y\r\n\r\nGET /X/0000/smuggled HTTP/1.1\r\nhost: edge\r\n\r\n",
        )],
        Reset,
    ),
    (
        "a line feed in a value",
        &[("x", "y\ntransfer-encoding: chunked")],
        Reset,
    ),
    (
        "a carriage return in a value",
        &[("x", "y\rtransfer-encoding: chunked")],
        Reset,
    ),
    ("a NUL in a value", &[("x", "y\0z")], Reset),
    ("another host", &[("host", "elsewhere")], Reset),
    (
        "two hosts",
        &[("host", "localhost"), ("host", "localhost")],
        Reset,
    ),
    ("the same host", &[("host", "localhost")], One("abc")),
    (
        "an address that others vouch for",
        &[("x_forwarded_for", "192.0.2.6")],
        Reset,
    ),
];

/// What is odd about the usual fields.
#[derive(Clone, Copy)]
enum Odd {
    /// This one is not there.
    Without(&'static str),
    /// This one has another value.
    Instead(&'static str, &'static str),
    /// Behind them stands another one.
    Also(&'static str, &'static str),
}

/// Heads without a body.
const HEADS: [(&str, Odd, Fate); 33] = [
    ("no path", Without(":path"), Reset),
    ("no method", Without(":method"), Reset),
    ("no scheme", Without(":scheme"), Reset),
    ("no authority and no host", Without(":authority"), Reset),
    ("an empty authority", Instead(":authority", ""), Reset),
    ("an empty path", Instead(":path", ""), Reset),
    ("an empty method", Instead(":method", ""), Reset),
    ("two paths", Also(":path", "/X/0000/smuggled"), Reset),
    ("two methods", Also(":method", "GET"), Reset),
    ("two schemes", Also(":scheme", "http"), Reset),
    ("two authorities", Also(":authority", "elsewhere"), Reset),
    ("an unknown pseudo-header", Also(":x", "y"), Reset),
    ("an answer's pseudo-header", Also(":status", "200"), Reset),
    (
        "a whole address as path",
        Instead(":path", "http://elsewhere/X/0000"),
        Reset,
    ),
    ("a path that is no path", Instead(":path", "X/0000"), Reset),
    ("a path that is a star", Instead(":path", "*"), Reset),
    (
        "a path with a space",
        Instead(":path", "/X/0000 HTTP/1.1"),
        Reset,
    ),
    (
        "a path with a line",
        Instead(
            ":path",
            "/X/0000 HTTP/1.1\r\nx: y\r\n\r\nGET /X/0000/smuggled",
        ),
        Reset,
    ),
    (
        "a path with a tab",
        Instead(":path", "/X/0000\tHTTP/1.1"),
        Reset,
    ),
    (
        "a path with a fragment, which the library takes off",
        Instead(":path", "/X/0000#x"),
        One(""),
    ),
    ("a path with a NUL", Instead(":path", "/X/0000\0"), Reset),
    (
        "a method with a space",
        Instead(":method", "GET /X/0000/smuggled HTTP/1.1"),
        Reset,
    ),
    ("a method with a line", Instead(":method", "GET\r\n"), Reset),
    (
        "a method in small letters",
        Instead(":method", "get"),
        Reset,
    ),
    (
        "a scheme with a line",
        Instead(":scheme", "https://localhost/X/0000/smuggled\r\nx: y"),
        Reset,
    ),
    (
        "a scheme with an address",
        Instead(":scheme", "https://elsewhere/?"),
        Reset,
    ),
    (
        "an authority with a line",
        Instead(":authority", "localhost\r\nx: y"),
        Reset,
    ),
    (
        "an authority with a path",
        Instead(":authority", "localhost/x"),
        Reset,
    ),
    (
        "an authority with a user",
        Instead(":authority", "user@localhost"),
        Reset,
    ),
    (
        "an authority with two ports",
        Instead(":authority", "localhost:80:81"),
        Reset,
    ),
    (
        "an authority with a space",
        Instead(":authority", "localhost elsewhere"),
        Reset,
    ),
    ("a tunnel", Instead(":method", "CONNECT"), Reset),
    ("a protocol", Also(":protocol", "websocket"), Reset),
];

/// The same, spelled out.
const WHOLE_HEADS: [(&str, Fields<'_>, Fate); 2] = [
    (
        "a host in place of the authority",
        &[
            (":method", "GET"),
            (":scheme", "https"),
            (":path", PATH),
            ("host", "localhost"),
        ],
        One(""),
    ),
    (
        "a pseudo-header behind a field",
        &[
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "localhost"),
            ("x", "y"),
            (":path", PATH),
        ],
        Reset,
    ),
];

/// Fields behind the body `abc`.
const TRAILERS: [(&str, Fields<'_>, Fate); 6] = [
    ("a field", &[("x", "y")], One("abc")),
    (
        "a pseudo-header, which goes no further",
        &[(":path", "/X/0000/smuggled")],
        One("abc"),
    ),
    (
        "a length, which goes no further",
        &[("content-length", "50")],
        One("abc"),
    ),
    ("a coding", &[("transfer-encoding", "chunked")], Reset),
    (
        "a host, which goes no further",
        &[("host", "elsewhere")],
        One("abc"),
    ),
    (
        "a line in a value",
        &[("x", "y\r\n\r\nGET /X/0000/smuggled HTTP/1.1")],
        Reset,
    ),
];

pub(super) fn cases() -> Vec<Case> {
    let fields = FIELDS.iter().map(|(name, fields, fate)| {
        let head = headers(&[USUAL, fields].concat(), END_HEADERS);
        case(name, &[head, frame(DATA, END_STREAM, b"abc")], *fate)
    });
    let last = END_HEADERS | END_STREAM;
    let heads = HEADS
        .iter()
        .map(|(name, odd, fate)| case(name, &[headers(&with(*odd), last)], *fate));
    let whole_heads = WHOLE_HEADS
        .iter()
        .map(|(name, fields, fate)| case(name, &[headers(fields, last)], *fate));
    let trailers = TRAILERS.iter().map(|(name, fields, fate)| {
        let head = headers(USUAL, END_HEADERS);
        let tail = headers(fields, last);
        case(
            &format!("trailers: {name}"),
            &[head, frame(DATA, 0, b"abc"), tail],
            *fate,
        )
    });
    let with_length = [USUAL, &[("content-length", "3")]].concat();
    let ended = [
        case(
            "a length and no body",
            &[headers(&with_length, last)],
            Reset,
        ),
        case(
            "a length and a body that ends early",
            &[
                headers(&with_length, END_HEADERS),
                frame(DATA, END_STREAM, b"ab"),
            ],
            Reset,
        ),
        case(
            "a body behind its end",
            &[
                headers(USUAL, END_HEADERS),
                frame(DATA, END_STREAM, b"abc"),
                frame(DATA, END_STREAM, b"d"),
            ],
            ResetBehind("abc"),
        ),
        case(
            "a second head",
            &[
                headers(USUAL, END_HEADERS),
                headers(USUAL, END_HEADERS),
                frame(DATA, END_STREAM, b"abc"),
            ],
            Reset,
        ),
    ];
    fields
        .chain(heads)
        .chain(whole_heads)
        .chain(trailers)
        .chain(ended)
        .collect()
}

/// The usual fields, but for what is odd.
fn with(odd: Odd) -> Vec<(&'static str, &'static str)> {
    let mut fields = USUAL.to_vec();
    match odd {
        Without(name) => fields.retain(|(known, _)| *known != name),
        Instead(name, value) => {
            for field in fields.iter_mut().filter(|(known, _)| *known == name) {
                field.1 = value;
            }
        }
        Also(name, value) => fields.push((name, value)),
    }
    fields
}

fn case(name: &str, frames: &[Vec<u8>], fate: Fate) -> Case {
    let mut bytes = PREFACE.to_vec();
    bytes.extend(settings());
    bytes.extend(frames.concat());
    Case {
        name: format!("HTTP/2: {name}"),
        bytes,
        over: Over::Http2,
        fate,
    }
}

/// Settings that say nothing, on the connection itself.
fn settings() -> Vec<u8> {
    vec![0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]
}

/// A frame of the first stream.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![high, middle, low, kind, flags, 0, 0, 0, 1];
    bytes.extend_from_slice(payload);
    bytes
}

/// Fields in a frame, each spelled out: no table, no Huffman code.
fn headers(fields: Fields<'_>, flags: u8) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    frame(HEADERS, flags, &block)
}

/// HPACK's integer with a prefix of seven bits; no text here is longer than two bytes of it can say.
fn length(block: &mut Vec<u8>, length: usize) {
    const PREFIX_MAX: usize = 127;
    if length < PREFIX_MAX {
        block.push(u8::try_from(length).unwrap());
    } else {
        block.push(0x7f);
        block.push(u8::try_from(length - PREFIX_MAX).unwrap());
    }
}
