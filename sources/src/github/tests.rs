//! GitHub's signature, its published vector, and where its events stand in line.

use proptest::prelude::*;

use super::*;
use crate::testing::{at, body, head, needs_each_once, no_bit_may_change, secrets, stored, with};

const GUID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

fn hook() -> GitHub {
    GitHub::new(&secrets(&["It's a Secret to Everybody", "the next secret"]))
}

fn published() -> HeaderMap {
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    head(&[
        (&SIGNATURE_HEADER, signature),
        (&EVENT_HEADER, "push"),
        (&DELIVERY_HEADER, GUID),
    ])
}

fn read(event: &str, body: &str) -> Delivery {
    let head = sign(&Secret::from("s"), event, GUID, body.as_bytes()).unwrap();
    stored(hook().read("ops", &head, body.as_bytes())).0
}

#[test]
fn the_published_vector_is_verified_and_made() {
    let now = at(0);
    assert_eq!(hook().verify(&published(), b"Hello, World!", now), Ok(()));

    let secret = Secret::from("It's a Secret to Everybody");
    let made = sign(&secret, "push", GUID, b"Hello, World!").unwrap();
    assert_eq!(made, published());
}

#[test]
fn every_header_must_stand_there_once_and_be_written_as_github_writes_it() {
    let needed = [&SIGNATURE_HEADER, &EVENT_HEADER, &DELIVERY_HEADER];
    needs_each_once(&hook(), &published(), b"Hello, World!", at(0), &needed);

    let good = published()[SIGNATURE_HEADER].to_str().unwrap().to_owned();
    for bad in [
        &good.to_uppercase(),
        &good.replace("757107ea", "757107EA"),
        &good.replace("sha256=", "SHA256="),
        &good.replace("sha256=", "sha1="),
        &good.replace("sha256=", ""),
        good.get(..70).unwrap(),
        &format!("{good}00"),
        &format!("{good},{good}"),
        &format!(" {good}"),
    ] {
        let refused = hook().check_head(&with(&published(), &SIGNATURE_HEADER, Some(bad)), at(0));
        assert_eq!(
            refused,
            Err(Refusal::HeaderMalformed(SIGNATURE_HEADER)),
            "{bad}"
        );
    }
    for bad in ["Push", "push\"", "a b", "push,fork", &"a".repeat(65)] {
        let refused = hook().check_head(&with(&published(), &EVENT_HEADER, Some(bad)), at(0));
        assert_eq!(
            refused,
            Err(Refusal::HeaderMalformed(EVENT_HEADER)),
            "{bad}"
        );
    }
}

#[test]
fn each_of_several_keys_opens_and_no_other() {
    for (secret, verdict) in [
        ("It's a Secret to Everybody", Ok(())),
        ("the next secret", Ok(())),
        (
            "the last secret",
            Err(Refusal::NoKeyMatched(SIGNATURE_HEADER)),
        ),
    ] {
        let head = sign(&Secret::from(secret), "push", GUID, b"{}").unwrap();
        assert_eq!(hook().verify(&head, b"{}", at(0)), verdict, "{secret}");
    }
    let keyless = GitHub::new(&secrets(&[""]));
    let head = sign(&Secret::from(""), "push", GUID, b"{}").unwrap();
    assert!(keyless.verify(&head, b"{}", at(0)).is_err());
}

#[test]
fn an_event_is_stored_with_its_name_beside_it() {
    let body = r#"{"ref":"refs/heads/main","repository":{"id":186853002,"full_name":"a/b"}}"#;

    assert_eq!(
        read("push", body),
        Delivery {
            source: "github:ops".into(),
            delivery_id: Some(GUID.into()),
            kind: "github.event",
            kind_version: 1,
            key: "in:github:ops:repository:186853002".into(),
            urgency: Urgency::InOrder,
            subject: None,
            what: "push",
            payload: Some(format!(r#"{{"event":"push","payload":{body}}}"#).into_bytes()),
        }
    );
}

#[test]
fn an_event_stands_in_the_line_of_the_narrowest_thing_it_belongs_to() {
    for (body, line) in [
        (
            r#"{"organization":{"id":2},"repository":{"id":1}}"#,
            "repository:1",
        ),
        (
            r#"{"installation":{"id":3},"organization":{"id":2}}"#,
            "organization:2",
        ),
        (r#"{"installation":{"id":3}}"#, "installation:3"),
        (r#"{"enterprise":{"id":4}}"#, "enterprise:4"),
        (r#"{"repository":{"id":"1"}}"#, "unknown"),
        (r#"{"repository":{"id":1,"id":2}}"#, "unknown"),
        (r#"{"repository":null}"#, "unknown"),
        ("{}", "unknown"),
    ] {
        assert_eq!(
            read("push", body).key,
            format!("in:github:ops:{line}"),
            "{body}"
        );
    }
    assert_eq!(read("teleported", "{}").what, "other");
    assert_eq!(read("workflow_run", "{}").what, "workflow_run");
}

#[test]
fn what_two_readers_could_understand_differently_is_refused() {
    let head = sign(&Secret::from("s"), "push", GUID, b"{}").unwrap();
    let refused = |body: &str| hook().read("ops", &head, body.as_bytes()).unwrap_err();

    assert!(matches!(refused("[]"), ReadError::NotAnObject(_)));
    assert!(matches!(
        refused("payload=%7B%7D"),
        ReadError::NotAnObject(_)
    ));
    assert!(matches!(
        refused(r#"{"a":1e999}"#),
        ReadError::Unreadable(_)
    ));
    let twice = refused(r#"{"repository":{"id":1},"repository":{"id":2}}"#);
    assert_eq!(twice.pointer(), "/repository");
    assert_eq!(twice.to_string(), "repository stands there more than once");
}

proptest! {
    #[test]
    fn no_bit_of_body_or_signature_may_change(body in body(), place: prop::sample::Index, bit in 0_u8..8) {
        let head = sign(&Secret::from("the next secret"), "push", GUID, &body).unwrap();
        no_bit_may_change(&hook(), &head, &body, at(0), &[&SIGNATURE_HEADER], &place, bit)?;
    }

    #[test]
    fn no_bytes_make_it_panic(body in body()) {
        let head = sign(&Secret::from("s"), "push", GUID, &body).unwrap();
        let _outcome = hook().read("ops", &head, &body);
    }
}
