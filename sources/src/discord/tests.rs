//! Discord's signature, and what its interactions are answered with. The key pair is the first of RFC 8032; the signature was made
//! with PyNaCl, on which Discord's Python library rests.

use proptest::prelude::*;

use super::*;
use crate::testing::{
    answered, at, body, head, needs_each_once, no_bit_may_change, secrets, stored, with,
};
use crate::window::FIVE_MINUTES;

const PRIVATE: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const SIGNED_AT: u64 = 1_700_000_000;
const SIGNATURE: &str = "1695961a47c91a1ec033b819b7e87e3dbc583dd0cee6d1fd0216f58ac87b6228ae531ddbf91fb7bc28d7edf7f08604da16f54624f38a6bc0614e4dc13cd47f0f";
const PING: &[u8] = br#"{"type":1}"#;

/// Another application's, which is RFC 8032's second.
const OTHER: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

fn application() -> Discord {
    Discord::new(&secrets(&[OTHER, PUBLIC]), FIVE_MINUTES).unwrap()
}

fn genuine() -> HeaderMap {
    head(&[
        (&SIGNATURE_HEADER, SIGNATURE),
        (&TIMESTAMP_HEADER, &SIGNED_AT.to_string()),
    ])
}

fn read(body: &str) -> Result<Arrival, ReadError> {
    application().read("guild", &genuine(), body.as_bytes())
}

#[test]
fn a_known_signature_is_verified_and_made() {
    let now = at(SIGNED_AT);
    assert_eq!(application().verify(&genuine(), PING, now), Ok(()));
    assert_eq!(sign(&Secret::from(PRIVATE), PING, now).unwrap(), genuine());

    let stranger = Discord::new(&secrets(&[OTHER]), FIVE_MINUTES).unwrap();
    assert_eq!(
        stranger.verify(&genuine(), PING, now),
        Err(Refusal::NoKeyMatched(SIGNATURE_HEADER))
    );
}

#[test]
fn both_headers_must_stand_there_once_and_be_written_as_discord_writes_them() {
    let now = at(SIGNED_AT);
    let needed = [&SIGNATURE_HEADER, &TIMESTAMP_HEADER];
    needs_each_once(&application(), &genuine(), PING, now, &needed);

    for bad in [
        SIGNATURE.get(..126).unwrap(),
        &format!("{SIGNATURE}00"),
        "zz",
        &format!("{SIGNATURE},{SIGNATURE}"),
    ] {
        let refused =
            application().check_head(&with(&genuine(), &SIGNATURE_HEADER, Some(bad)), now);
        assert_eq!(
            refused,
            Err(Refusal::HeaderMalformed(SIGNATURE_HEADER)),
            "{bad}"
        );
    }
}

#[test]
fn a_replay_outside_the_window_is_refused_and_the_window_is_a_setting() {
    let verify = |now| application().verify(&genuine(), PING, at(now));
    assert_eq!(
        verify(SIGNED_AT + 301),
        Err(Refusal::TooOld(TIMESTAMP_HEADER))
    );
    assert_eq!(
        verify(SIGNED_AT - 301),
        Err(Refusal::TooNew(TIMESTAMP_HEADER))
    );

    let narrow = Discord::new(&secrets(&[PUBLIC]), Duration::from_secs(10)).unwrap();
    assert_eq!(narrow.verify(&genuine(), PING, at(SIGNED_AT + 10)), Ok(()));
    assert!(narrow.verify(&genuine(), PING, at(SIGNED_AT + 11)).is_err());
}

#[test]
fn a_ping_is_answered_with_a_pong_and_not_stored() {
    assert_eq!(answered(read(r#"{"type":1,"id":"1"}"#)), r#"{"type":1}"#);
}

#[test]
fn what_cannot_be_deferred_is_answered_at_once() {
    let answer = answered(read(r#"{"type":4,"id":"1"}"#));
    assert_eq!(answer, r#"{"type":8,"data":{"choices":[]}}"#);
}

#[test]
fn a_command_stands_in_its_channels_line_and_is_deferred() {
    let body = r#"{"type":2,"id":"1080","application_id":"9","token":"t","channel_id":"4711","guild_id":"3","member":{"user":{"id":"53908232506183680"}},"data":{"id":"1","name":"status"}}"#;

    let (delivery, reply) = stored(read(body));

    assert_eq!(
        delivery,
        Delivery {
            source: "discord:guild".into(),
            delivery_id: Some("1080".into()),
            kind: "discord.interaction",
            kind_version: 1,
            key: "in:discord:guild:4711".into(),
            urgency: Urgency::InOrder,
            subject: Some("discord:53908232506183680".into()),
            what: "command",
            payload: None,
        }
    );
    assert_eq!(reply, Some(Reply::json(r#"{"type":5}"#)));
}

#[test]
fn every_kind_of_interaction_has_its_deferred_answer() {
    for (kind, what, answer) in [
        (3, "component", r#"{"type":6}"#),
        (5, "modal", r#"{"type":5}"#),
        (99, "other", r#"{"type":5}"#),
    ] {
        let (delivery, reply) = stored(read(&format!(r#"{{"type":{kind},"id":"1"}}"#)));
        assert_eq!((delivery.what, reply), (what, Some(Reply::json(answer))));
        assert_eq!(delivery.key, "in:discord:guild:unknown");
    }
}

#[test]
fn a_stop_button_overtakes_and_a_private_chat_is_its_persons() {
    let press = |data: &str| {
        format!(r#"{{"type":3,"id":"1","channel_id":"7","data":{{"custom_id":"{data}"}}}}"#)
    };
    assert_eq!(stored(read(&press("stop:1"))).0.key, "now:discord:guild:7");
    assert_eq!(stored(read(&press("b:1"))).0.key, "in:discord:guild:7");

    let (delivery, _reply) = stored(read(r#"{"type":2,"id":"1","user":{"id":"5"}}"#));
    assert_eq!(delivery.key, "in:discord:guild:user:5");
}

#[test]
fn what_is_no_interaction_is_refused_with_the_place() {
    for (body, pointer) in [
        ("{}", "/type"),
        (r#"{"type":"1"}"#, "/type"),
        (r#"{"type":1,"type":2}"#, "/type"),
        (r#"{"type":2}"#, "/id"),
        (r#"{"type":1,"event":{}}"#, "/event"),
    ] {
        assert_eq!(read(body).unwrap_err().pointer(), pointer, "{body}");
    }
}

#[test]
fn only_a_public_key_is_taken_for_one() {
    assert!(public_key(&PUBLIC.to_uppercase()).is_ok());
    for bad in ["", "zz", PUBLIC.get(..62).unwrap(), &format!("{PUBLIC}00")] {
        assert_eq!(public_key(bad), Err(UnfitKey(KEY)), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_bit_of_body_time_or_signature_may_change(body in body(), place: prop::sample::Index, bit in 0_u8..8) {
        let now = at(SIGNED_AT);
        let head = sign(&Secret::from(PRIVATE), &body, now).unwrap();
        no_bit_may_change(&application(), &head, &body, now, &[&SIGNATURE_HEADER, &TIMESTAMP_HEADER], &place, bit)?;
    }

    #[test]
    fn no_bytes_make_it_panic(body in body()) {
        let _outcome = application().read("guild", &genuine(), &body);
    }
}
