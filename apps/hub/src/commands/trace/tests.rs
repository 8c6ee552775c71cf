//! What people learn from a support code.

use std::time::Duration;

use proptest::prelude::*;
use sallyport_kit::{StoryRow, StoryState, testing::Scene};

use super::*;
use crate::tests::stage;

fn story(state: StoryState) -> Found {
    Found::Story(Box::new(Story {
        code: "K7QF-3M2X".into(),
        trace_id: "0123456789abcdef0123456789abcdef".into(),
        state,
        began: "2026-11-20T02:11:07Z".parse().unwrap(),
        took: Some(Duration::from_millis(212)),
        attempts: 1,
        rows: vec![StoryRow {
            depth: 0,
            name: "process telegram.update".into(),
            took: None,
            failed: false,
        }],
        last_error: None,
        can_replay: state == StoryState::Dead,
    }))
}

fn labels(reply: &Reply) -> Vec<&str> {
    reply
        .buttons
        .iter()
        .flatten()
        .map(|button| button.label.as_str())
        .collect()
}

#[tokio::test]
async fn a_member_reads_their_story_without_buttons() {
    let stage = stage();
    stage.house().story_is(story(StoryState::Done));

    let told = stage.hears(Scene::says("/trace k7qf-3m2x")).await;

    assert!(
        told.text()
            .starts_with("Done in 212 ms.\n2026-11-20 02:11:07 UTC\n1 attempt\n"),
        "{}",
        told.text()
    );
    assert!(told.said[0].reply.buttons.is_empty());
}

#[tokio::test]
async fn an_operator_may_send_a_dead_story_again_and_copy_its_id() {
    let stage = stage();
    stage.house().story_is(story(StoryState::Dead));

    let told = stage
        .hears(Scene::says("/trace K7QF3M2X").by(Role::Operator))
        .await;
    assert_eq!(labels(&told.said[0].reply), ["Replay", "Copy id"]);

    let copied = stage
        .presses(
            Scene::somebody().by(Role::Operator),
            &told.said[0],
            "Copy id",
        )
        .await;
    assert_eq!(copied.text(), "`0123456789abcdef0123456789abcdef`");

    let replayed = stage
        .presses(
            Scene::somebody().by(Role::Operator),
            &told.said[0],
            "Replay",
        )
        .await;
    assert_eq!(replayed.notice.as_deref(), Some("1 is on its way again."));
}

#[tokio::test]
async fn no_code_says_how_to_ask_and_an_unknown_one_says_so() {
    let stage = stage();

    assert_eq!(
        stage.hears(Scene::says("/trace")).await.text(),
        "Write the code behind it: /trace K7QF-3M2X"
    );
    assert_eq!(
        stage.hears(Scene::says("/trace K7QF-3M2X")).await.text(),
        "No such code."
    );
}

#[tokio::test]
async fn an_old_code_says_that_it_is_too_old() {
    let stage = stage();
    stage.house().story_is(Found::TooOld { days: 7 });

    assert_eq!(
        stage.hears(Scene::says("/trace K7QF-3M2X")).await.text(),
        "Older than 7 days."
    );
}

#[tokio::test]
async fn several_stories_under_one_code_are_listed() {
    let stage = stage();
    stage
        .house()
        .story_is(Found::Several(vec!["aa".into(), "bb".into()]));

    let told = stage.hears(Scene::says("/trace K7QF-3M2X")).await;

    assert!(told.text().ends_with("aa\nbb"));
}

proptest! {
    #[test]
    fn every_spelling_of_a_code_is_the_same_code(code in "[0-9A-HJKMNP-TV-Z]{8}") {
        let (front, back) = code.split_at(4);
        let spelled = format!("{}-{}", front.to_lowercase(), back);
        prop_assert_eq!(Reference::from_text(&spelled), Ok(Reference(code)));
    }

    #[test]
    fn what_is_no_code_is_refused(words in "\\PC{0,7}") {
        prop_assert_eq!(Reference::from_text(&words), Err(Misread::because("trace-usage")));
    }
}
