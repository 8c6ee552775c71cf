//! What is taken, and what each mistake is answered with.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Destination, InvalidDestination> {
    Destination::read(text, &Settings::default(), &Reach::default())
}

fn spelled(usual: &str) -> InvalidDestination {
    InvalidDestination::Spelling {
        usual: usual.to_owned(),
    }
}

#[test]
fn ordinary_urls_are_taken_and_show_their_host_alone() {
    for url in [
        "https://example.com",
        "https://example.com/hook?token=s3cret",
        " https://Example.com:8443/hook ",
        "HTTPS://xn--bcher-kva.example/",
        "https://8.8.8.8/hook",
        "https://[2606:4700:4700::1111]/hook",
        "https://example.com:443/a@b",
    ] {
        let destination = read(url).expect(url);
        assert!(
            !format!("{destination:?}").contains("hook"),
            "{destination:?}"
        );
    }
}

#[test]
fn every_mistake_has_an_answer_of_its_own() {
    use InvalidDestination::{Characters, Fragment, NotAUrl, TooLong, UserInfo};
    let scheme = InvalidDestination::Scheme { http_too: false };
    let cases = [
        ("http://example.com/", scheme.clone()),
        ("gopher://example.com/", scheme.clone()),
        ("file:///etc/passwd", scheme.clone()),
        ("https:example.com", scheme.clone()),
        ("https:/example.com", scheme.clone()),
        ("example.com", scheme),
        ("https:///example.com", NotAUrl),
        ("https://", NotAUrl),
        ("https://[::1", NotAUrl),
        ("https://[::1]x/", NotAUrl),
        ("https://user@example.com/", UserInfo),
        ("https://example.com:x@127.0.0.1/", UserInfo),
        ("https://example.com/#here", Fragment),
        ("https://exa\tmple.com/", Characters),
        ("https://example.com\\@127.0.0.1/", Characters),
        ("https://bücher.example/", Characters),
        ("https://１２７.０.０.１/", Characters),
        ("https://0x7f000001/", spelled("127.0.0.1")),
        ("https://2130706433/", spelled("127.0.0.1")),
        ("https://0177.0.0.1/", spelled("127.0.0.1")),
        ("https://127.1/", spelled("127.0.0.1")),
        ("https://0/", spelled("0.0.0.0")),
        ("https://127.0.0.1./", spelled("127.0.0.1")),
        ("https://%31%32%37.0.0.1/", spelled("127.0.0.1")),
        ("https://[0:0:0:0:0:0:0:1]/", spelled("[::1]")),
        ("https://[::ffff:127.0.0.1]/", spelled("127.0.0.1")),
        ("https://[::ffff:8.8.8.8]/", spelled("8.8.8.8")),
        ("https://localhost./", spelled("localhost")),
    ];
    for (url, expected) in cases {
        assert_eq!(read(url), Err(expected), "{url}");
    }
    let long = format!("https://example.com/{}", "a".repeat(URL_BYTES_MAX));
    assert_eq!(read(&long), Err(TooLong));
}

#[test]
fn addresses_and_ports_inside_are_refused_at_once() {
    assert!(matches!(
        read("https://127.0.0.1/"),
        Err(InvalidDestination::Address(_))
    ));
    assert!(matches!(
        read("https://[fd00:ec2::254]/"),
        Err(InvalidDestination::Address(_))
    ));
    let refused = read("https://example.com:6379/").expect_err("a port of its own");
    assert_eq!(
        refused.to_string(),
        "port 6379 may not be called, only 443, 8443"
    );
}

#[test]
fn an_operator_can_open_http_ports_and_networks() {
    let settings = Settings {
        allow_http: true,
        ports: vec![8_099],
        ..Settings::default()
    };
    let reach = Reach::new(vec!["10.0.0.0/8".parse().expect("a network")]);

    assert!(Destination::read("http://10.1.2.3:8099/", &settings, &reach).is_ok());
    assert!(Destination::read("http://10.1.2.3/", &settings, &reach).is_err());
    assert!(Destination::read("http://192.168.1.1:8099/", &settings, &reach).is_err());
}

proptest! {
    #[test]
    fn a_host_that_was_taken_is_the_one_that_was_written(text in "(https?|HTTPS|ftp)://[a-z0-9.@:\\[\\]%x/?#\\\\-]{0,24}") {
        if let Ok(destination) = read(&text) {
            let written = text.split("://").nth(1).unwrap_or_default();

            prop_assert!(written.to_ascii_lowercase().starts_with(destination.host()), "{} of {}", destination.host(), text);
        }
    }

    #[test]
    fn no_spelling_of_an_address_inside_is_taken(bits: u32, form in 0..6) {
        let [a, b, c, d] = bits.to_be_bytes();
        let host = match form {
            0 => format!("{bits}"),
            1 => format!("{bits:#x}"),
            2 => format!("{a:#o}.{b}.{c}.{d}").replace("0o", "0"),
            3 => format!("{a}.{b}.{}", u32::from(c) << 8 | u32::from(d)),
            4 => format!("[::ffff:{a}.{b}.{c}.{d}]"),
            _ => format!("{a}.{b}.{c}.{d}"),
        };
        let address = IpAddr::from(bits.to_be_bytes());

        if crate::special_purpose(address).is_some() {
            let url = format!("https://{}/", host);
            prop_assert!(read(&url).is_err(), "{}", url);
        }
    }
}
