//! WebSockets (RFC 6455): what asks for one, and what proves that an upstream has begun one.
//!
//! It exists because after the handshake nobody looks at the bytes any more. A client that could make the edge believe in a handshake that
//! the upstream never made could send it requests that no check has seen. So a request that asks for anything less than a sound handshake
//! goes on without asking, and an answer that switches must name the key of the question. Frames are for the two ends.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};

/// What both ends add to the key (RFC 6455, section 1.3).
const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The only version there is.
const VERSION: &[u8] = b"13";
const KEY_BYTES: usize = 16;

/// Whether a request asks for a WebSocket, as the protocol has it: over HTTP/1.1, with GET, without a body, for this version
/// and with a key.
pub(crate) fn is_asked_for(head: &RequestHeader) -> bool {
    let headers = &head.headers;
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && has_no_body(headers)
        && is_only(headers, &header::UPGRADE, b"websocket")
        && names(headers, &header::CONNECTION, b"upgrade")
        && is_only(headers, &header::SEC_WEBSOCKET_VERSION, VERSION)
        && key(headers).is_some()
}

/// Whether an answer to such a request begins the WebSocket that it asked for.
pub(crate) fn is_begun(asked: &RequestHeader, answer: &ResponseHeader) -> bool {
    let Some(key) = key(&asked.headers) else {
        return false;
    };
    is_only(&answer.headers, &header::UPGRADE, b"websocket")
        && names(&answer.headers, &header::CONNECTION, b"upgrade")
        && only(&answer.headers, &header::SEC_WEBSOCKET_ACCEPT)
            .is_some_and(|proof| proof.as_bytes() == proof_of(key.as_bytes()).as_bytes())
}

fn has_no_body(headers: &HeaderMap) -> bool {
    let is_empty = only(headers, &header::CONTENT_LENGTH).is_none_or(|length| length == "0");
    is_empty && !headers.contains_key(header::TRANSFER_ENCODING)
}

/// The key, if there is one and it is 16 bytes in base64.
fn key(headers: &HeaderMap) -> Option<&HeaderValue> {
    let key = only(headers, &header::SEC_WEBSOCKET_KEY)?;
    let bytes = STANDARD.decode(key.as_bytes()).ok()?;
    (bytes.len() == KEY_BYTES).then_some(key)
}

fn proof_of(key: &[u8]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(MAGIC);
    STANDARD.encode(context.finish())
}

/// The value of a field that stands there once.
fn only<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

fn is_only(headers: &HeaderMap, name: &header::HeaderName, wanted: &[u8]) -> bool {
    only(headers, name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(wanted))
}

/// Whether a field is a list with this in it.
fn names(headers: &HeaderMap, name: &header::HeaderName, wanted: &[u8]) -> bool {
    let mut entries = headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    entries.any(|entry| entry.trim_ascii().eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Question and answer of RFC 6455, section 1.2.
    const ASKED: [(&str, &str); 5] = [
        ("Host", "server.example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "keep-alive, Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    const ANSWERED: [(&str, &str); 3] = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ];

    fn asked(method: &str, fields: &[(&'static str, &str)]) -> RequestHeader {
        let mut head = RequestHeader::build(method, b"/chat", None).unwrap();
        for (name, value) in fields {
            head.append_header(*name, *value).unwrap();
        }
        head
    }

    fn answered(fields: &[(&'static str, &str)]) -> ResponseHeader {
        let mut head = ResponseHeader::build(101, None).unwrap();
        for (name, value) in fields {
            head.append_header(*name, *value).unwrap();
        }
        head
    }

    #[test]
    fn the_example_of_the_standard_is_sound() {
        let asked = asked("GET", &ASKED);

        assert!(is_asked_for(&asked));
        assert!(is_begun(&asked, &answered(&ANSWERED)));
    }

    #[test]
    fn anything_less_does_not_ask() {
        for missing in 1..ASKED.len() {
            let mut fields = ASKED.to_vec();
            fields.remove(missing);
            assert!(!is_asked_for(&asked("GET", &fields)), "{missing}");
        }
        for more in [
            ("Upgrade", "h2c"),
            ("Sec-WebSocket-Version", "8"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Content-Length", "5"),
            ("Transfer-Encoding", "chunked"),
        ] {
            let mut fields = ASKED.to_vec();
            fields.push(more);
            assert!(!is_asked_for(&asked("GET", &fields)), "{more:?}");
        }
        assert!(!is_asked_for(&asked("POST", &ASKED)));
    }

    #[test]
    fn an_answer_that_does_not_prove_that_it_understood_begins_nothing() {
        let asked = asked("GET", &ASKED);
        for missing in 0..ANSWERED.len() {
            let mut fields = ANSWERED.to_vec();
            fields.remove(missing);
            assert!(!is_begun(&asked, &answered(&fields)), "{missing}");
        }
        let mut forged = ANSWERED;
        forged[2].1 = "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=";
        assert!(!is_begun(&asked, &answered(&forged)));
    }
}
