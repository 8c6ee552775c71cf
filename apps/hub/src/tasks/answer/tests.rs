//! What people see while a model answers, and when it does not.

use sallyport_kit::testing::{ModelScript, Scene, Stage, Told};

use super::*;
use crate::tests::stage_with_tables;

async fn answered(stage: &Stage, script: ModelScript) -> Told {
    stage.model_says(script);
    stage.hears(Scene::says("/ai why is the sky blue")).await;
    stage.runs_tasks().await.pop().unwrap()
}

#[tokio::test]
async fn an_answer_replies_to_its_question_and_shows_from_the_first_sentence_on() {
    let stage = stage_with_tables().await;

    let told = answered(
        &stage,
        ModelScript::Says(vec!["Light ", "scatters. ", "Blue ", "most."]),
    )
    .await;

    let answer = &told.answers[0];
    assert_eq!(answer.slot.place.message.as_ref().unwrap().0, "1");
    assert_eq!(answer.previews.first().unwrap(), "Light scatters. ");
    assert_eq!(told.text(), "Light scatters. Blue most.");
}

#[tokio::test]
async fn a_broken_stream_says_so_and_can_be_tried_again_once() {
    let stage = stage_with_tables().await;
    let told = answered(
        &stage,
        ModelScript::BreaksOff(vec!["Light scatters. ", "Bl"]),
    )
    .await;
    assert_eq!(told.text(), "Light scatters. Bl (cut off)");

    stage.model_says(ModelScript::Says(vec!["Light scatters."]));
    let shown = sallyport_kit::Say::answering(
        &Scene::somebody().incoming(),
        told.answers[0].last.clone().unwrap(),
        None,
    );
    for _ in 0..2 {
        stage
            .presses(Scene::somebody().as_message("2"), &shown, "Try again")
            .await;
    }
    let answers: Vec<_> = stage
        .runs_tasks()
        .await
        .into_iter()
        .flat_map(|told| told.answers)
        .collect();

    assert_eq!(answers.len(), 1, "two presses, one answer");
    assert_eq!(
        answers[0].slot, told.answers[0].slot,
        "in the place of the old one"
    );
}

#[tokio::test]
async fn without_a_model_a_human_text_answers_and_says_so() {
    let stage = stage_with_tables().await;

    let told = answered(&stage, ModelScript::Fails(ModelError::NotConfigured)).await;

    assert!(
        told.text()
            .starts_with("No model is connected here; a human wrote this."),
        "{}",
        told.text()
    );
}

#[tokio::test]
async fn a_busy_model_is_asked_again_before_anybody_hears_of_it() {
    let stage = stage_with_tables().await;
    let busy = ModelScript::Fails(ModelError::Unavailable { retry_after: None });

    let first = answered(&stage, busy.clone()).await;
    assert!(first.ended.is_err_and(|failure| failure.kind() == "model"));

    stage.is_attempt(3, 3);
    let last = answered(&stage, busy).await;
    assert!(last.text().ends_with("quote K7QF-3M2X."), "{}", last.text());
}

#[tokio::test]
async fn the_model_remembers_ten_turns_and_no_more() {
    let stage = stage_with_tables().await;
    stage.model_says(ModelScript::Says(vec!["Yes."]));
    for message in 1..=12 {
        stage
            .hears(Scene::says(&format!("/ai {message}?")).as_message(&message.to_string()))
            .await;
        stage.runs_tasks().await;
        stage.passes(Duration::from_secs(20));
    }

    let turns = stage.asked().unwrap().turns;

    assert_eq!(turns.len(), 20, "ten questions and their answers");
    assert_eq!(turns[0].text, "2?");
}

#[tokio::test]
async fn after_half_an_hour_the_model_has_forgotten() {
    let stage = stage_with_tables().await;
    answered(&stage, ModelScript::Says(vec!["Yes."])).await;

    stage.passes(Duration::from_secs(31 * 60));
    stage
        .hears(Scene::says("/ai and now").as_message("2"))
        .await;
    stage.runs_tasks().await;

    assert_eq!(stage.asked().unwrap().turns, []);
}
