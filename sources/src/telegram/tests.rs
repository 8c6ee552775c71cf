//! Verification, identity and order of Telegram's updates, for every kind of update the Bot API knows.

use http::HeaderValue;
use proptest::prelude::*;

use super::*;
use crate::Urgency;

fn keys(secrets: &[&str]) -> Keys {
    let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::from(*text)).collect();
    Keys::new(&secrets)
}

fn headers(values: &[&'static str]) -> HeaderMap {
    values
        .iter()
        .map(|value| (SECRET_HEADER, HeaderValue::from_static(value)))
        .collect()
}

fn key_of(body: &str) -> String {
    read("ops", body.as_bytes()).unwrap().key
}

#[test]
fn each_of_several_keys_opens_so_that_one_can_be_rotated() {
    let keys = keys(&["old", "new"]);

    assert_eq!(verify(&headers(&["old"]), &keys), Ok(()));
    assert_eq!(verify(&headers(&["new"]), &keys), Ok(()));
}

#[test]
fn a_refusal_says_which_step_failed() {
    let keys = keys(&["right"]);

    assert_eq!(
        verify(&headers(&[]), &keys),
        Err(Refusal::HeaderMissing(SECRET_HEADER))
    );
    assert_eq!(
        verify(&headers(&["wrong"]), &keys),
        Err(Refusal::NoKeyMatched(SECRET_HEADER))
    );
    assert_eq!(
        verify(&headers(&["RIGHT"]), &keys),
        Err(Refusal::NoKeyMatched(SECRET_HEADER))
    );
    assert_eq!(
        verify(&headers(&[""]), &keys),
        Err(Refusal::NoKeyMatched(SECRET_HEADER))
    );
    assert_eq!(
        verify(&headers(&["right", "right"]), &keys),
        Err(Refusal::HeaderRepeated(SECRET_HEADER))
    );
}

#[test]
fn an_empty_body_is_refused_and_the_answer_calls_no_method() {
    let secret = Secret::from("a-secret-of-some-length");
    let webhook = Telegram::new(std::slice::from_ref(&secret));
    let (head, now) = (sign(&secret).unwrap(), SystemTime::now());

    assert_eq!(webhook.check_head(&head, now), Ok(Head::Proven));
    assert_eq!(webhook.verify(&head, b"", now), Err(Refusal::BodyEmpty));
    assert_eq!(webhook.verify(&head, b"{}", now), Ok(()));
    let (_delivery, reply) =
        crate::testing::stored(webhook.read("ops", &head, br#"{"update_id":1}"#));
    assert_eq!(reply, Some(Reply::json("{}")));
}

#[test]
fn an_empty_secret_opens_nothing() {
    let keys = keys(&[""]);

    assert!(keys.is_empty());
    assert_eq!(
        verify(&headers(&[""]), &keys),
        Err(Refusal::NoKeyMatched(SECRET_HEADER))
    );
}

#[test]
fn a_message_is_identified_and_stands_in_its_chats_line() {
    let body = br#"{"update_id":71,"message":{"message_id":3,"date":1,"from":{"id":5,"is_bot":false,"first_name":"A"},"chat":{"id":-1001234567890,"type":"supergroup"},"text":"hi"}}"#;

    let delivery = read("ops", body).unwrap();

    assert_eq!(
        delivery,
        Delivery {
            source: "telegram:ops".into(),
            delivery_id: Some("71".into()),
            kind: "telegram.update",
            kind_version: 1,
            key: "in:telegram:ops:-1001234567890".into(),
            urgency: Urgency::InOrder,
            subject: Some("telegram:5".into()),
            what: "message",
            payload: None,
        }
    );
}

#[test]
fn every_kind_of_update_with_a_chat_stands_in_its_chats_line() {
    let with_chat = [
        "message",
        "edited_message",
        "channel_post",
        "edited_channel_post",
        "business_message",
        "edited_business_message",
        "deleted_business_messages",
        "guest_message",
        "message_reaction",
        "message_reaction_count",
        "my_chat_member",
        "chat_member",
        "chat_join_request",
        "chat_boost",
        "removed_chat_boost",
    ];
    for kind in with_chat {
        let body =
            format!(r#"{{"update_id":1,"{kind}":{{"chat":{{"id":42}},"from":{{"id":7}}}}}}"#);
        assert_eq!(key_of(&body), "in:telegram:ops:42", "{kind}");
    }
}

#[test]
fn an_update_without_a_chat_stands_in_its_persons_private_line() {
    for (kind, field) in [
        ("inline_query", "from"),
        ("chosen_inline_result", "from"),
        ("shipping_query", "from"),
        ("purchased_paid_media", "from"),
        ("poll_answer", "user"),
        ("business_connection", "user"),
        ("managed_bot", "user"),
        ("subscription", "user"),
    ] {
        let body = format!(r#"{{"update_id":1,"{kind}":{{"{field}":{{"id":7}}}}}}"#);
        let delivery = read("ops", body.as_bytes()).unwrap();
        assert_eq!(delivery.key, "in:telegram:ops:7", "{kind}");
        assert_eq!(delivery.subject.as_deref(), Some("telegram:7"), "{kind}");
    }
}

#[test]
fn a_pressed_button_stands_in_the_line_of_the_chat_it_was_pressed_in() {
    let body = r#"{"update_id":1,"callback_query":{"id":"9","from":{"id":7},"message":{"message_id":1,"date":0,"chat":{"id":42,"type":"private"}},"data":"b:17"}}"#;

    assert_eq!(key_of(body), "in:telegram:ops:42");
}

#[test]
fn what_may_not_wait_gets_a_line_of_its_own() {
    let stop = |data: &str| {
        format!(
            r#"{{"update_id":1,"callback_query":{{"from":{{"id":7}},"message":{{"chat":{{"id":42}}}},"data":"{data}"}}}}"#
        )
    };

    assert_eq!(key_of(&stop("stop")), "now:telegram:ops:42");
    assert_eq!(key_of(&stop("stop:K7QF")), "now:telegram:ops:42");
    assert_eq!(key_of(&stop("stopwatch")), "in:telegram:ops:42");
    assert_eq!(
        key_of(r#"{"update_id":1,"pre_checkout_query":{"id":"1","from":{"id":7}}}"#),
        "now:telegram:ops:7"
    );
    assert_eq!(
        key_of(r#"{"update_id":1,"stopped_message_generation":{"chat":{"id":42},"draft_id":1}}"#),
        "now:telegram:ops:42"
    );
}

#[test]
fn a_shape_nobody_has_seen_gets_the_catch_all_line() {
    for body in [
        r#"{"update_id":1}"#,
        r#"{"update_id":1,"teleportation":{"chat":{"id":42}}}"#,
        r#"{"update_id":1,"message":{"chat":{"id":"forty-two"}}}"#,
        r#"{"update_id":1,"message":[]}"#,
        r#"{"update_id":1,"message":null}"#,
        r#"{"update_id":1,"poll":{"id":"5"}}"#,
    ] {
        let delivery = read("ops", body.as_bytes()).unwrap();
        assert_eq!(delivery.key, "in:telegram:ops:unknown", "{body}");
        assert_eq!(delivery.urgency, Urgency::InOrder, "{body}");
    }
}

#[test]
fn what_is_no_update_is_refused_with_the_reason() {
    for body in [
        "",
        "null",
        "[]",
        "\"x\"",
        "{\"update_id\":",
        "{} trailing",
        "\u{feff}{}",
    ] {
        let refused = read("ops", body.as_bytes());
        assert!(matches!(refused, Err(ReadError::NotAnObject(_))), "{body}");
    }
    for body in [
        "{}",
        r#"{"update_id":"7"}"#,
        r#"{"update_id":7.0}"#,
        r#"{"update_id":null}"#,
        r#"{"update_id":99999999999999999999}"#,
    ] {
        let refused = read("ops", body.as_bytes());
        assert!(
            matches!(
                refused,
                Err(ReadError::Field {
                    pointer: "/update_id",
                    ..
                })
            ),
            "{body}"
        );
    }
    assert!(matches!(
        read("ops", br#"{"update_id":1,"update_id":2}"#),
        Err(ReadError::Repeated {
            pointer: "/update_id",
            ..
        })
    ));
}

#[test]
fn odd_text_inside_an_update_refuses_nothing() {
    for text in [r"\u0000", r"\ud83d\ude00", "\\n"] {
        let body = format!(
            r#"{{"{text}":1,"update_id":1,"message":{{"chat":{{"id":42}},"text":"{text}","from":{{"id":7,"first_name":"{text}"}}}}}}"#
        );
        assert_eq!(key_of(&body), "in:telegram:ops:42", "{text}");
    }
}

#[test]
fn deep_nesting_costs_no_stack_and_ends_at_sixty_four() {
    let nested = |depth: usize| {
        format!(
            r#"{{"update_id":1,"message":{{"chat":{{"id":42}},"x":{}1{}}}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };

    assert_eq!(key_of(&nested(62)), "in:telegram:ops:42");
    for depth in [63, 200, 100_000] {
        let refused = read("ops", nested(depth).as_bytes());
        assert!(
            matches!(refused, Err(ReadError::Unreadable(_))),
            "{depth}: {refused:?}"
        );
    }
}

#[test]
fn what_a_later_reader_could_not_read_is_refused() {
    for odd in [
        r#""\ud800""#,
        r#""\udfff\ud800""#,
        "1e400",
        "-1e999",
        r#"{"\udc00":1}"#,
    ] {
        let body = format!(r#"{{"update_id":1,"message":{{"chat":{{"id":42}}}},"odd":{odd}}}"#);
        let refused = read("ops", body.as_bytes());
        assert!(
            matches!(refused, Err(ReadError::Unreadable(_))),
            "{odd}: {refused:?}"
        );
    }
    for twice in ["message", "callback_query"] {
        let body = format!(
            r#"{{"update_id":1,"message":{{"chat":{{"id":42}}}},"{twice}":{{"chat":{{"id":1}}}}}}"#
        );
        let refused = read("ops", body.as_bytes());
        assert!(
            matches!(refused, Err(ReadError::RepeatedContent)),
            "{twice}: {refused:?}"
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _outcome = read("ops", &body);
    }

    #[test]
    fn the_same_update_id_is_the_same_delivery_whatever_surrounds_it(id in any::<i64>(), text in ".{0,40}") {
        let body = serde_json::json!({"text": text, "update_id": id}).to_string();
        prop_assert_eq!(read("ops", body.as_bytes()).unwrap().delivery_id, Some(id.to_string()));
    }
}
