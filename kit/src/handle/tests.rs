//! What people meet: limits, buttons, tasks and the words of the kit.

use super::*;
use crate::{
    Language, MediaKind, Role,
    testing::{Scene, Stage},
    tests::sample,
};

fn stage() -> Stage {
    Stage::new(sample())
}

#[tokio::test]
async fn an_unknown_command_is_answered_with_the_likely_one() {
    let told = stage().hears(Scene::says("/stauts")).await;

    assert_eq!(told.text(), "I don't know /stauts. Did you mean /status?");
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_answered_with_what_would() {
    assert_eq!(stage().hears(Scene::says("/add 1 2")).await.text(), "3");
    assert_eq!(
        stage().hears(Scene::says("/add one")).await.text(),
        "Numbers, please."
    );
}

#[tokio::test]
async fn an_answer_in_a_group_quotes_and_in_private_does_not() {
    let private = stage().hears(Scene::says("/status").as_message("5")).await;
    let group = stage()
        .hears(Scene::says("/status").as_message("5").in_group())
        .await;

    assert_eq!(private.said[0].quote, None);
    assert_eq!(
        group.said[0]
            .quote
            .as_ref()
            .map(|message| message.0.as_str()),
        Some("5")
    );
}

#[tokio::test]
async fn a_little_too_fast_is_promised_and_kept() {
    let stage = stage();
    for message in ["1", "2", "3"] {
        assert_eq!(
            stage
                .hears(Scene::says("/slow x").as_message(message))
                .await
                .text(),
            "slow x"
        );
    }

    let told = stage.hears(Scene::says("/slow y").as_message("4")).await;
    assert_eq!(told.text(), "I'll answer in 20 s.");
    assert_eq!(stage.runs_tasks().await[0].text(), "slow y");
}

#[tokio::test]
async fn much_too_fast_is_told_a_time_once() {
    let stage = stage();
    let mut texts = Vec::new();
    for message in 1..=7 {
        let told = stage
            .hears(Scene::says("/slow x").as_message(&message.to_string()))
            .await;
        texts.extend(told.texts().iter().map(|text| (*text).to_owned()));
    }

    let announced: Vec<_> = texts
        .iter()
        .filter(|text| text.starts_with("Next question at "))
        .collect();
    assert_eq!(announced.len(), 1, "{texts:?}");
}

#[tokio::test]
async fn a_task_answers_where_it_was_started() {
    let stage = stage();
    stage.hears(Scene::says("/dead").by(Role::Operator)).await;

    assert_eq!(stage.runs_tasks().await[0].text(), "later dead");
}

#[tokio::test]
async fn a_button_knows_who_may_press_it_and_when_it_is_too_old() {
    let stage = stage();
    let told = stage.hears(Scene::says("/status")).await;

    let stranger = stage
        .presses(Scene::somebody().by_person(99), &told.said[0], "Press")
        .await;
    let asker = stage
        .presses(Scene::somebody(), &told.said[0], "Press")
        .await;
    let twice = stage
        .presses(Scene::somebody(), &told.said[0], "Press")
        .await;

    assert_eq!(
        stranger.notice.as_deref(),
        Some("This button is for somebody else.")
    );
    assert_eq!((asker.text(), twice.text()), ("pressed 3", "pressed 3"));
}

#[tokio::test]
async fn a_button_without_a_meaning_is_too_old() {
    let app = sample();
    let press = Incoming {
        what: What::Button(crate::Press { button: None }),
        ..Scene::somebody().incoming()
    };

    let routed = app.route(&press, press.at);

    assert_eq!(routed, Routed::Tell(Word::ButtonExpired));
}

#[tokio::test]
async fn a_late_edit_ends_quietly() {
    let stage = stage();
    let long_ago = stage.now() - Duration::from_secs(7 * 60 * 60);

    let edit = stage.hears(Scene::edits("x").at(long_ago)).await;

    assert!(matches!(edit.ended, Ok(Outcome::Expired)));
    assert_eq!(edit.texts(), [""; 0]);
}

#[tokio::test]
async fn what_nobody_handles_is_ignored() {
    assert!(stage().hears(Scene::other("sticker")).await.is_silence());
}

#[test]
fn whoever_waits_for_an_answer_is_told_when_there_is_none() {
    let app = sample();
    let asked = Scene::says("/status").reading(Language::Russian).incoming();
    let chatter = Scene::says("hello").in_group().incoming();

    let said = app.farewell(&asked, "K7QF-3M2X").unwrap();
    assert_eq!(
        said.reply.text.as_str(),
        "Закончить не получилось. Сообщение сохранено; код K7QF-3M2X."
    );
    assert_eq!(app.farewell(&chatter, "K7QF-3M2X"), None);
    assert_eq!(
        app.still_trying(&asked).unwrap().reply.text.as_str(),
        "Всё ещё пробую."
    );
}

#[test]
fn the_kits_own_tasks_are_announced_to_the_queue() {
    let names: Vec<&str> = sample().tasks().iter().map(|task| task.name).collect();

    assert_eq!(names, ["later", "again", "gather"]);
}

#[tokio::test]
async fn a_single_file_needs_no_waiting() {
    let told = stage()
        .hears(Scene::sends(MediaKind::Voice, Some("listen")))
        .await;

    assert_eq!(told.text(), "1 files, Some(\"listen\")");
}
