//! The Standard Webhooks: the vector that their libraries publish, and what the scheme refuses.

use proptest::prelude::*;

use super::*;
use crate::testing::{at, body, head, needs_each_once, no_bit_may_change, secrets, stored, with};
use crate::window::FIVE_MINUTES;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SIGNED_AT: u64 = 1_614_265_330;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const BODY: &[u8] = br#"{"test": 2432232314}"#;

fn endpoint() -> StandardWebhooks {
    StandardWebhooks::new(&secrets(&[NEXT, SECRET]), FIVE_MINUTES).unwrap()
}

fn published() -> HeaderMap {
    head(&[
        (&ID_HEADER, ID),
        (&TIMESTAMP_HEADER, &SIGNED_AT.to_string()),
        (&SIGNATURE_HEADER, SIGNATURE),
    ])
}

fn verify(name: &HeaderName, value: &str) -> Result<(), Refusal> {
    endpoint().verify(&with(&published(), name, Some(value)), BODY, at(SIGNED_AT))
}

#[test]
fn the_published_vector_is_verified_and_made() {
    let now = at(SIGNED_AT);
    let needed = [&ID_HEADER, &TIMESTAMP_HEADER, &SIGNATURE_HEADER];
    needs_each_once(&endpoint(), &published(), BODY, now, &needed);
    assert_eq!(
        sign(&Secret::from(SECRET), ID, BODY, now).unwrap(),
        published()
    );
}

#[test]
fn several_signatures_are_a_rotation_and_other_schemes_are_passed_over() {
    let wrong = encoding::base64(&[0; 32]);
    for good in [
        format!("v1,{wrong} {SIGNATURE}"),
        format!("v1a,{wrong} {SIGNATURE} v2,x"),
    ] {
        assert_eq!(verify(&SIGNATURE_HEADER, &good), Ok(()), "{good}");
    }
    assert_eq!(
        verify(&SIGNATURE_HEADER, &format!("v1,{wrong}")),
        Err(Refusal::NoKeyMatched(SIGNATURE_HEADER))
    );
    let many = [SIGNATURE; 9].join(" ");
    assert_eq!(
        verify(&SIGNATURE_HEADER, &many),
        Err(Refusal::TooManySignatures(SIGNATURE_HEADER))
    );
}

#[test]
fn what_is_not_written_as_the_standard_says_is_refused() {
    let bare = SIGNATURE.trim_start_matches("v1,");
    for bad in [
        bare,
        &format!("V1,{bare}"),
        &format!("v1a,{bare}"),
        &format!("v1,{}", bare.trim_end_matches('=')),
        &format!("v1,{}", bare.replace('/', "_")),
        "v1,AAAA",
        "v1,",
    ] {
        assert_eq!(
            verify(&SIGNATURE_HEADER, bad),
            Err(Refusal::HeaderMalformed(SIGNATURE_HEADER)),
            "{bad}"
        );
    }
    for bad in ["a.b", "a b", &"a".repeat(257)] {
        assert_eq!(
            verify(&ID_HEADER, bad),
            Err(Refusal::HeaderMalformed(ID_HEADER)),
            "{bad}"
        );
    }
    assert_eq!(
        verify(&ID_HEADER, "msg_of_another"),
        Err(Refusal::NoKeyMatched(SIGNATURE_HEADER))
    );
}

#[test]
fn a_replay_outside_the_window_is_refused() {
    let verify = |now| endpoint().verify(&published(), BODY, at(now));

    assert_eq!(verify(SIGNED_AT + 300), Ok(()));
    assert_eq!(
        verify(SIGNED_AT + 301),
        Err(Refusal::TooOld(TIMESTAMP_HEADER))
    );
    assert_eq!(
        verify(SIGNED_AT - 301),
        Err(Refusal::TooNew(TIMESTAMP_HEADER))
    );
}

#[test]
fn the_signed_id_is_the_deliverys_and_an_object_has_a_line() {
    let read = |body: &str| stored(endpoint().read("shop", &published(), body.as_bytes())).0;

    assert_eq!(
        read(
            r#"{"type":"user.created","timestamp":"2022-11-03T20:26:10.344522Z","data":{"id":"1f81eb52"}}"#
        ),
        Delivery {
            source: "standard_webhooks:shop".into(),
            delivery_id: Some(ID.into()),
            kind: "standard_webhooks.event",
            kind_version: 1,
            key: "in:standard_webhooks:shop:1f81eb52".into(),
            urgency: Urgency::InOrder,
            subject: None,
            what: "event",
            payload: None,
        }
    );
    assert_eq!(
        read(r#"{"data":[]}"#).key,
        "in:standard_webhooks:shop:unknown"
    );
    assert!(endpoint().read("shop", &published(), b"[]").is_err());
}

#[test]
fn a_secret_is_long_enough_base64() {
    assert!(mac_key(SECRET).is_ok());
    assert!(mac_key("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_ok());
    for bad in ["", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all"] {
        assert_eq!(mac_key(bad).unwrap_err(), UnfitKey(KEY), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_bit_of_body_id_time_or_signature_may_change(body in body(), place: prop::sample::Index, bit in 0_u8..8) {
        let now = at(SIGNED_AT);
        let head = sign(&Secret::from(NEXT), ID, &body, now).unwrap();
        let vouched = [&ID_HEADER, &TIMESTAMP_HEADER, &SIGNATURE_HEADER];
        no_bit_may_change(&endpoint(), &head, &body, now, &vouched, &place, bit)?;
    }

    #[test]
    fn no_header_makes_it_panic(text in "[ -~]{1,80}") {
        let _outcome = verify(&SIGNATURE_HEADER, &text);
    }
}
