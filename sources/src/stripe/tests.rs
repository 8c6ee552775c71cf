//! The header of Stripe and its kin. The vector was made with Stripe's own Python library, 16.1.0.

use proptest::prelude::*;

use super::*;
use crate::testing::{at, body, head, needs_each_once, no_bit_may_change, secrets, stored};
use crate::window::FIVE_MINUTES;

const SECRET: &str = "whsec_test_secret";
const SIGNED_AT: u64 = 1_700_000_000;
const MAC: &str = "248a374f50f943a28b0f6ab50faf9a7e7e29b710fa26df9fb1618b9bf8ea9c9a";
const BODY: &[u8] = br#"{"id":"evt_1"}"#;

fn endpoint() -> Stripe {
    let secrets = secrets(&["whsec_the_next_one", SECRET]);
    Stripe::new(&secrets, SIGNATURE_HEADER, FIVE_MINUTES)
}

fn genuine() -> HeaderMap {
    head(&[(&SIGNATURE_HEADER, &format!("t=1700000000,v1={MAC}"))])
}

fn verify(header: &str) -> Result<(), Refusal> {
    endpoint().verify(&head(&[(&SIGNATURE_HEADER, header)]), BODY, at(SIGNED_AT))
}

fn read(body: &str) -> Delivery {
    stored(endpoint().read("shop", &genuine(), body.as_bytes())).0
}

#[test]
fn a_known_signature_is_verified_and_made() {
    let now = at(SIGNED_AT);
    let made = sign(&Secret::from(SECRET), SIGNATURE_HEADER, BODY, now).unwrap();

    assert_eq!(made, genuine());
    needs_each_once(&endpoint(), &genuine(), BODY, now, &[&SIGNATURE_HEADER]);
}

#[test]
fn several_signatures_are_a_rotation_and_other_schemes_are_passed_over() {
    let wrong = "0".repeat(64);
    for good in [
        format!("t=1700000000,v1={wrong},v1={MAC}"),
        format!("v1={MAC},t=1700000000,v0=anything"),
        format!("t=1700000000,v1={MAC},v2=1=2"),
    ] {
        assert_eq!(verify(&good), Ok(()), "{good}");
    }
    assert_eq!(
        verify(&format!("t=1700000000,v1={wrong}")),
        Err(Refusal::NoKeyMatched(SIGNATURE_HEADER))
    );
    let many = format!("t=1700000000{}", format!(",v1={MAC}").repeat(9));
    assert_eq!(
        verify(&many),
        Err(Refusal::TooManySignatures(SIGNATURE_HEADER))
    );
}

#[test]
fn a_header_that_could_be_read_in_two_ways_is_refused() {
    for bad in [
        format!("t=1700000000,t=1700000000,v1={MAC}"),
        format!("v1={MAC}"),
        "t=1700000000".to_owned(),
        format!("t=1700000000,v0={MAC}"),
        format!("t=1700000000,V1={MAC}"),
        format!("t=1700000000,v1={}", MAC.to_uppercase()),
        format!("t=1700000000, v1={MAC}"),
        format!("t=1700000000,v1={MAC},"),
        format!("t=17e8,v1={MAC}"),
    ] {
        assert_eq!(
            verify(&bad),
            Err(Refusal::HeaderMalformed(SIGNATURE_HEADER)),
            "{bad}"
        );
    }
}

#[test]
fn a_replay_outside_the_window_is_refused() {
    let verify = |now| endpoint().verify(&genuine(), BODY, at(now));

    assert_eq!(verify(SIGNED_AT + 300), Ok(()));
    assert_eq!(
        verify(SIGNED_AT + 301),
        Err(Refusal::TooOld(SIGNATURE_HEADER))
    );
    assert_eq!(
        verify(SIGNED_AT - 301),
        Err(Refusal::TooNew(SIGNATURE_HEADER))
    );
}

#[test]
fn others_who_sign_alike_call_their_header_differently() {
    let header = HeaderName::from_static("x-shop-signature");
    let other = Stripe::new(&secrets(&[SECRET]), header.clone(), FIVE_MINUTES);
    let now = at(SIGNED_AT);

    let head = sign(&Secret::from(SECRET), header.clone(), BODY, now).unwrap();
    assert_eq!(other.verify(&head, BODY, now), Ok(()));
    assert_eq!(
        other.verify(&genuine(), BODY, now),
        Err(Refusal::HeaderMissing(header))
    );
}

#[test]
fn an_event_stands_in_the_line_of_its_object() {
    let delivery = read(
        r#"{"id":"evt_1","object":"event","type":"invoice.paid","data":{"object":{"id":"in_9","object":"invoice"}}}"#,
    );

    assert_eq!(
        delivery,
        Delivery {
            source: "stripe:shop".into(),
            delivery_id: Some("evt_1".into()),
            kind: "stripe.event",
            kind_version: 1,
            key: "in:stripe:shop:in_9".into(),
            urgency: Urgency::InOrder,
            subject: None,
            what: "invoice",
            payload: None,
        }
    );
    let odd = read(r#"{"id":"evt_1","type":"moon.full"}"#);
    assert_eq!(
        (odd.key.as_str(), odd.what),
        ("in:stripe:shop:unknown", "other")
    );
}

#[test]
fn an_event_without_one_id_is_none() {
    for body in [
        "{}",
        r#"{"id":null}"#,
        r#"{"id":""}"#,
        r#"{"id":"a","id":"b"}"#,
    ] {
        let refused = endpoint().read("shop", &genuine(), body.as_bytes());
        assert_eq!(refused.unwrap_err().pointer(), "/id", "{body}");
    }
}

proptest! {
    #[test]
    fn no_bit_of_body_time_or_signature_may_change(body in body(), place: prop::sample::Index, bit in 0_u8..8) {
        let now = at(SIGNED_AT);
        let head = sign(&Secret::from(SECRET), SIGNATURE_HEADER, &body, now).unwrap();
        no_bit_may_change(&endpoint(), &head, &body, now, &[&SIGNATURE_HEADER], &place, bit)?;
    }

    #[test]
    fn no_header_makes_it_panic(text in "[ -~]{0,80}") {
        let _outcome = verify(&text);
    }
}
