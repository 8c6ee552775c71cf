//! Senders described by settings: those of other providers, and settings that make no sense.

use proptest::prelude::*;
use validator::Validate;

use super::*;
use crate::testing::{at, body, head, needs_each_once, no_bit_may_change, secrets, stored, with};

const SIGNED_AT: u64 = 1_700_000_000;
const SECRET: &str = "a secret of some length";

fn settings(json: &str) -> Settings {
    serde_json::from_str(json).unwrap()
}

fn complete() -> Settings {
    settings(
        r#"{"header":"X-Signature","prefix":"v0=","signed":"{id}.{timestamp}.{body}","timestamp_header":"X-Time",
            "id_header":"X-Id","key_path":"/order/id"}"#,
    )
}

fn sender(settings: &Settings) -> Hmac {
    Hmac::new(settings, &secrets(&["the secret after this one", SECRET])).unwrap()
}

fn signed(settings: &Settings, body: &[u8]) -> HeaderMap {
    sign(settings, &Secret::from(SECRET), "d-1", body, at(SIGNED_AT)).unwrap()
}

fn name(text: &str) -> HeaderName {
    HeaderName::try_from(text).unwrap()
}

#[test]
fn the_vectors_of_other_providers_are_verified_by_settings_alone() {
    let github = settings(
        r#"{"header":"X-Hub-Signature-256","prefix":"sha256=","id_header":"X-GitHub-Delivery"}"#,
    );
    let hook = Hmac::new(&github, &secrets(&["It's a Secret to Everybody"])).unwrap();
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let fields = [
        (&name("x-hub-signature-256"), signature),
        (&name("x-github-delivery"), "1"),
    ];
    assert_eq!(hook.verify(&head(&fields), b"Hello, World!", at(0)), Ok(()));

    let standard = settings(
        r#"{"header":"svix-signature","prefix":"v1,","encoding":"base64","signed":"{id}.{timestamp}.{body}",
            "timestamp_header":"svix-timestamp","id_header":"svix-id","secret_encoding":"base64"}"#,
    );
    let hook = Hmac::new(&standard, &secrets(&["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])).unwrap();
    let fields = [
        (&name("svix-id"), "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        (&name("svix-timestamp"), "1614265330"),
        (
            &name("svix-signature"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ];
    let verdict = hook.verify(
        &head(&fields),
        br#"{"test": 2432232314}"#,
        at(1_614_265_330),
    );
    assert_eq!(verdict, Ok(()));
}

#[test]
fn every_hash_and_spelling_is_made_and_verified() {
    for algorithm in ["sha1", "sha256", "sha512"] {
        for encoding in ["hex", "base64"] {
            let settings = settings(&format!(
                r#"{{"header":"X-S","algorithm":"{algorithm}","encoding":"{encoding}","identical":"once"}}"#
            ));
            let head = signed(&settings, b"{}");
            assert_eq!(sender(&settings).verify(&head, b"{}", at(0)), Ok(()));
            assert!(sender(&settings).verify(&head, b"{ }", at(0)).is_err());
        }
    }
}

#[test]
fn every_header_that_is_named_must_stand_there_once() {
    let settings = complete();
    let head = signed(&settings, b"{}");
    let (signature, time, id) = (name("x-signature"), name("x-time"), name("x-id"));
    needs_each_once(
        &sender(&settings),
        &head,
        b"{}",
        at(SIGNED_AT),
        &[&signature, &time, &id],
    );

    let good = head[&signature].to_str().unwrap();
    for bad in [
        &good.to_uppercase(),
        good.get(3..).unwrap(),
        good.get(..66).unwrap(),
        &format!("{good},{good}"),
    ] {
        let refused =
            sender(&settings).check_head(&with(&head, &signature, Some(bad)), at(SIGNED_AT));
        assert_eq!(
            refused,
            Err(Refusal::HeaderMalformed(signature.clone())),
            "{bad}"
        );
    }
}

#[test]
fn the_window_is_a_setting() {
    let mut settings = complete();
    settings.window_seconds = Some(60);
    let head = signed(&settings, b"{}");
    let verify = |now| sender(&settings).verify(&head, b"{}", at(now));

    assert_eq!(verify(SIGNED_AT + 60), Ok(()));
    assert_eq!(verify(SIGNED_AT + 61), Err(Refusal::TooOld(name("x-time"))));
    assert_eq!(verify(SIGNED_AT - 61), Err(Refusal::TooNew(name("x-time"))));
}

#[test]
fn a_delivery_stands_in_the_line_that_the_path_names() {
    let settings = complete();
    let read = |body: &str| {
        let head = signed(&settings, body.as_bytes());
        stored(sender(&settings).read("shop", &head, body.as_bytes())).0
    };

    let delivery = read(r#"{"order":{"id":17}}"#);
    assert_eq!(delivery.key, "in:hmac:shop:17");
    assert_eq!(delivery.delivery_id.as_deref(), Some("d-1"));
    assert_eq!(read(r#"{"order":{"id":"a/b"}}"#).key, "in:hmac:shop:a/b");
    for body in [r#"{"order":[17]}"#, r#"{"order":{"id":1,"id":2}}"#, "{}"] {
        assert_eq!(read(body).key, "in:hmac:shop:unknown", "{body}");
    }
}

#[test]
fn without_an_id_a_replay_is_told_by_the_signed_bytes_unless_settings_say_otherwise() {
    let id_of = |settings: &Settings, now| {
        let head = sign(settings, &Secret::from(SECRET), "", b"{}", at(now)).unwrap();
        stored(sender(settings).read("shop", &head, b"{}"))
            .0
            .delivery_id
    };
    let timed =
        settings(r#"{"header":"X-S","signed":"{timestamp}{body}","timestamp_header":"X-T"}"#);
    assert_eq!(id_of(&timed, 1), id_of(&timed, 1));
    assert_ne!(id_of(&timed, 1), id_of(&timed, 2));

    let once = settings(r#"{"header":"X-S","identical":"once"}"#);
    assert_eq!(id_of(&once, 1), id_of(&once, 2));
    let every_time = settings(r#"{"header":"X-S","identical":"every_time"}"#);
    assert_eq!(id_of(&every_time, 1), None);
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_reason() {
    for (json, why) in [
        (r#"{"header":"X-S"}"#, Nonsense::Identical),
        (
            r#"{"header":"X-S","id_header":"X-I","identical":"once"}"#,
            Nonsense::Identical,
        ),
        (
            r#"{"header":"X-S","timestamp_header":"X-T"}"#,
            Nonsense::Timestamp,
        ),
        (
            r#"{"header":"X-S","signed":"{timestamp}.{body}"}"#,
            Nonsense::Timestamp,
        ),
        (r#"{"header":"X-S","signed":"{id}.{body}"}"#, Nonsense::Id),
        (r#"{"header":"X-S","id_header":"x-s"}"#, Nonsense::Headers),
        (
            r#"{"header":"X-S","signed":"{timestamp}.{body}","timestamp_header":"X-T","id_header":"X-T"}"#,
            Nonsense::Headers,
        ),
        (
            r#"{"header":"X-S","identical":"once","window_seconds":60}"#,
            Nonsense::Window,
        ),
        (
            r#"{"header":"X-S","signed":"{timestamp}.{body}","timestamp_header":"X-T","window_seconds":0}"#,
            Nonsense::Window,
        ),
        (
            r#"{"header":"X-S","identical":"once","url":"https://h"}"#,
            Nonsense::Url,
        ),
        (
            r#"{"header":"X-S","identical":"once","key_path":"id"}"#,
            Nonsense::KeyPath,
        ),
        (
            r#"{"header":"X-S","identical":"once","key_path":"/a~2"}"#,
            Nonsense::KeyPath,
        ),
        (
            r#"{"header":"X-S","identical":"once","prefix":"a b"}"#,
            Nonsense::Prefix,
        ),
    ] {
        let settings = settings(json);
        assert!(settings.validate().is_err(), "{json}");
        assert_eq!(settings.scheme().unwrap_err(), why, "{json}");
    }
    for unknown in [
        r#"{"header":"X S","identical":"once"}"#,
        r#"{"header":"X-S","algorithm":"md5"}"#,
        r#"{"header":"X-S","encoding":"base58"}"#,
        r#"{"header":"X-S","secret":"x"}"#,
        "{}",
    ] {
        assert!(
            serde_json::from_str::<Settings>(unknown).is_err(),
            "{unknown}"
        );
    }
    assert!(complete().validate().is_ok());
}

#[test]
fn a_secret_must_be_long_enough_and_written_as_the_settings_say() {
    let mut settings = complete();
    assert!(Hmac::new(&settings, &secrets(&["too short"])).is_err());
    settings.secret_encoding = SecretEncoding::Hex;
    assert!(Hmac::new(&settings, &secrets(&[&"0F".repeat(16)])).is_ok());
    assert!(Hmac::new(&settings, &secrets(&[SECRET])).is_err());
}

proptest! {
    #[test]
    fn no_bit_of_body_id_time_or_signature_may_change(body in body(), place: prop::sample::Index, bit in 0_u8..8) {
        let settings = complete();
        let head = signed(&settings, &body);
        let vouched = [&name("x-signature"), &name("x-time"), &name("x-id")];
        no_bit_may_change(&sender(&settings), &head, &body, at(SIGNED_AT), &vouched, &place, bit)?;
    }
}
