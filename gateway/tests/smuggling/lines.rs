//! Lines that end where one program says and go on where the next says, and request lines that name two things.

use super::Fate::{One, Refused};
use super::{Case, Fate, smuggled, spelled};

/// Whole heads, behind each a request that must never arrive.
const HEADS: [(&str, &str, Fate); 25] = [
    (
        "a plain head",
        "GET /X/0000 HTTP/1.1\r\nHost: edge\r\n\r\n",
        One(""),
    ),
    (
        "all lines end in line feeds",
        "GET /X/0000 HTTP/1.1\nHost: edge\n\n",
        Refused(400),
    ),
    (
        "the request line ends in a line feed",
        "GET /X/0000 HTTP/1.1\nHost: edge\r\n\r\n",
        Refused(400),
    ),
    (
        "a field ends in a line feed",
        "GET /X/0000 HTTP/1.1\r\nHost: edge\nX: y\r\n\r\n",
        Refused(400),
    ),
    (
        "the empty line is a line feed",
        "GET /X/0000 HTTP/1.1\r\nHost: edge\r\n\n",
        Refused(400),
    ),
    (
        "the empty line is turned round",
        "GET /X/0000 HTTP/1.1\r\nHost: edge\n\r\n",
        Refused(400),
    ),
    (
        "all lines end in carriage returns",
        "GET /X/0000 HTTP/1.1\rHost: edge\r\r\n\r\n",
        Refused(400),
    ),
    (
        "a field ends in two carriage returns",
        "GET /X/0000 HTTP/1.1\r\nHost: edge\r\r\nX: y\r\n\r\n",
        Refused(400),
    ),
    (
        "the empty line has two carriage returns",
        "GET /X/0000 HTTP/1.1\r\nHost: edge\r\n\r\r\n\r\n",
        Refused(400),
    ),
    (
        "a carriage return in a value",
        "GET /X/0000 HTTP/1.1\r\nHost: edge\r\nX: a\rY: b\r\n\r\n",
        Refused(400),
    ),
    (
        "a carriage return in the target",
        "GET /X/0000\r HTTP/1.1\r\nHost: edge\r\n\r\n",
        Refused(400),
    ),
    (
        "a carriage return in the method",
        "GE\rT /X/0000 HTTP/1.1\r\nHost: edge\r\n\r\n",
        Refused(400),
    ),
    (
        "an empty line before it",
        "\r\nGET /X/0000 HTTP/1.1\r\nHost: edge\r\n\r\n",
        Refused(400),
    ),
    (
        "a line feed before it",
        "\nGET /X/0000 HTTP/1.1\r\nHost: edge\r\n\r\n",
        Refused(400),
    ),
    (
        "a space before it",
        " GET /X/0000 HTTP/1.1\r\nHost: edge\r\n\r\n",
        Refused(400),
    ),
    (
        "a NUL before it",
        "\u{0}GET /X/0000 HTTP/1.1\r\nHost: edge\r\n\r\n",
        Refused(400),
    ),
    (
        "a byte order mark before it",
        "\u{feff}GET /X/0000 HTTP/1.1\r\nHost: edge\r\n\r\n",
        Refused(400),
    ),
    (
        "a field goes on over a second line",
        "GET /X/0000 HTTP/1.1\r\nHost: edge\r\nX: a\r\n b\r\n\r\n",
        Refused(400),
    ),
    (
        "a field goes on over an empty line",
        "GET /X/0000 HTTP/1.1\r\nHost: edge\r\nX: a\r\n \r\n\r\n",
        Refused(400),
    ),
    (
        "the first field is folded",
        "GET /X/0000 HTTP/1.1\r\n Host: edge\r\nHost: edge\r\n\r\n",
        Refused(400),
    ),
    (
        "Host is folded",
        "GET /X/0000 HTTP/1.1\r\nHost:\r\n edge\r\n\r\n",
        Refused(400),
    ),
    (
        "the request line goes on over a second line",
        "GET /X/0000\r\n HTTP/1.1\r\nHost: edge\r\n\r\n",
        Refused(400),
    ),
    ("HTTP/0.9", "GET /X/0000\r\n", Refused(400)),
    (
        "HTTP/0.9 with fields",
        "GET /X/0000\r\nHost: edge\r\n\r\n",
        Refused(400),
    ),
    (
        "the preface of HTTP/2",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        Refused(505),
    ),
];

