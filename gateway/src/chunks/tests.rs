//! Every body that could end in two places is refused, whatever pieces it arrives in.

use proptest::prelude::*;

use super::*;

fn verdict(body: &[u8]) -> Result<Place, Refusal> {
    let mut chunks = Chunks::new();
    chunks.follow(body).map(|()| chunks.place)
}

fn is_over(body: &str) -> bool {
    matches!(verdict(body.as_bytes()), Ok(Place::Over))
}

fn is_refused(body: &str) -> bool {
    matches!(verdict(body.as_bytes()), Err(Refusal::Malformed(_)))
}

#[test]
fn bodies_that_everybody_reads_alike_pass() {
    for body in [
        "0\r\n\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
        "A\r\n0123456789\r\n00\r\n\r\n",
        "3;name=\"value; more\"\r\nabc\r\n0;last\r\n\r\n",
        "3\r\n\r\n0\r\n0\r\nX-Checksum: 7\r\nX-Empty:\r\n\r\n",
        "0\r\n\r\nwhatever comes behind\n\n\n",
    ] {
        assert!(is_over(body), "{body:?}");
    }
}

#[test]
fn bodies_that_end_in_two_places_are_refused() {
    for body in [
        "\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        " 3\r\n",
        "3 \r\n",
        "3 ;x\r\n",
        "+3\r\n",
        "0x3\r\n",
        "3h\r\n",
        "3\n",
        "3;x\n",
        "3;x\ry\r\n",
        "3;\0\r\n",
        "3;\u{e9}\r\n",
        "10000000000000003\r\n",
        "3\r\nabc\n",
        "3\r\nabc\rx",
        "3\r\nabcd",
        "3\r\nabc0\r\n",
        "0\r\n\n",
        "0\r\nX : y\r\n",
        "0\r\nX\r\n",
        "0\r\n X: y\r\n",
        "0\r\nX: a\rb\r\n",
        "0\r\nHost: elsewhere\r\n",
        "0\r\ncontent-length: 5\r\n",
        "0\r\nTransfer-Encoding: chunked\r\n",
        "0\r\nGET /x HTTP/1.1\r\n",
    ] {
        assert!(is_refused(body), "{body:?}");
    }
}

#[test]
fn a_line_without_end_is_refused_and_costs_no_more_than_a_line() {
    let mut chunks = Chunks::new();

    let refused = (0..10_000).find(|_| chunks.follow(b"0").is_err());

    assert_eq!(refused, Some(LINE_BYTES_MAX));
    assert!(chunks.line.capacity() <= 2 * LINE_BYTES_MAX);
}

#[test]
fn frames_may_not_cost_a_thousand_times_what_they_hold() {
    let with_extension = format!("1;{}\r\nx\r\n", "y".repeat(900));
    let small_chunks = "1\r\nx\r\n".repeat(100_000);
    let large_chunks = format!("8000;{}\r\n{}\r\n", "y".repeat(900), "x".repeat(0x8000));

    assert!(is_refused(&with_extension.repeat(20)));
    assert!(!is_refused(&small_chunks));
    assert!(!is_refused(&large_chunks.repeat(100)));
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        body in proptest::sample::select(vec![
            "3;x=y\r\nabc\r\n1f\r\n0123456789012345678901234567890\r\n0\r\nX: y\r\n\r\nGET",
            "3;x=y\r\nabc\r\n1f\r\n0123456789012345678901234567890\n0\r\n\r\n",
            "3\r\nabc\r\n0\r\nX: y\n\r\n",
        ]),
        cuts in proptest::collection::vec(0usize..60, 0..8),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= body.len()).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let mut chunks = Chunks::new();
        let pieces = cuts.windows(2).map(|ends| body.get(ends[0]..ends[1]).unwrap());

        let refused = pieces.map(|piece| chunks.follow(piece.as_bytes())).any(|outcome| outcome.is_err());

        prop_assert_eq!(refused, is_refused(body));
        prop_assert!(refused || chunks.place == Place::Over);
    }

    #[test]
    fn whatever_comes_is_judged(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(verdict(&bytes));
    }
}
