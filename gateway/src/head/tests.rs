//! Every head that can be read in two ways is refused, whatever pieces it arrives in.

use proptest::prelude::*;

use super::*;

const LIMITS: HeadLimits = HeadLimits {
    bytes_max: 1_024,
    fields_max: 10,
};

/// Whether its body comes in chunks.
fn verdict(head: &str) -> Result<bool, Refusal> {
    judge(head.as_bytes(), LIMITS)
}

fn is_malformed(head: &str) -> bool {
    matches!(verdict(head), Err(Refusal::Malformed(_)))
}

#[test]
fn ordinary_heads_pass() {
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /telegram/ops?x=1 HTTP/1.1\r\nhost: example.org:8443\r\nContent-Length: 12\r\nX-Empty:\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: Chunked\r\nExpect: 100-continue\r\n\r\n",
        "GET /a%20b HTTP/1.0\r\nHost: a\r\n\r\n",
    ] {
        let is_chunked = head.contains("Chunked");
        assert_eq!(verdict(head).ok(), Some(is_chunked), "{head:?}");
    }
}

#[test]
fn what_pingora_forgives_is_refused_here() {
    for head in [
        "GET / HTTP/1.1\r\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "get / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:80:81\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:http\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: :80\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [edge]\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n",
    ] {
        assert!(is_malformed(head), "{head:?}: {:?}", verdict(head));
    }
}

#[test]
fn another_version_and_an_unknown_expectation_have_answers_of_their_own() {
    assert!(matches!(
        verdict("GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
        Err(Refusal::Version)
    ));
    assert!(matches!(
        verdict("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n"),
        Err(Refusal::Expectation)
    ));
}

#[test]
fn an_eleventh_field_is_one_too_many() {
    let fields = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: y\r\n".repeat(count - 1)
        )
    };

    assert!(verdict(&fields(10)).is_ok());
    assert!(matches!(
        verdict(&fields(11)),
        Err(Refusal::TooManyFields(10))
    ));
}

#[test]
fn the_end_is_where_the_empty_line_is_and_not_in_the_body() {
    let bytes = b"POST / HTTP/1.1\r\nHost: a\r\n\r\nbody\nwith\r\n\r\nlines";

    let end = EndFinder::default().find(bytes, LIMITS).unwrap();

    assert_eq!(end, Some(28));
}

#[test]
fn a_bare_line_feed_is_noticed_at_once() {
    let found = EndFinder::default().find(b"GET / HTTP/1.1\nHost: a\n", LIMITS);

    assert!(matches!(found, Err(Refusal::Malformed(_))));
}

#[test]
fn another_protocol_is_noticed_at_its_first_byte() {
    for first in [0x16_u8, 0x00, b'\r', b'\n', b' ', 0xff] {
        let found = EndFinder::default().find(&[first], LIMITS);
        assert!(matches!(found, Err(Refusal::Malformed(_))), "{first}");
    }
}

#[test]
fn the_cap_counts_where_the_head_ends_and_not_what_one_read_brought() {
    let head = format!(
        "GET / HTTP/1.1\r\nX: {}\r\n\r\n",
        "y".repeat(LIMITS.bytes_max)
    );

    let at_once = EndFinder::default().find(head.as_bytes(), LIMITS);
    let with_large_body = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(),
        &[b'x'; 4_096],
    ]
    .concat();

    assert!(matches!(at_once, Err(Refusal::HeadTooLarge(1_024))));
    assert!(matches!(
        EndFinder::default().find(&with_large_body, LIMITS),
        Ok(Some(27))
    ));
}

proptest! {
    #[test]
    fn pieces_make_no_difference(cuts in proptest::collection::vec(0usize..60, 0..6)) {
        let bytes = b"POST /telegram/ops HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
        let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut < bytes.len()).collect();
        cuts.sort_unstable();
        let mut finder = EndFinder::default();
        for cut in cuts {
            prop_assert_eq!(finder.find(&bytes[..cut], LIMITS).unwrap(), None);
        }
        prop_assert_eq!(finder.find(bytes, LIMITS).unwrap(), Some(bytes.len()));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _found = EndFinder::default().find(&bytes, LIMITS);
        let _verdict = judge(&bytes, LIMITS);
    }
}
