//! Requests behind requests: sent without waiting, behind an upgrade, behind a body that was to be asked for, in a body.

use super::Fate::{Cut, One, Refused};
use super::{Case, Fate, PATH, smuggled};

/// Requests without a body, behind each another one.
const ALONE: [(&str, &str, Fate); 16] = [
    ("sent without waiting", "", One("")),
    (
        "behind a connection that is to end",
        "Connection: close\r\n",
        One(""),
    ),
    (
        "behind a length of nothing",
        "Content-Length: 0\r\n",
        One(""),
    ),
    (
        "behind a WebSocket that was not agreed",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        One(""),
    ),
    (
        "behind a WebSocket without its Connection",
        "Upgrade: websocket\r\n",
        One(""),
    ),
    (
        "behind an upgrade to h2c",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        One(""),
    ),
    (
        "behind an upgrade to h2c, settings hidden",
        "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        One(""),
    ),
    (
        "behind an upgrade to anything",
        "Connection: Upgrade\r\nUpgrade: anything\r\n",
        One(""),
    ),
    (
        "behind an upgrade to TLS",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
        One(""),
    ),
    (
        "behind two upgrades",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
        One(""),
    ),
    (
        "behind a kept connection",
        "Connection: keep-alive\r\nKeep-Alive: timeout=100\r\n",
        One(""),
    ),
    (
        "behind a proxy's kept connection",
        "Proxy-Connection: keep-alive\r\n",
        One(""),
    ),
    (
        "behind a connection that names Host",
        "Connection: Host\r\n",
        Refused(400),
    ),
    (
        "behind a connection that names our headers",
        "Connection: X-Forwarded-For, Request-Id, traceparent\r\n",
        Refused(400),
    ),
    (
        "behind trailers that are welcome",
        "TE: trailers\r\nConnection: TE\r\n",
        One(""),
    ),
    (
        "behind an expectation of nothing",
        "Expect: 100-continue\r\nContent-Length: 0\r\n",
        One(""),
    ),
];

/// Requests with the body `abc`, behind each another one.
const WITH_BODY: [(&str, &str, &str, Fate); 9] = [
    ("behind a body", "Content-Length: 3\r\n", "abc", One("abc")),
    (
        "behind chunks",
        "Transfer-Encoding: chunked\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
        One("abc"),
    ),
    (
        "behind a body that was not asked for",
        "Expect: 100-continue\r\nContent-Length: 3\r\n",
        "abc",
        One("abc"),
    ),
    (
        "behind an upgrade with a body",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n",
        "abc",
        One("abc"),
    ),
    (
        "behind an upgrade with chunks",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
        One("abc"),
    ),
    (
        "behind a connection that names the length",
        "Connection: Content-Length\r\nContent-Length: 3\r\n",
        "abc",
        Refused(400),
    ),
    (
        "behind a connection that names the coding",
        "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
        Refused(400),
    ),
    (
        "behind a request that is too large",
        "Content-Length: 100000000\r\n",
        "",
        Refused(413),
    ),
    (
        "in place of chunks that were not asked for",
        "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n",
        "",
        Cut,
    ),
];

pub(super) fn cases() -> Vec<Case> {
    let alone = ALONE.iter().map(|(name, lines, fate)| {
        let bytes = format!(
            "GET {PATH} HTTP/1.1\r\nHost: edge\r\n{lines}\r\n{}",
            smuggled()
        );
        Case::plain(format!("queued {name}"), bytes, *fate)
    });
    let with_body = ["POST", "GET", "DELETE"].into_iter().flat_map(|method| {
        WITH_BODY.iter().map(move |(name, lines, body, fate)| {
            let bytes = format!(
                "{method} {PATH} HTTP/1.1\r\nHost: edge\r\n{lines}\r\n{body}{}",
                smuggled()
            );
            Case::plain(format!("queued {name}, {method}"), bytes, *fate)
        })
    });
    let without_answer = format!("HEAD {PATH} HTTP/1.1\r\nHost: edge\r\n\r\n{}", smuggled());
    alone
        .chain(with_body)
        .chain([Case::plain("queued behind a HEAD", without_answer, One(""))])
        .collect()
}
