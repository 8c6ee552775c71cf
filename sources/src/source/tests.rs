//! The list of providers: each has a name, settings, keys, and a head that it believes itself.

use super::*;
use crate::testing::{at, secrets};

const PRIVATE: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const STANDARD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TEXT: &str = "a-secret-of-some-length";
const HMAC: &str = r#"{"hmac":{"header":"X-Signature","identical":"once"}}"#;

fn source(json: &str) -> Source {
    serde_json::from_str(json).unwrap()
}

/// Every provider, with what it is verified with and what is signed with.
fn all() -> Vec<(Source, &'static str, &'static str)> {
    let mut all: Vec<_> = NAMES
        .iter()
        .map(|name| {
            let (key, secret) = match *name {
                "discord" => (PUBLIC, PRIVATE),
                "standard_webhooks" => (STANDARD, STANDARD),
                _ => (TEXT, TEXT),
            };
            (source(&format!("\"{name}\"")), key, secret)
        })
        .collect();
    all.push((source(HMAC), TEXT, TEXT));
    all
}

#[test]
fn every_provider_believes_the_head_that_is_made_for_it_and_calls_itself_by_its_name() {
    let now = at(1_700_000_000);
    for (source, key, secret) in all() {
        let provider = source.provider(&secrets(&[key])).unwrap();
        let head = source
            .sign(&Secret::from(secret), "d-1", b"{}", now)
            .unwrap();

        assert_eq!(provider.name(), source.name());
        provider.check_head(&head, now).unwrap();
        assert_eq!(
            provider.verify(&head, b"{}", now),
            Ok(()),
            "{}",
            source.name()
        );
        for value in head.values() {
            assert!(value.is_sensitive(), "{}", source.name());
        }
    }
}

#[test]
fn a_provider_without_a_fit_key_is_none() {
    for (source, _key, _secret) in all() {
        assert!(matches!(source.provider(&[]), Err(InvalidHook::NoKey)));
        for unfit in ["", "short"] {
            assert!(
                source.check_key(&Secret::from(unfit)).is_err(),
                "{}",
                source.name()
            );
            let refused = source.provider(&secrets(&[unfit])).unwrap_err();
            assert!(matches!(refused, InvalidHook::Key(_)), "{}", source.name());
        }
    }
}

#[test]
fn no_provider_shows_its_keys() {
    for (source, key, _secret) in all() {
        let shown = format!("{:?}", source.provider(&secrets(&[key])).unwrap());
        // Discord's key is public and may be seen.
        assert!(!shown.contains(key) && !shown.contains("MfKQ9"), "{shown}");
    }
}

#[test]
fn settings_say_what_a_provider_leaves_open() {
    let discord = source(r#"{"discord":{"window_seconds":30}}"#);
    assert!(matches!(
        discord,
        Source::Discord(Freshness { window_seconds: 30 })
    ));
    assert!(discord.validate().is_ok());
    let stripe = source(r#"{"stripe":{"header":"X-Shop-Signature"}}"#);
    let Source::Stripe(options) = stripe else {
        panic!("{stripe:?}")
    };
    assert_eq!(
        (options.header.as_str(), options.window_seconds),
        ("x-shop-signature", 300)
    );
    assert!(source(HMAC).validate().is_ok());
    assert!(
        source(r#"{"alertmanager":{"username":"am"}}"#)
            .validate()
            .is_ok()
    );

    for refused in [
        r#"{"discord":{"window_seconds":0}}"#,
        r#"{"stripe":{"window_seconds":90000}}"#,
        r#"{"alertmanager":{"username":"a:b"}}"#,
        r#"{"hmac":{"header":"X-Signature"}}"#,
    ] {
        assert!(source(refused).validate().is_err(), "{refused}");
    }
}

#[test]
fn what_is_no_provider_is_refused_by_name() {
    for unknown in [
        "\"gitlab\"",
        "\"GitHub\"",
        "\"hmac\"",
        "{}",
        "7",
        r#"{"github":{}}"#,
        r#"{"stripe":{"headers":"x"}}"#,
        r#"{"stripe":{"header":"a b"}}"#,
    ] {
        assert!(
            serde_json::from_str::<Source>(unknown).is_err(),
            "{unknown}"
        );
    }
}
