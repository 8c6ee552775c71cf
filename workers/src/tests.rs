//! Stories of the whole set of workers: from an update on the queue to what a chat shows.

use std::time::Duration;

use serde_json::json;

use crate::Receive;

mod house;
mod telegram;
mod webhooks;

use house::{House, wait_until};
use telegram::{Answer, Planted};

fn refused(code: u16, description: &str) -> Answer {
    Answer::Refuse(
        code,
        json!({"ok": false, "error_code": code, "description": description}),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_bots_answer_in_their_own_names_and_in_order() {
    let house = House::build().await;
    let workers = house.workers().await;

    for turn in 0..10 {
        house.say("ops", 7, &format!("/echo {turn}")).await;
        house.say("tarot", 8, &format!("/echo {turn}")).await;
    }
    house.is_idle().await;

    let expected = |bot: &str| {
        (0..10)
            .map(|turn| format!("{bot}: {turn}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(house.telegram.shown(7), expected("ops"));
    assert_eq!(house.telegram.shown(8), expected("tarot"));
    assert!(
        house
            .telegram
            .calls("sendMessage")
            .iter()
            .all(|call| { (call.bot == "1:x") == (call.body["chat_id"] == 7) })
    );
    workers.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_text_goes_on_behind_the_part_that_was_sent() {
    let house = House::build().await;
    house.telegram.plant(Planted {
        method: "sendMessage",
        chat: Some(7),
        after: 1,
        answer: Answer::Refuse(
            429,
            json!({"ok": false, "error_code": 429, "description": "Too Many Requests",
            "parameters": {"retry_after": 1}}),
        ),
    });
    let workers = house.workers().await;

    house.say("ops", 7, "/long").await;
    house.is_idle().await;

    let first: Vec<char> = house
        .telegram
        .shown(7)
        .iter()
        .filter_map(|text| text.chars().next())
        .collect();
    assert_eq!(first, ['a', 'b', 'c']);
    workers.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_that_has_to_wait_delays_no_other() {
    let house = House::build().await;
    house.telegram.plant(Planted {
        method: "sendMessage",
        chat: Some(7),
        after: 0,
        answer: Answer::Refuse(
            429,
            json!({"ok": false, "error_code": 429, "description": "Too Many Requests",
            "parameters": {"retry_after": 3}}),
        ),
    });
    let workers = house.workers().await;

    house.say("ops", 7, "/echo one").await;
    house.say("ops", 7, "/echo two").await;
    house.say("ops", 8, "/echo quick").await;
    house.shows(8, |shown| shown == ["ops: quick"]).await;

    assert_eq!(
        house.telegram.shown(7),
        Vec::<String>::new(),
        "nothing before its time"
    );
    house
        .shows(7, |shown| shown == ["ops: one", "ops: two"])
        .await;
    house.is_idle().await;
    assert_eq!(
        house.count("attempts", "outcome = 'retry'").await,
        0,
        "a wait is no failure"
    );
    workers.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_recorded_before_the_text_is_sent_again() {
    let house = House::build().await;
    house.telegram.plant(Planted {
        method: "sendMessage",
        chat: Some(7),
        after: 0,
        answer: Answer::CarryOutAndSayNothing,
    });
    let workers = house.workers().await;

    house.say("ops", 7, "/echo twice").await;
    house.is_idle().await;

    assert_eq!(house.telegram.shown(7), ["ops: twice", "ops: twice"]);
    assert_eq!(house.count("ambiguous", "true").await, 1);
    workers.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streamed_answer_is_one_message_also_across_attempts() {
    let house = House::build().await;
    let workers = house.workers().await;

    house.say("ops", 7, "/stream").await;
    house.is_idle().await;

    assert_eq!(
        house.telegram.shown(7),
        ["The first sentence is here. The second is too."]
    );
    assert!(
        house.telegram.calls("editMessageText").len() >= 2,
        "it grew while it was written"
    );
    assert_eq!(house.count("answers", "cardinality(messages) = 1").await, 1);
    workers.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_attempt_says_nothing_and_a_dead_letter_tells_its_person_the_code() {
    let house = House::build().await;
    let workers = house.workers().await;

    house.say("ops", 7, "/break").await;
    house.is_idle().await;

    let shown = house.telegram.shown(7);
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(
        shown[0].contains("Your message is kept; quote "),
        "{shown:?}"
    );
    assert_eq!(
        house.count("dead_letters", "error_kind = 'planted'").await,
        1
    );
    workers.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_chat_ends_quietly_and_is_remembered_as_unreachable() {
    let house = House::build().await;
    house.telegram.plant(Planted {
        method: "sendMessage",
        chat: Some(7),
        after: 0,
        answer: refused(403, "Forbidden: bot was blocked by the user"),
    });
    let workers = house.workers().await;

    house.say("ops", 7, "/echo anybody").await;
    house.is_idle().await;

    assert_eq!(house.count("dead_letters", "true").await, 0);
    assert_eq!(
        house
            .count("chats", "chat = '7' and unreachable_since is not null")
            .await,
        1
    );
    house.say("ops", 7, "/echo back").await;
    house.is_idle().await;
    assert_eq!(house.telegram.shown(7), ["ops: back"]);
    workers.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_moved_is_followed() {
    let house = House::build().await;
    house.telegram.plant(Planted {
        method: "sendMessage",
        chat: Some(7),
        after: 0,
        answer: Answer::Refuse(
            400,
            json!({"ok": false, "error_code": 400,
            "description": "Bad Request: group chat was upgraded to a supergroup chat",
            "parameters": {"migrate_to_chat_id": -1_007}}),
        ),
    });
    let workers = house.workers().await;

    house.say("ops", 7, "/echo moved").await;
    house.is_idle().await;

    assert_eq!(house.telegram.shown(-1_007), ["ops: moved"]);
    workers.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_pollers_fetches_and_a_repeated_update_is_answered_once() {
    let house = House::build().await;
    let polling = || {
        let mut bot = house.bot("ops", "1:x");
        bot.receive = Receive::Polling { take_over: false };
        vec![bot]
    };
    let update = house.update(7, "/echo polled");
    house.telegram.offer(update.clone());

    let one = house.start(polling()).await.unwrap();
    let other = house.start(polling()).await.unwrap();
    house.shows(7, |shown| shown == ["ops: polled"]).await;
    house.telegram.offer(update);
    house.telegram.offer(house.update(7, "/echo again"));
    house.shows(7, |shown| shown.len() >= 2).await;
    house.is_idle().await;

    assert_eq!(house.telegram.shown(7), ["ops: polled", "ops: again"]);
    assert_eq!(one.bots()[0].username.as_deref(), Some("probe_bot"));
    one.drain(Duration::from_secs(2)).await;
    other.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_of_another_host_stops_the_start_with_one_sentence() {
    let house = House::build().await;
    house.telegram.set_webhook("https://elsewhere.example/hook");
    let mut bot = house.bot("ops", "1:x");
    bot.receive = Receive::Polling { take_over: false };

    let error = house
        .start(vec![bot])
        .await
        .err()
        .expect("it does not start");

    assert_eq!(
        error.to_string(),
        "A webhook on host elsewhere.example is set; polling would cut it off. Use another token, or --take-over."
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_pauses_the_bot_and_nothing_is_lost() {
    let house = House::build().await;
    house.telegram.plant(Planted {
        method: "getMe",
        chat: None,
        after: 0,
        answer: refused(401, "Unauthorized"),
    });
    let workers = house.start(vec![house.bot("ops", "1:x")]).await.unwrap();
    assert!(
        workers.bots()[0]
            .trouble
            .as_deref()
            .is_some_and(|trouble| trouble.contains("401"))
    );

    house.say("ops", 7, "/echo kept").await;
    wait_until("the bot goes on by itself", async || {
        house.telegram.shown(7) == ["ops: kept"]
    })
    .await;
    workers.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_waits_is_told_once_that_it_goes_on() {
    let house = House::build().await;
    let workers = house.workers().await;

    house.say("ops", 7, "/flaky").await;
    house.is_idle().await;

    assert_eq!(house.telegram.shown(7), ["Still trying.", "worked"]);
    workers.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_button_means_what_was_stored_with_it_and_every_press_is_confirmed() {
    let house = House::build().await;
    let workers = house.workers().await;
    house.say("ops", 7, "/ask the left one").await;
    house.is_idle().await;
    let question = house.telegram.calls("sendMessage").remove(0);
    let data = &question.body["reply_markup"]["inline_keyboard"][0][0]["callback_data"];
    assert!(
        data.as_str()
            .is_some_and(|data| data.len() <= 64 && !data.contains("left")),
        "{data}"
    );

    for (number, data) in [(901, data.clone()), (902, json!("b:unknown"))] {
        let press = json!({"update_id": number, "callback_query": {
            "id": number.to_string(), "chat_instance": "c", "data": data,
            "from": {"id": 7, "is_bot": false, "first_name": "Ada"},
            "message": {"message_id": question.made, "date": 1, "chat": {"id": 7, "type": "private"}}
        }});
        house.accept("ops", 7, &press).await;
    }
    house.is_idle().await;

    assert_eq!(house.telegram.shown(7), ["which?", "chose the left one"]);
    wait_until("both presses are confirmed", async || {
        house.telegram.calls("answerCallbackQuery").len() == 2
    })
    .await;
    workers.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_bot_belongs_to_whoever_opens_its_link_first_and_to_nobody_else() {
    let house = House::build().await;
    let mut bot = house.bot("ops", "1:x");
    bot.newcomers = sallyport_kit::Role::Guest;
    let workers = house.start(vec![bot]).await.unwrap();
    let link = workers.bots()[0]
        .owner_link
        .clone()
        .expect("a link for a bot without an owner");
    let code = link
        .strip_prefix("https://t.me/probe_bot?start=")
        .expect("it opens the bot");
    house.say("ops", 7, "/echo stranger").await;
    house.is_idle().await;
    assert_eq!(
        house.telegram.shown(7).len(),
        1,
        "only that the bot is private"
    );

    let pool = house.database.pools().handlers().unwrap().clone();
    let person = |id| sallyport_kit::PersonId(id);
    let mine: i64 = house
        .owner
        .query_one("select person from identities", &[])
        .await
        .unwrap()
        .get(0);
    let other: i64 = house
        .owner
        .query_one("insert into persons default values returning id", &[])
        .await
        .unwrap()
        .get(0);
    use crate::persons::owner::claim;
    use sallyport_kit::Claim;
    assert_eq!(
        claim(&pool, "ops", person(mine), "wrong").await.unwrap(),
        Claim::Refused
    );
    assert_eq!(
        claim(&pool, "ops", person(mine), code).await.unwrap(),
        Claim::Granted
    );
    assert_eq!(
        claim(&pool, "ops", person(mine), code).await.unwrap(),
        Claim::AlreadyOwner
    );
    assert_eq!(
        claim(&pool, "ops", person(other), code).await.unwrap(),
        Claim::Refused
    );
    assert_eq!(
        house
            .count("owner_codes", &format!("digest = '{code}'::bytea"))
            .await,
        0,
        "only a digest is kept"
    );
    workers.drain(Duration::from_secs(2)).await;
}
