//! That both versions are read as their specification has them, and nothing else.

use proptest::prelude::*;

use super::*;

fn socket(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn a_line_names_the_client() {
    let four = text(b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n");
    let six = text(b"PROXY TCP6 2001:db8::1 2001:db8::2 65535 1\r\n");
    let unknown = text(b"PROXY UNKNOWN and whatever follows\r\n");

    assert_eq!(four, Ok(socket("192.0.2.1:56324")));
    assert_eq!(six, Ok(socket("[2001:db8::1]:65535")));
    assert_eq!(unknown, Ok(None));
    assert_eq!(text(b"PROXY UNKNOWN\r\n"), Ok(None));
}

#[test]
fn a_line_that_is_not_exact_is_refused() {
    for line in [
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 more\r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.2 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 +80 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 080 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 80 x\r\n",
        "PROXY TCP4 192.0.2.256 198.51.100.2 56324 443\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 56324 443\r\n",
        "PROXY TCP6 2001:db8::1 198.51.100.2 56324 443\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.2 56324 443\r\n",
        "PROXY \r\n",
    ] {
        assert!(text(line.as_bytes()).is_err(), "{line:?}");
    }
}

#[test]
fn a_binary_header_names_the_client() {
    let four = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 1, 187];
    let mut six = [0_u8; 40];
    six[15] = 1;
    six[32..36].copy_from_slice(&[0x1f, 0x90, 1, 187]);

    assert_eq!(binary(0x21, 0x11, &four), Ok(socket("192.0.2.1:56324")));
    assert_eq!(binary(0x21, 0x21, &six), Ok(socket("[::1]:8080")));
    assert_eq!(binary(0x20, 0x11, &four), Ok(None));
    assert_eq!(binary(0x21, 0x00, &[]), Ok(None));
}

#[test]
fn a_binary_header_that_is_not_exact_is_refused() {
    let four = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 1, 187];

    for (command, family, payload) in [
        (0x21, 0x11, &four[..11]),
        (0x21, 0x21, &four[..]),
        (0x21, 0x12, &four[..]),
        (0x21, 0x31, &four[..]),
        (0x22, 0x11, &four[..]),
        (0x11, 0x11, &four[..]),
        (0x31, 0x11, &four[..]),
    ] {
        let read = binary(command, family, payload);
        assert!(read.is_err(), "{command:02x} {family:02x} {read:?}");
    }
}

proptest! {
    #[test]
    fn whatever_is_sent_is_read_or_refused(command: u8, family: u8, bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _either = binary(command, family, &bytes);
        let _either = text(&bytes);
    }

    #[test]
    fn what_a_balancer_writes_is_what_is_read(address: std::net::Ipv4Addr, port: u16) {
        let line = format!("PROXY TCP4 {address} 192.0.2.9 {port} 443\r\n");
        prop_assert_eq!(text(line.as_bytes()), Ok(Some(SocketAddr::new(address.into(), port))));
    }
}
