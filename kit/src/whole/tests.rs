//! Split pastes and albums become one, in any order of luck.

use proptest::prelude::*;

use super::*;
use crate::{
    MediaKind,
    testing::{Scene, Stage},
    tests::sample,
};

fn long(letter: &str) -> String {
    letter.repeat(MESSAGE_UNITS_MAX)
}

#[tokio::test]
async fn a_paste_with_a_short_end_is_answered_at_once_and_whole() {
    let stage = Stage::with_tables(sample()).await;

    let first = stage.hears(Scene::says(&long("a")).as_message("1")).await;
    let second = stage.hears(Scene::says("end").as_message("2")).await;

    assert_eq!(first.texts(), [""; 0]);
    assert_eq!(second.text(), format!("{}end", long("a")));
    assert!(
        stage
            .runs_tasks()
            .await
            .iter()
            .all(|told| told.texts().is_empty()),
        "nothing is answered twice"
    );
}

#[tokio::test]
async fn a_long_message_alone_is_answered_after_a_moment() {
    let stage = Stage::with_tables(sample()).await;

    stage.hears(Scene::says(&long("a"))).await;
    let told = stage.runs_tasks().await;

    assert_eq!(told[0].text(), long("a"));
}

#[tokio::test]
async fn a_paste_of_long_parts_waits_for_the_last_of_them() {
    let stage = Stage::with_tables(sample()).await;

    stage.hears(Scene::says(&long("a")).as_message("1")).await;
    stage.passes(Duration::from_secs(1));
    stage.hears(Scene::says(&long("b")).as_message("2")).await;
    let told = stage.runs_tasks().await;

    let texts: Vec<&str> = told
        .iter()
        .flat_map(super::super::testing::Told::texts)
        .collect();
    assert_eq!(texts, [format!("{}{}", long("a"), long("b"))]);
}

#[tokio::test]
async fn the_next_message_two_seconds_later_is_a_thought_of_its_own() {
    let stage = Stage::with_tables(sample()).await;
    stage.hears(Scene::says(&long("a")).as_message("1")).await;

    stage.passes(Duration::from_secs(2));
    let told = stage.hears(Scene::says("by the way").as_message("2")).await;

    assert_eq!(told.text(), "by the way");
    assert_eq!(stage.runs_tasks().await[0].text(), long("a"));
}

#[tokio::test]
async fn an_album_is_handled_once_with_all_its_files() {
    let stage = Stage::with_tables(sample()).await;
    for (message, caption) in [("1", Some("look")), ("2", None), ("3", None)] {
        let part = Scene::sends(MediaKind::Photo, caption)
            .in_album("a")
            .as_message(message);
        assert_eq!(stage.hears(part).await.texts(), [""; 0]);
    }

    let told = stage.runs_tasks().await;

    let texts: Vec<&str> = told
        .iter()
        .flat_map(super::super::testing::Told::texts)
        .collect();
    assert_eq!(texts, ["3 files, Some(\"look\")"]);
}

#[tokio::test]
async fn a_command_that_was_split_is_still_a_command() {
    let stage = Stage::with_tables(sample()).await;
    let first = format!("/slow {}", "x".repeat(MESSAGE_UNITS_MAX - 6));

    stage.hears(Scene::says(&first).as_message("1")).await;
    let told = stage.hears(Scene::says("y").as_message("2")).await;

    assert!(told.text().starts_with("slow xxx") && told.text().ends_with("xy"));
}

#[test]
fn a_cut_word_is_joined_without_a_seam_and_a_cut_line_with_one() {
    let cut_word = long("a");
    let cut_line = "b".repeat(PART_UNITS_MIN);

    assert_eq!(
        join([cut_word.as_str(), "c"].into_iter()),
        format!("{cut_word}c")
    );
    assert_eq!(
        join([cut_line.as_str(), "c"].into_iter()),
        format!("{cut_line}\nc")
    );
}

proptest! {
    #[test]
    fn joining_loses_no_letter(parts in prop::collection::vec("\\PC{0,50}", 1..10)) {
        let whole = join(parts.iter().map(String::as_str)).replace('\n', "");
        prop_assert_eq!(whole, parts.concat().replace('\n', ""));
    }
}
