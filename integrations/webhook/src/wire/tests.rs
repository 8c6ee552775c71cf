//! Signatures by the standard's own example, and what a body looks like.

use serde_json::json;

use super::*;

fn key(text: &str) -> SigningKey {
    SigningKey::read(&Secret::new(text)).expect("a key")
}

#[test]
fn signatures_are_those_of_the_standards_example() {
    let keys = [key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
    let signed = signatures(
        &keys,
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        br#"{"test": 2432232314}"#,
    );

    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn each_of_several_keys_signs() {
    let keys = [
        key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        key("C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
    ];

    let signed = signatures(&keys, "msg_1", "1", b"{}");

    assert_eq!(signed.split(' ').count(), 2);
    assert!(signed.split(' ').all(|one| one.starts_with("v1,")));
}

#[test]
fn what_is_no_key_is_refused() {
    for text in [
        "",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw!",
    ] {
        assert_eq!(
            SigningKey::read(&Secret::new(text)).err(),
            Some(UnfitKey),
            "{text}"
        );
    }
}

#[test]
fn a_derived_key_is_a_key_of_its_own_for_each_name_and_each_secret() {
    let derived = |house: &str, parts: &[&[u8]]| SigningKey::derive(&Secret::new(house), parts);
    let one = derived("house", &[b"ops", b"7"]);

    assert!(SigningKey::read(&one).is_ok());
    assert_eq!(one, derived("house", &[b"ops", b"7"]));
    for other in [
        derived("house", &[b"ops7", b""]),
        derived("house", &[b"ops", b"8"]),
        derived("other", &[b"ops", b"7"]),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn a_body_says_what_and_when_and_is_bounded() {
    let mut event = Event {
        id: "msg_1".to_owned(),
        kind: "digest.daily".to_owned(),
        at: "2026-11-22T09:00:00Z".parse().expect("a time"),
        data: json!({"dead": 1}),
    };
    let body = event.body().expect("it fits");

    assert_eq!(
        String::from_utf8(body).expect("text"),
        r#"{"type":"digest.daily","timestamp":"2026-11-22T09:00:00Z","data":{"dead":1}}"#
    );
    event.data = json!("a".repeat(BODY_BYTES_MAX));
    assert_eq!(event.body(), None);
}