/// Request lines, with a host below them.
const REQUEST_LINES: [(&str, Fate); 35] = [
    ("GET  /X/0000 HTTP/1.1", Refused(400)),
    ("GET /X/0000  HTTP/1.1", Refused(400)),
    ("GET /X/0000 HTTP/1.1 ", Refused(400)),
    ("GET\t/X/0000 HTTP/1.1", Refused(400)),
    ("GET\u{b}/X/0000 HTTP/1.1", Refused(400)),
    ("GET /X/0000\tHTTP/1.1", Refused(400)),
    ("GET /X/0000\u{c}HTTP/1.1", Refused(400)),
    ("GET /X/0000 x HTTP/1.1", Refused(400)),
    ("GET /X/0000\u{0} HTTP/1.1", Refused(400)),
    ("GET /X/0000#x HTTP/1.1", Refused(400)),
    ("GET /X/0000?x#y HTTP/1.1", Refused(400)),
    ("GET /X/0000?\u{e9} HTTP/1.1", Refused(400)),
    ("GET /X/0000\\x HTTP/1.1", Refused(400)),
    ("GET /X/0000/..%2fx HTTP/1.1", Refused(400)),
    ("GET /X/0000/%0d%0aHost:%20x HTTP/1.1", Refused(400)),
    ("GET /X/0000;x HTTP/1.1", Refused(400)),
    ("GET //edge/X/0000 HTTP/1.1", Refused(400)),
    ("GET http://edge/X/0000 HTTP/1.1", Refused(400)),
    ("GET http://elsewhere/X/0000 HTTP/1.1", Refused(400)),
    ("GET http:/X/0000 HTTP/1.1", Refused(400)),
    ("GET edge:80 HTTP/1.1", Refused(400)),
    ("GET X/0000 HTTP/1.1", Refused(400)),
    ("GET * HTTP/1.1", Refused(400)),
    ("OPTIONS * HTTP/1.1", Refused(400)),
    ("CONNECT edge:80 HTTP/1.1", Refused(405)),
    ("get /X/0000 HTTP/1.1", Refused(400)),
    ("G\u{0}ET /X/0000 HTTP/1.1", Refused(400)),
    ("GET: /X/0000 HTTP/1.1", Refused(400)),
    ("GET /X/0000 http/1.1", Refused(400)),
    ("GET /X/0000 HTTP/1.2", Refused(505)),
    ("GET /X/0000 HTTP/01.1", Refused(505)),
    ("GET /X/0000 HTTP/1.10", Refused(505)),
    ("GET /X/0000 HTTP/2.0", Refused(505)),
    ("GET /X/0000 HTTP/0.9", Refused(505)),
    ("GET /X/0000 HTTP/1.1\u{0}", Refused(505)),
];

/// The older version, which has no chunks and ends its connections.
const OLDER: [(&str, &str, Fate); 5] = [
    (
        "with a body",
        "Host: edge\r\nContent-Length: 3\r\n",
        One("abc"),
    ),
    (
        "with chunks",
        "Host: edge\r\nTransfer-Encoding: chunked\r\n",
        Refused(400),
    ),
    (
        "with chunks and a length",
        "Host: edge\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        Refused(400),
    ),
    (
        "with a connection that is kept",
        "Host: edge\r\nContent-Length: 3\r\nConnection: keep-alive\r\n",
        One("abc"),
    ),
    ("without a host", "Content-Length: 3\r\n", Refused(400)),
];

pub(super) fn cases() -> Vec<Case> {
    let heads = HEADS.iter().map(|(name, head, fate)| {
        Case::plain(
            format!("lines: {name}"),
            format!("{head}{}", smuggled()),
            *fate,
        )
    });
    let requests = REQUEST_LINES.iter().map(|(line, fate)| {
        let bytes = format!("{line}\r\nHost: edge\r\n\r\n{}", smuggled());
        Case::plain(format!("request line {}", spelled(line)), bytes, *fate)
    });
    let older = OLDER.iter().map(|(name, lines, fate)| {
        let bytes = format!("POST /X/0000 HTTP/1.0\r\n{lines}\r\nabc{}", smuggled());
        Case::plain(format!("HTTP/1.0 {name}"), bytes, *fate)
    });
    heads.chain(requests).chain(older).collect()
}
