//! Slack's signature, its published vector, and the three things that come through its door.

use proptest::prelude::*;

use super::*;
use crate::Urgency;
use crate::testing::{
    answered, at, body, head, needs_each_once, no_bit_may_change, secrets, stored, with,
};

/// From "Verifying requests from Slack".
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const SIGNED_AT: u64 = 1_531_420_618;
const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
const COMMAND: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

fn app() -> Slack {
    Slack::new(&secrets(&["another secret of this app", SECRET]))
}

fn published() -> HeaderMap {
    head(&[
        (&SIGNATURE_HEADER, SIGNATURE),
        (&TIMESTAMP_HEADER, &SIGNED_AT.to_string()),
    ])
}

fn read(body: &str) -> Result<Arrival, ReadError> {
    app().read("ops", &published(), body.as_bytes())
}

fn interaction(payload: &str) -> String {
    let encoded: String = payload.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("payload={encoded}")
}

#[test]
fn the_published_vector_is_verified_and_made() {
    let now = at(SIGNED_AT);
    assert_eq!(app().verify(&published(), COMMAND.as_bytes(), now), Ok(()));
    let made = sign(&Secret::from(SECRET), COMMAND.as_bytes(), now).unwrap();
    assert_eq!(made, published());
}

#[test]
fn both_headers_must_stand_there_once_and_be_written_as_slack_writes_them() {
    let now = at(SIGNED_AT);
    let needed = [&SIGNATURE_HEADER, &TIMESTAMP_HEADER];
    needs_each_once(&app(), &published(), COMMAND.as_bytes(), now, &needed);

    for bad in [
        &SIGNATURE.to_uppercase(),
        &SIGNATURE.replace("v0=", "v1="),
        &SIGNATURE.replace("v0=", ""),
        &SIGNATURE.replace("a2114d", "A2114D"),
        SIGNATURE.get(..66).unwrap(),
        &format!("{SIGNATURE},{SIGNATURE}"),
        &format!("{SIGNATURE} "),
    ] {
        let refused = app().check_head(&with(&published(), &SIGNATURE_HEADER, Some(bad)), now);
        assert_eq!(
            refused,
            Err(Refusal::HeaderMalformed(SIGNATURE_HEADER)),
            "{bad}"
        );
    }
}

