//! Who is answered, where, and to what: the rules of a chat, without one.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::{MediaKind, testing::Scene, tests::sample};

fn routed(scene: Scene) -> Routed {
    sample().route(&scene.incoming(), Timestamp::UNIX_EPOCH)
}

fn command(routed: &Routed) -> Option<(usize, &str)> {
    match routed {
        Routed::Run(Target::Command { place, words }, _) => Some((*place, words)),
        Routed::Run(..) | Routed::Own(_) | Routed::Tell(_) | Routed::Silent => None,
    }
}

fn unknown(command: &str, near: Option<&'static str>) -> Routed {
    Routed::Tell(Word::UnknownCommand {
        command: command.into(),
        near,
    })
}

#[test]
fn a_command_runs_in_private_and_in_groups() {
    assert_eq!(
        command(&routed(Scene::says("/status now"))),
        Some((1, "now"))
    );
    assert_eq!(
        command(&routed(Scene::says("/status@SallyBot").in_group())),
        Some((1, ""))
    );
}

#[test]
fn a_command_for_another_bot_is_left_to_it() {
    assert_eq!(
        routed(Scene::says("/status@otherbot").in_group()),
        Routed::Silent
    );
    assert_eq!(routed(Scene::says("/status@otherbot")), Routed::Silent);
}

#[test]
fn an_unknown_command_gets_a_suggestion_in_private_and_silence_in_groups() {
    assert_eq!(
        routed(Scene::says("/stauts")),
        unknown("stauts", Some("status"))
    );
    assert_eq!(routed(Scene::says("/weather")), unknown("weather", None));
    assert_eq!(routed(Scene::says("/stauts").in_group()), Routed::Silent);
}

#[test]
fn nobody_is_pointed_to_a_command_they_may_not_use() {
    assert_eq!(routed(Scene::says("/daed")), unknown("daed", None));
    assert_eq!(
        routed(Scene::says("/daed").by(Role::Operator)),
        unknown("daed", Some("dead"))
    );
}

#[test]
fn words_in_a_group_are_for_us_only_when_they_say_so() {
    assert_eq!(routed(Scene::says("hello all").in_group()), Routed::Silent);
    assert!(
        matches!(routed(Scene::says("@sallybot hello").in_group()), Routed::Run(Target::Text { text, .. }, _) if text == "hello")
    );
    assert!(matches!(
        routed(Scene::says("hello").in_group().replying_to_us()),
        Routed::Run(Target::Text { .. }, _)
    ));
}

#[test]
fn other_bots_and_channels_are_never_answered() {
    assert_eq!(
        routed(Scene::says("/status").by_kind(PersonKind::Bot).in_group()),
        Routed::Silent
    );
    assert_eq!(
        routed(
            Scene::says("/status")
                .by_kind(PersonKind::Channel)
                .in_group()
        ),
        Routed::Silent
    );
    assert_eq!(routed(Scene::says("/status").in_channel()), Routed::Silent);
}

#[test]
fn an_anonymous_admin_may_what_a_member_may() {
    let hidden = |text| {
        Scene::says(text)
            .by(Role::Owner)
            .by_kind(PersonKind::AnonymousAdmin)
    };

    assert!(command(&routed(hidden("/status").in_group())).is_some());
    assert_eq!(routed(hidden("/dead")), Routed::Tell(Word::NotKnown));
}

#[test]
fn a_guest_is_turned_away_in_private_and_overlooked_in_groups() {
    assert_eq!(
        routed(Scene::says("hello").by(Role::Guest)),
        Routed::Tell(Word::PrivateBot)
    );
    assert_eq!(
        routed(Scene::says("/status").by(Role::Guest)),
        Routed::Tell(Word::PrivateBot)
    );
    assert_eq!(
        routed(Scene::sends(MediaKind::Photo, None).by(Role::Guest)),
        Routed::Tell(Word::PrivateBot)
    );
    assert_eq!(
        routed(Scene::says("/status").by(Role::Guest).in_group()),
        Routed::Silent
    );
    assert!(
        command(&routed(Scene::says("/start code").by(Role::Guest))).is_some(),
        "what is for guests runs"
    );
}

#[test]
fn a_command_for_private_chats_says_so_in_a_group() {
    let told = routed(Scene::says("/dead").by(Role::Operator).in_group());

    assert_eq!(told, Routed::Tell(Word::OnlyPrivate { command: "dead" }));
}

#[test]
fn a_file_without_words_is_for_us_in_private_only() {
    let photo = || Scene::sends(MediaKind::Photo, None);

    assert!(matches!(
        routed(photo()),
        Routed::Run(Target::Media { .. }, _)
    ));
    assert_eq!(routed(photo().in_group()), Routed::Silent);
    let captioned = Scene::sends(MediaKind::Photo, Some("@sallybot what is it")).in_group();
    assert!(
        matches!(routed(captioned), Routed::Run(Target::Media { caption: Some(caption), .. }, _) if caption == "what is it")
    );
}

#[test]
fn joins_and_stickers_are_ignored() {
    assert_eq!(routed(Scene::other("sticker")), Routed::Silent);
}

proptest! {
    #[test]
    fn whatever_a_group_says_to_others_the_bot_is_silent(text in "[^@]*") {
        prop_assume!(!text.trim_start().starts_with('/'));
        prop_assert_eq!(routed(Scene::says(&text).in_group()), Routed::Silent);
    }

    #[test]
    fn whatever_a_guest_writes_runs_nothing_but_what_is_for_guests(text in "\\PC*") {
        let ran = match routed(Scene::says(&text).by(Role::Guest)) {
            Routed::Run(_, terms) => terms.access,
            Routed::Own(_) | Routed::Tell(_) | Routed::Silent => Role::Guest,
        };
        prop_assert_eq!(ran, Role::Guest);
    }
}
