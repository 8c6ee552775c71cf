//! What a chat reads after an absence.

use super::*;
use crate::{
    testing::{Scene, Stage, Told},
    tests::sample,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Ada asked three things, twenty minutes before the bot came back.
async fn after_an_absence() -> (Stage, Vec<Told>) {
    let stage = Stage::with_tables(sample()).await;
    stage.passes(20 * MINUTE);
    let mut told = Vec::new();
    for (message, text) in [("1", "/status"), ("2", "/slow two"), ("3", "/slow three")] {
        let said = Scene::says(text)
            .as_message(message)
            .at(stage.now() - 20 * MINUTE + Duration::from_secs(told.len() as u64));
        told.push(stage.hears(said).await);
    }
    (stage, told)
}

#[tokio::test]
async fn late_messages_expire_and_their_chat_is_told_once() {
    let (stage, told) = after_an_absence().await;

    assert!(
        told.iter()
            .all(|told| matches!(told.ended, Ok(Outcome::Expired)))
    );
    let from = clock(stage.now() - 20 * MINUTE);
    assert_eq!(
        told[0].text(),
        format!("I was away {from}–{}.", clock(stage.now()))
    );
    assert_eq!(told[1].texts().len() + told[2].texts().len(), 0);
}

#[tokio::test]
async fn the_last_question_is_answered_when_it_is_chosen() {
    let (stage, told) = after_an_absence().await;

    let pressed = stage
        .presses(
            Scene::somebody().as_message("9"),
            &told[0].said[0],
            "Answer my last question",
        )
        .await;
    let answers = stage.runs_tasks().await;

    assert_eq!(pressed.text(), "I answer one.");
    assert_eq!(
        answers.iter().flat_map(Told::texts).collect::<Vec<_>>(),
        ["slow three"]
    );
}

#[tokio::test]
async fn all_are_answered_in_their_order_and_only_once() {
    let (stage, told) = after_an_absence().await;

    stage
        .presses(Scene::somebody().as_message("9"), &told[0].said[0], "All")
        .await;
    let again = stage
        .presses(Scene::somebody().as_message("9"), &told[0].said[0], "All")
        .await;
    let answers = stage.runs_tasks().await;

    assert_eq!(
        answers.iter().flat_map(Told::texts).collect::<Vec<_>>(),
        ["fine", "slow two", "slow three"]
    );
    assert_eq!(again.text(), "All right, I leave it.");
}

#[tokio::test]
async fn none_leaves_it_at_that() {
    let (stage, told) = after_an_absence().await;

    let pressed = stage
        .presses(Scene::somebody().as_message("9"), &told[0].said[0], "None")
        .await;

    assert_eq!(pressed.text(), "All right, I leave it.");
    assert!(stage.runs_tasks().await.is_empty());
}

#[tokio::test]
async fn the_next_absence_is_told_again() {
    let (stage, _) = after_an_absence().await;
    stage.passes(120 * MINUTE);

    let told = stage
        .hears(
            Scene::says("/status")
                .as_message("8")
                .at(stage.now() - 10 * MINUTE),
        )
        .await;

    assert!(told.text().starts_with("I was away "));
}

#[tokio::test]
async fn work_that_waited_too_long_is_offered_again_too() {
    let stage = Stage::with_tables(sample()).await;
    stage
        .hears(Scene::says("/dead").by(crate::Role::Operator))
        .await;
    let late = stage.tasks_run_late_by(7 * 60 * MINUTE).await;
    assert!(late[0].text().starts_with("I was away "));

    let chosen = stage
        .presses(Scene::somebody().as_message("9"), &late[0].said[0], "All")
        .await;
    let answers = stage.runs_tasks().await;

    assert_eq!(chosen.text(), "I answer one.");
    assert_eq!(answers[0].text(), "later dead");
}
