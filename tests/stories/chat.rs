//! What a person in a chat sees.

use serde_json::json;

use crate::house::House;
use crate::updates;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_greeted_helped_and_answered() {
    let house = House::open().await;

    house.say(7, "/start").await;
    house
        .wait_for_message(7, |text| text.contains("/help"))
        .await;
    house.say(7, "/help").await;
    house
        .wait_for_message(7, |text| text.contains("/status") && text.contains("/ai"))
        .await;
    house.say(7, "/status").await;
    house
        .wait_for_message(7, |text| text.starts_with("Working"))
        .await;
    house.say(7, "/ai why is the sky blue").await;
    let answer = house
        .wait_for_message(7, |text| text.contains("stand-in"))
        .await;

    assert!(
        answer["reply_to_message_id"].is_number(),
        "an answer replies to its question: {answer}"
    );
    house.wait_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_posted_twice_is_answered_once() {
    let house = House::open().await;
    house.say(8, "/start").await;
    house
        .wait_for_message(8, |text| text.contains("/help"))
        .await;
    let update = updates::text(900_001, 8, "/help");

    let first = house.post_update(&update).await;
    let second = house.post_update(&update).await;

    assert_eq!(
        (first.status().as_u16(), second.status().as_u16()),
        (200, 200)
    );
    house
        .wait_for_message(8, |text| text.contains("/status"))
        .await;
    house.wait_until_idle().await;
    let answers = house.sent(8).await;
    assert_eq!(answers.len(), 2, "one greeting, one help: {answers:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_goes_on_while_its_question_hangs() {
    let house = House::open().await;
    let hang = json!({"target": "openai", "latency_ms": 20_000, "times": 1});
    house.control("faults", &hang).await;
    house.say(9, "/ai what hangs").await;

    let asked = std::time::Instant::now();
    house.say(9, "/status").await;
    house
        .wait_for_message(9, |text| {
            text.starts_with("Working") || text.contains("Queue")
        })
        .await;

    assert!(
        asked.elapsed().as_secs() < 2,
        "/status answered after {:?}",
        asked.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_command_gets_a_suggestion() {
    let house = House::open().await;

    house.say(10, "/stauts").await;

    house
        .wait_for_message(10, |text| {
            text == "I don't know /stauts. Did you mean /status?"
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_answered_in_their_language() {
    let house = House::open().await;
    let say = json!({"chat_id": 11, "user_id": 11, "text": "/start", "language_code": "ru"});

    house.control("telegram/say", &say).await;

    let is_cyrillic = |text: &str| text.chars().any(|letter| ('а'..='я').contains(&letter));
    house.wait_for_message(11, is_cyrillic).await;
}
