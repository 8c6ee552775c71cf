//! The way of a message as one trace, and what an engineer can read of it.

use serde_json::{Value, json};

use crate::house::House;

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_one_trace_from_the_edge_to_the_send() {
    let house = House::open().await;
    let said = house.say(21, "/ai why is the sky blue").await;
    house
        .wait_for_message(21, |text| text.contains("stand-in"))
        .await;
    house.wait_until_idle().await;

    let story = told_story(&house, &said).await;

    let names: Vec<String> = rows(&story)
        .map(|row| row["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    for part in [
        "POST /telegram/",
        "send telegram.update",
        "process telegram.update",
        "chat ",
        "process telegram.send",
    ] {
        assert!(
            names.iter().any(|name| name.starts_with(part)),
            "no {part:?} among {names:?}"
        );
    }
    let ids: Vec<&str> = rows(&story).filter_map(|row| row["id"].as_str()).collect();
    let orphans: Vec<&Value> = rows(&story)
        .filter(|row| {
            row["parent"]
                .as_str()
                .is_some_and(|parent| !ids.contains(&parent))
        })
        .collect();
    assert!(orphans.is_empty(), "every parent exists: {orphans:#?}");
    let roots = rows(&story).filter(|row| row["parent"].is_null()).count();
    assert_eq!(roots, 1, "one root: {story:#}");
    assert_accepted_without_a_gap(&story);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_said_leaves_nobody_answered() {
    let house = House::open().await;
    let blocked = json!({"target": "telegram", "method": "sendMessage", "chat_id": 23, "status": 403,
        "description": "Forbidden: bot was blocked by the user", "times": 1});
    house.control("faults", &blocked).await;
    let said = house.say(23, "/start").await;
    house
        .wait_until("the answer was given up", || async {
            story_of_if_any(&house, &said)
                .await
                .is_some_and(|story| story["finished"] == true)
        })
        .await;

    let story = story_of(&house, &said).await;
    let listed = house.ops("/ops/traces?outcome=cancelled").await;

    assert_eq!(story["outcome"], "cancelled", "{story:#}");
    assert_eq!(
        story["sentence"],
        "Not answered: the chat cannot be reached"
    );
    assert_eq!(listed["traces"][0]["trace_id"], story["trace_id"]);
    assert_eq!(listed["traces"][0]["outcome"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_was_replayed_and_said_is_an_answered_story() {
    let house = House::open().await;
    let odd = json!({"target": "telegram", "method": "sendMessage", "chat_id": 24, "status": 400,
        "description": "Bad Request: nobody knows why", "times": 1});
    house.control("faults", &odd).await;
    let said = house.say(24, "/start").await;
    house
        .wait_until("the answer is dead", || async {
            story_of_if_any(&house, &said)
                .await
                .is_some_and(|story| story["outcome"] == "dead")
        })
        .await;
    let dead = story_of(&house, &said).await;

    let code = dead["code"].as_str().expect("a story has a code");
    let replayed = house.run(&["replay", code]);
    assert!(replayed.status.success(), "{replayed:?}");
    house
        .wait_for_message(24, |text| text.contains("/help"))
        .await;
    house.wait_until_idle().await;

    let story = story_of(&house, &said).await;
    let listed = house.ops("/ops/traces?limit=1").await;
    assert_eq!(story["trace_id"], dead["trace_id"]);
    assert_eq!(story["outcome"], "done", "{story:#}");
    let sentence = story["sentence"].as_str().unwrap_or_default();
    assert!(
        sentence.starts_with("Answered after a replay in "),
        "{sentence}"
    );
    assert_eq!(listed["traces"][0]["trace_id"], story["trace_id"]);
    assert_eq!(listed["traces"][0]["outcome"], "done");
}

/// The time until a message is on disk is the commit's, and the rows above the commit last until its end.
fn assert_accepted_without_a_gap(story: &Value) {
    let named = |name: &str| {
        rows(story)
            .find(|row| {
                row["name"]
                    .as_str()
                    .is_some_and(|told| told.starts_with(name))
            })
            .unwrap_or_else(|| panic!("no {name}: {story:#}"))
    };
    let start = |row: &Value| row["start_ms"].as_f64().unwrap_or(f64::NAN);
    let end = |row: &Value| start(row) + row["duration_ms"].as_f64().unwrap_or(f64::NAN);
    let (commit, message) = (named("commit"), named("message telegram.update"));
    assert!(
        (end(commit) - start(message)).abs() < 0.01,
        "the message begins where its commit ends: {story:#}"
    );
    for name in ["POST /telegram/", "send telegram.update"] {
        assert!(
            end(named(name)) + 0.01 >= end(commit),
            "{name} lasts until its commit: {story:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_twice_and_survives_a_kill_shows_every_attempt_under_its_first_code() {
    let mut house = House::open_with(&[("SALLYPORT_LEASE_MS", "1000")]).await;
    let failing = json!({"target": "telegram", "method": "sendMessage", "status": 500, "times": 2});
    // The first that fits applies, so the third send is the slow one.
    let slow =
        json!({"target": "telegram", "method": "sendMessage", "latency_ms": 3000, "times": 1});
    house.control("faults", &failing).await;
    house.control("faults", &slow).await;
    let said = house.say(22, "/start").await;
    house
        .wait_until("two attempts failed", || async {
            attempts(&house).await >= 2
        })
        .await;
    house
        .wait_until("the third attempt has begun", || async {
            begun(&house).await >= 1
        })
        .await;

    house.kill_server();
    house.start_server().await;
    house
        .wait_for_message(22, |text| text.contains("/help"))
        .await;
    house.wait_until_idle().await;

    let story = story_of(&house, &said).await;
    let attempts = attempts_at_the_answer(&story);
    let told: Vec<(u64, &str)> = attempts
        .iter()
        .filter_map(|row| {
            let attributes = &row["attributes"];
            Some((
                attributes["sallyport.attempt"].as_u64()?,
                attributes["sallyport.outcome"].as_str()?,
            ))
        })
        .collect();
    assert_eq!(
        told,
        [(1, "retry"), (2, "retry"), (3, "interrupted"), (4, "done")],
        "every attempt is shown: {story:#}"
    );
    assert_says_what_was_lost(&story, attempts[2]);
    assert_eq!(story["outcome"], "done");
    let sentence = story["sentence"].as_str().unwrap_or_default();
    assert!(
        sentence.starts_with("Answered in ") && sentence.contains("after 3 failed attempts"),
        "{sentence}"
    );
}

/// The rows of the attempts at sending the answer, all of which its message counts. A wait for a turn is none.
fn attempts_at_the_answer(story: &Value) -> Vec<&Value> {
    let answer = story["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|message| message["kind"] == "telegram.send")
        .unwrap_or_else(|| panic!("the answer is part of the story: {story:#}"));
    let attempts: Vec<&Value> = rows(story)
        .filter(|row| row["kind"] == "attempt" && row["parent"] == answer["row"])
        .filter(|row| row["attributes"]["sallyport.outcome"] != "snooze")
        .collect();
    assert_eq!(
        answer["attempts"].as_u64(),
        u64::try_from(attempts.len()).ok(),
        "each of them counts: {story:#}"
    );
    attempts
}

/// The row of an interrupted attempt is the queue's, and says with its story why nobody knows what happened in it.
fn assert_says_what_was_lost(story: &Value, interrupted: &Value) {
    assert_eq!(
        (&interrupted["source"], &interrupted["status"]),
        (&json!("queue"), &json!("error"))
    );
    let note = interrupted["attributes"]["sallyport.note"]
        .as_str()
        .unwrap_or_default();
    assert!(
        note.starts_with("spans lost with worker "),
        "{interrupted:#}"
    );
    let mut notes = story["notes"].as_array().into_iter().flatten();
    assert!(
        notes.any(|said| said.as_str().is_some_and(|said| said.starts_with(note))),
        "{story:#}"
    );
}

async fn attempts(house: &House) -> i64 {
    let database = house.database().await;
    database
        .query_one("select count(*) from attempts", &[])
        .await
        .unwrap()
        .get(0)
}

/// Sends that a worker has begun and not settled.
async fn begun(house: &House) -> i64 {
    let database = house.database().await;
    let claimed = "select count(*) from queue q join claims c on q.id = any(c.ids) where q.kind = 'telegram.send' and q.state <> 1 and q.counted_claim < c.id";
    database.query_one(claimed, &[]).await.unwrap().get(0)
}

/// The story of what a person said, found by the update's id as the page finds it.
async fn story_of(house: &House, said: &Value) -> Value {
    let story = story_of_if_any(house, said).await;
    story.unwrap_or_else(|| panic!("no story of {said:#}"))
}

/// The same, where it may not be on disk yet.
async fn story_of_if_any(house: &House, said: &Value) -> Option<Value> {
    let update_id = said["update_id"]
        .as_i64()
        .expect("the control door names the update");
    let found = house
        .ops(&format!("/ops/traces?delivery=telegram:ops:{update_id}"))
        .await;
    let id = found["traces"][0]["trace_id"].as_str()?;
    Some(house.ops(&format!("/ops/traces/{id}")).await)
}

/// The same, once the spans are written too: the recorder gathers them for a moment.
async fn told_story(house: &House, said: &Value) -> Value {
    let mut story = Value::Null;
    for _ in 0..100 {
        story = story_of(house, said).await;
        if rows(&story).any(|row| {
            row["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("settle task."))
        }) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    story
}

fn rows(story: &Value) -> impl Iterator<Item = &Value> {
    story["rows"].as_array().into_iter().flatten()
}
