//! What is refused before it can spoil a batch.

use super::*;

fn message() -> NewMessage {
    NewMessage {
        bot: "ops".to_owned(),
        tenant: "ops".to_owned(),
        source: "telegram:ops".to_owned(),
        delivery_id: Some("1".to_owned()),
        kind: "telegram.update".to_owned(),
        kind_version: 1,
        key: Key::new("in:telegram:ops:1"),
        priority: Priority::Interactive,
        payload: Bytes::from_static(b"{\"text\":\"\\u0000\\ud800\"}"),
        payload_format: PayloadFormat::Json,
        subject: None,
        cause: None,
        trace: SpanContext::new_root(true),
        edge_spans: None,
        delay: None,
        expires_in: None,
        unique: None,
    }
}

#[test]
fn any_payload_passes() {
    let odd = NewMessage {
        payload: Bytes::from_static(b"\0\xff\xfe"),
        ..message()
    };

    assert_eq!(message().check(), Ok(()));
    assert_eq!(odd.check(), Ok(()));
}

#[test]
fn a_nul_in_a_name_is_refused_by_name() {
    let odd = NewMessage {
        subject: Some("telegram:\0".to_owned()),
        ..message()
    };

    assert_eq!(odd.check(), Err(InvalidMessage::Nul { field: "subject" }));
}

#[test]
fn a_field_without_end_is_refused_with_both_lengths() {
    let endless = NewMessage {
        key: Key::from("k".repeat(600)),
        ..message()
    };

    assert_eq!(
        endless.check(),
        Err(InvalidMessage::TooLong {
            field: "key",
            bytes: 600,
            bytes_max: TEXT_BYTES_MAX
        })
    );
}

#[test]
fn a_message_needs_a_kind() {
    let nameless = NewMessage {
        kind: String::new(),
        ..message()
    };

    assert_eq!(
        nameless.check(),
        Err(InvalidMessage::Empty { field: "kind" })
    );
}
