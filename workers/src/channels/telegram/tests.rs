//! Updates as Telegram sends them, and what each comes to mean.

use sallyport_kit::{ChatKind, Language, MediaKind, PersonKind};
use serde_json::{Value, json};

use super::{Act, Heard, Meaning, read};

const US: i64 = 1_000_001;

fn message(extra: Value) -> Value {
    let mut message = json!({
        "message_id": 5, "date": 1_700_000_000,
        "chat": {"id": 7, "type": "private", "first_name": "Ada"},
        "from": {"id": 7, "is_bot": false, "first_name": "Ada", "language_code": "ru"}
    });
    let target = message.as_object_mut().expect("an object");
    target.extend(extra.as_object().expect("an object").clone());
    json!({"update_id": 1, "message": message})
}

fn meaning(update: &Value) -> Meaning {
    read(&serde_json::to_vec(update).expect("JSON"), US)
}

fn heard(update: &Value) -> Heard {
    match meaning(update) {
        Meaning::Heard(heard) => *heard,
        other => panic!("not heard: {other:?}"),
    }
}

#[test]
fn a_private_text_is_heard_with_its_sender() {
    let heard = heard(&message(json!({"text": "/start"})));

    assert_eq!(heard.act, Act::Text("/start".to_owned()));
    assert_eq!(heard.chat.kind, ChatKind::Private);
    assert_eq!(heard.sender.language, Language::Russian);
    assert_eq!(heard.sender.kind, PersonKind::Human);
}

#[test]
fn a_reply_to_us_knows_that_it_is_one() {
    let heard = heard(&message(json!({"text": "why?", "reply_to_message": {
        "message_id": 4, "date": 1, "text": "because",
        "chat": {"id": 7, "type": "private"},
        "from": {"id": US, "is_bot": true, "first_name": "us"}
    }})));

    let quoted = heard.quoted.expect("a quotation");
    assert!(quoted.by_us);
    assert_eq!(quoted.text.as_deref(), Some("because"));
}

#[test]
fn an_anonymous_administrator_and_a_channel_are_told_apart() {
    let group = json!({"id": -100, "type": "supergroup", "title": "G"});
    let admin = heard(&message(
        json!({"text": "x", "chat": group, "sender_chat": group,
        "from": {"id": 1_087_968_824, "is_bot": true, "first_name": "Group"}}),
    ));
    let channel = heard(&message(json!({"text": "x", "chat": group,
        "sender_chat": {"id": -200, "type": "channel", "title": "C"},
        "from": {"id": 136_817_688, "is_bot": true, "first_name": "Channel"}})));

    assert_eq!(admin.sender.kind, PersonKind::AnonymousAdmin);
    assert_eq!(channel.sender.kind, PersonKind::Channel);
}

#[test]
fn a_photo_of_an_album_names_its_album() {
    let heard = heard(&message(json!({"media_group_id": "A", "caption": "look",
        "photo": [{"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1, "file_size": 9}]})));

    let Act::Media(attachment) = heard.act else {
        panic!("not a file")
    };
    assert_eq!(attachment.album.as_deref(), Some("A"));
    assert_eq!(
        (attachment.media, attachment.bytes),
        (MediaKind::Photo, Some(9))
    );
}

#[test]
fn a_pressed_button_carries_its_data() {
    let heard = heard(&json!({"update_id": 2, "callback_query": {
        "id": "99", "chat_instance": "c", "data": "b:abc",
        "from": {"id": 7, "is_bot": false, "first_name": "Ada"},
        "message": {"message_id": 5, "date": 1, "chat": {"id": 7, "type": "private"}}
    }}));

    assert_eq!(
        heard.act,
        Act::Press {
            press: "99".to_owned(),
            data: "b:abc".to_owned()
        }
    );
}

#[test]
fn a_group_that_moved_says_where() {
    let meaning = meaning(&message(json!({"migrate_to_chat_id": -1_001})));

    assert!(matches!(meaning, Meaning::Moved { to, .. } if to.0 == "-1001"));
}

#[test]
fn what_nobody_handles_is_nothing_and_never_an_error() {
    for update in [
        message(json!({"new_chat_title": "x"})),
        json!({"update_id": 3, "something_new": {"a": 1}}),
        json!({"update_id": 4}),
    ] {
        assert!(
            matches!(meaning(&update), Meaning::Nothing { .. }),
            "{update}"
        );
    }
}