#[test]
fn a_replay_after_five_minutes_is_refused_however_well_it_is_signed() {
    let verify = |now| app().verify(&published(), COMMAND.as_bytes(), at(now));

    assert_eq!(verify(SIGNED_AT + 300), Ok(()));
    assert_eq!(verify(SIGNED_AT - 300), Ok(()));
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
fn a_fresh_timestamp_on_an_old_signature_is_refused() {
    let forged = with(&published(), &TIMESTAMP_HEADER, Some("1531420619"));
    assert_eq!(
        app().verify(&forged, COMMAND.as_bytes(), at(SIGNED_AT)),
        Err(Refusal::NoKeyMatched(SIGNATURE_HEADER))
    );
}

#[test]
fn the_challenge_is_given_back_and_nothing_is_stored() {
    let answer = answered(read(
        r#"{"token":"t","challenge":"3eZ\"bR","type":"url_verification"}"#,
    ));
    assert_eq!(answer, r#"{"challenge":"3eZ\"bR"}"#);

    let refused = read(r#"{"type":"url_verification"}"#).unwrap_err();
    assert_eq!(refused.pointer(), "/challenge");
}

#[test]
fn an_event_stands_in_its_channels_line_under_its_own_id() {
    let body = r#"{"token":"t","team_id":"T123","api_app_id":"A1","event":{"type":"app_mention","user":"U456","text":"hi","ts":"1.2","channel":"C789"},"type":"event_callback","event_id":"Ev08MFMKH6","event_time":1234567890}"#;

    let (delivery, reply) = stored(read(body));

    assert_eq!(
        (delivery.source.as_str(), delivery.kind, delivery.what),
        ("slack:ops", "slack.event", "app_mention")
    );
    assert_eq!(delivery.delivery_id.as_deref(), Some("Ev08MFMKH6"));
    assert_eq!(delivery.key, "in:slack:ops:T123:C789");
    assert_eq!(delivery.subject.as_deref(), Some("slack:T123:U456"));
    assert_eq!(delivery.payload, None);
    assert_eq!(reply.unwrap().body, b"");
}

#[test]
fn an_event_without_a_plain_channel_still_has_a_line() {
    for (event, line) in [
        (
            r#"{"type":"reaction_added","item":{"channel":"C1"}}"#,
            "T1:C1",
        ),
        (
            r#"{"type":"channel_created","channel":{"id":"C2"}}"#,
            "T1:C2",
        ),
        (r#"{"type":"team_join","user":{"id":"U1"}}"#, "T1"),
        ("null", "T1"),
    ] {
        let body = format!(r#"{{"type":"event_callback","team_id":"T1","event":{event}}}"#);
        assert_eq!(
            stored(read(&body)).0.key,
            format!("in:slack:ops:{line}"),
            "{event}"
        );
    }
    let (delivery, _reply) = stored(read(r#"{"type":"news_to_us"}"#));
    assert_eq!(
        (delivery.key.as_str(), delivery.what),
        ("in:slack:ops:unknown", "other")
    );
}

#[test]
fn a_command_becomes_json_and_is_named_by_its_signed_bytes() {
    let (delivery, reply) = stored(read(COMMAND));

    assert_eq!((delivery.kind, delivery.what), ("slack.command", "command"));
    assert_eq!(delivery.key, "in:slack:ops:T1DC2JH3J:G8PSS9T3V");
    assert_eq!(
        delivery.subject.as_deref(),
        Some("slack:T1DC2JH3J:U2CERLKJA")
    );
    let payload: serde_json::Value = serde_json::from_slice(&delivery.payload.unwrap()).unwrap();
    assert_eq!(payload["command"], "/webhook-collect");
    assert_eq!(payload["text"], "");
    assert_eq!(reply.unwrap().media_type, None);

    let again = stored(read(COMMAND)).0.delivery_id;
    assert_eq!(delivery.delivery_id, again);
    let later = with(&published(), &TIMESTAMP_HEADER, Some("1531420619"));
    let other = stored(app().read("ops", &later, COMMAND.as_bytes()))
        .0
        .delivery_id;
    assert_ne!(delivery.delivery_id, other);
}

#[test]
fn a_pressed_button_is_stored_as_its_json_and_a_stop_overtakes() {
    let press = |action: &str| {
        format!(
            r#"{{"type":"block_actions","team":{{"id":"T1"}},"user":{{"id":"U1"}},"channel":{{"id":"C1"}},"actions":[{{"action_id":"{action}"}}]}}"#
        )
    };

    let (delivery, _reply) = stored(read(&interaction(&press("b:1"))));
    assert_eq!(
        (delivery.kind, delivery.what),
        ("slack.interaction", "block_actions")
    );
    assert_eq!(delivery.key, "in:slack:ops:T1:C1");
    assert_eq!(delivery.payload, Some(press("b:1").into_bytes()));

    let (delivery, _reply) = stored(read(&interaction(&press("stop:9"))));
    assert_eq!(
        (delivery.key.as_str(), delivery.urgency),
        ("now:slack:ops:T1:C1", Urgency::Now)
    );
}

#[test]
fn what_cannot_wait_for_a_worker_is_answered_at_once() {
    assert_eq!(
        answered(read(&interaction(r#"{"type":"block_suggestion"}"#))),
        r#"{"options":[]}"#
    );
    assert_eq!(answered(read("ssl_check=1&token=t")), "");
}

#[test]
fn what_two_readers_could_understand_differently_is_refused() {
    for bad in [
        "command=a&command=b",
        "payload=%7B%7D&payload=%7B%7D",
        "command=%FF",
        "token=t",
        r#"{"event_id":"a","event_id":"b","type":"event_callback"}"#,
        r#"{"type":["event_callback"]}"#,
        "[]",
        &interaction("[]"),
        &interaction(r#"{"type":"block_actions","team":{"id":"T1"},"team":{"id":"T2"}}"#),
        &interaction(r#"{"odd":"\ud800"}"#),
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_bit_of_body_time_or_signature_may_change(body in body(), place: prop::sample::Index, bit in 0_u8..8) {
        let now = at(SIGNED_AT);
        let head = sign(&Secret::from(SECRET), &body, now).unwrap();
        no_bit_may_change(&app(), &head, &body, now, &[&SIGNATURE_HEADER, &TIMESTAMP_HEADER], &place, bit)?;
    }

    #[test]
    fn no_bytes_make_it_panic(body in body()) {
        let _outcome = app().read("ops", &published(), &body);
    }
}
