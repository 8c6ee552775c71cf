//! Alertmanager's credentials, and the line of its groups.

use proptest::prelude::*;

use super::*;
use crate::testing::{at, head, needs_each_once, secrets, stored, with};

const TOKEN: &str = "a token of some length";

fn bearer() -> Alertmanager {
    Alertmanager::new(&secrets(&["the token after that", TOKEN]), None)
}

fn basic() -> Alertmanager {
    Alertmanager::new(&secrets(&["open sesame"]), Some("Aladdin"))
}

fn carrying(credentials: &str) -> HeaderMap {
    head(&[(&CREDENTIALS_HEADER, credentials)])
}

fn check(receiver: &Alertmanager, credentials: &str) -> Result<Head, Refusal> {
    receiver.check_head(&carrying(credentials), at(0))
}

fn read(body: &str) -> Delivery {
    stored(bearer().read("prod", &carrying("Bearer x"), body.as_bytes())).0
}

#[test]
fn a_bearer_token_proves_the_sender_before_the_body_is_read() {
    let genuine = sign(&Secret::from(TOKEN), None).unwrap();
    assert_eq!(genuine, carrying("Bearer a token of some length"));
    assert_eq!(bearer().check_head(&genuine, at(0)), Ok(Head::Proven));
    needs_each_once(&bearer(), &genuine, b"{}", at(0), &[&CREDENTIALS_HEADER]);
    assert_eq!(
        check(&bearer(), "bearer the token after that"),
        Ok(Head::Proven)
    );
}

#[test]
fn a_password_is_that_of_rfc_7617() {
    // RFC 2617 has the example; RFC 7617 keeps the scheme.
    assert_eq!(
        check(&basic(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        Ok(Head::Proven)
    );
    let made = sign(&Secret::from("open sesame"), Some("Aladdin")).unwrap();
    assert_eq!(basic().check_head(&made, at(0)), Ok(Head::Proven));
}

#[test]
fn a_refusal_says_which_step_failed() {
    let no_key = Err(Refusal::NoKeyMatched(CREDENTIALS_HEADER));
    let malformed = Err(Refusal::HeaderMalformed(CREDENTIALS_HEADER));
    for wrong in [
        "Bearer A token of some length",
        "Bearer x",
        "Bearer  a token of some length",
    ] {
        assert_eq!(check(&bearer(), wrong), no_key, "{wrong}");
    }
    for odd in [
        TOKEN,
        "Bearer",
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "Digest x",
    ] {
        let refused = check(&bearer(), odd);
        assert!(
            refused == malformed || refused == no_key,
            "{odd}: {refused:?}"
        );
    }
    assert_eq!(check(&bearer(), "Basic x"), malformed);
    assert_eq!(check(&basic(), "Bearer open sesame"), malformed);
    assert_eq!(check(&basic(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ"), no_key);
}

#[test]
fn an_empty_token_opens_nothing() {
    let keyless = Alertmanager::new(&secrets(&[""]), None);
    assert!(keyless.check_head(&carrying("Bearer "), at(0)).is_err());
}

#[test]
fn a_notification_has_no_id_and_stands_in_its_groups_line() {
    let body = r#"{"version":"4","groupKey":"{}:{alertname=\"Down\"}","status":"firing","receiver":"hub","alerts":[]}"#;

    let delivery = read(body);

    assert_eq!(
        (delivery.source.as_str(), delivery.kind, delivery.what),
        ("alertmanager:prod", "alertmanager.notification", "firing")
    );
    assert_eq!(delivery.delivery_id, None);
    assert!(
        delivery.key.starts_with("in:alertmanager:prod:sha256="),
        "{}",
        delivery.key
    );
    let resolved = read(&body.replace("firing", "resolved"));
    assert_eq!((resolved.key, resolved.what), (delivery.key, "resolved"));
}

#[test]
fn a_shape_nobody_has_seen_gets_the_catch_all_line() {
    for body in ["{}", r#"{"groupKey":7,"status":null}"#] {
        let delivery = read(body);
        assert_eq!(delivery.key, "in:alertmanager:prod:unknown", "{body}");
        assert_eq!(delivery.what, "other");
    }
    let twice = bearer().read(
        "prod",
        &carrying("x"),
        br#"{"groupKey":"a","groupKey":"b"}"#,
    );
    assert_eq!(twice.unwrap_err().pointer(), "/groupKey");
}

#[test]
fn it_is_slowed_down_with_a_status_that_it_honours() {
    assert_eq!(bearer().slow_down_status(), 503);
}

proptest! {
    #[test]
    fn no_bit_of_the_token_may_change(place: prop::sample::Index, bit in 0_u8..8) {
        let mut token = TOKEN.as_bytes().to_vec();
        token[place.index(TOKEN.len())] ^= 1 << bit;
        if let Ok(token) = std::str::from_utf8(&token)
            && token.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        {
            let changed = with(&carrying("x"), &CREDENTIALS_HEADER, Some(&format!("Bearer {token}")));
            prop_assert!(bearer().check_head(&changed, at(0)).is_err());
        }
    }
}
