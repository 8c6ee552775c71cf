//! Is the head one that every reader reads alike?
//!
//! HTTP/1 was judged on its bytes by [`crate::head`]; what is asked here again costs little and holds for HTTP/2, whose frames
//! its own library has checked. What is asked of single fields is asked here of both.

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName};

use super::Asked;
use crate::forward::NOT_FROM_STRANGERS;
use crate::refusal::Refusal;

/// Fields that the edge goes by, beside those that it replaces.
static GONE_BY: [HeaderName; 5] = [
    HOST,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    CONTENT_TYPE,
    HeaderName::from_static("x-api-key"),
];

pub(super) fn check(asked: &Asked<'_>, fields_max: usize) -> Result<(), Refusal> {
    if asked.headers().len() > fields_max {
        return Err(Refusal::TooManyFields(fields_max));
    }
    let method = asked.method().as_str();
    if !method
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'-')
    {
        return Err(Refusal::Malformed("the method is not in capital letters"));
    }
    if asked
        .headers()
        .get_all(CONTENT_LENGTH)
        .iter()
        .nth(1)
        .is_some()
    {
        return Err(Refusal::Malformed("there are two Content-Length fields"));
    }
    let expectation = asked.headers().get(EXPECT);
    if expectation.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Refusal::Expectation);
    }
    if asked.headers().keys().any(is_disguised) {
        return Err(Refusal::Malformed(
            "a field's name differs from a known one by underscores alone",
        ));
    }
    if nominates(asked.headers()) {
        return Err(Refusal::Malformed(
            "Connection names a field that is not the connection's",
        ));
    }
    Ok(())
}

fn known() -> impl Iterator<Item = &'static HeaderName> {
    GONE_BY.iter().chain(&NOT_FROM_STRANGERS)
}

/// Whether a name becomes that of a known field in a program that reads fields as variables, where a hyphen and an underscore
/// are the same (RFC 3875, section 4.1.18). There it would be what the edge has not looked at, or has not replaced.
fn is_disguised(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    let is_same = |known: &HeaderName| {
        let known = known.as_str().as_bytes();
        let pairs = || name.iter().zip(known);
        known.len() == name.len()
            && pairs().all(|(own, known)| own == known || (*own == b'_' && *known == b'-'))
    };
    name.contains(&b'_') && known().any(is_same)
}

/// Whether a proxy that does as `Connection` says would take a known field out of the request.
fn nominates(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names
        .map(<[u8]>::trim_ascii)
        .any(|name| known().any(|known| known.as_str().as_bytes().eq_ignore_ascii_case(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_with_an_underscore_is_disguised_and_others_are_not() {
        for (name, is_so) in [
            ("content_length", true),
            ("transfer_encoding", true),
            ("x_forwarded_for", true),
            ("x-forwarded_for", true),
            ("x_api-key", true),
            ("content-length", false),
            ("x_ordinary", false),
            ("host_", false),
        ] {
            let parsed = HeaderName::from_static(name);
            assert_eq!(is_disguised(&parsed), is_so, "{name}");
        }
    }

    #[test]
    fn a_connection_may_name_what_is_its_own() {
        for (value, is_so) in [
            ("close", false),
            ("keep-alive, Upgrade", false),
            ("TE, HTTP2-Settings", false),
            ("close, content-length", true),
            ("Host", true),
            ("x-a,\tTraceParent", true),
        ] {
            let headers = HeaderMap::from_iter([(CONNECTION, value.parse().unwrap())]);
            assert_eq!(nominates(&headers), is_so, "{value}");
        }
    }
}
