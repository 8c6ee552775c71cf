//! Who is turned away while the house is slow: the less important first, nobody for longer than it lasts, health never.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sallyport_telemetry::health::State;
use serde_json::{Value, json};

use crate::door::{Answer, Client, Door, SECRET, checked, get, post, said, settings};
use crate::origin::{Origin, eventually, reply};
use crate::senders::sender;

/// How long it may take until everybody is let in again: four intervals of 20 ms for each of three classes, on a busy machine.
const RECOVERY_MAX: Duration = Duration::from_secs(5);

/// Settings that judge fifty times a second: 60 ms are too slow for background, 200 for whoever is normal.
fn hasty() -> Value {
    let mut settings = settings();
    let targets =
        json!({"background_ms": 60, "normal_ms": 200, "interactive_ms": 300, "waiting_max": 40});
    settings["shedding"] = json!({"interval_ms": 20, "accept": targets, "forward": targets});
    settings["routes"][0]["accept"]["bots"][1]["importance"] = json!("background");
    let mut alerts = sender("alertmanager").hook();
    alerts["importance"] = json!("background");
    let hooks = [alerts, sender("github").hook()];
    let routes = settings["routes"].as_array_mut().unwrap();
    routes.push(json!({"path": "/hooks/{name}", "accept": {"hooks": hooks}}));
    settings
}

/// Sends this many updates of people, which wait until the shelf has them.
async fn people_wait(door: &Door, count: i64) -> Vec<Client> {
    door.shelf.holds.store(true, Ordering::SeqCst);
    let mut waiting = Vec::new();
    for update in 0..count {
        let mut client = door.connect().await;
        client
            .send(post("/telegram/ops", SECRET, &said(update)))
            .await;
        waiting.push(client);
    }
    waiting
}

fn release(door: &Door) {
    door.shelf.holds.store(false, Ordering::SeqCst);
    door.shelf.released.notify_waiters();
}

async fn all_are_answered(waiting: Vec<Client>) {
    for mut client in waiting {
        assert_eq!(client.answer().await.status, 200);
    }
}

/// What the health page says of the edge's capacity, while it is short.
fn shortage(door: &Door) -> Option<String> {
    let mut components = door.health.status().components.into_iter();
    let capacity = components.find(|component| component.name == "capacity")?;
    (capacity.state == State::Down).then_some(capacity.reason?)
}

/// Waits until the health page says that these are turned away.
async fn until_turned_away(door: &Door, classes: &str) -> String {
    eventually(async || shortage(door).filter(|reason| reason.ends_with(classes))).await
}

#[track_caller]
fn is_turned_away(answer: &Answer) {
    let problem = answer.is_problem(503, "overloaded");
    let after = problem["retry_after"].as_u64().unwrap();
    assert!((2..=10).contains(&after), "{problem}");
}

/// Asks until it is let in again, and says how long that took.
async fn recovery(door: &Door, request: &str) -> Duration {
    let began = Instant::now();
    eventually(async || (door.ask(request).await.status == 200).then_some(())).await;
    began.elapsed()
}

#[tokio::test]
async fn while_the_queue_is_slow_background_is_turned_away_and_people_are_taken() {
    let door = Door::with(hasty()).await;
    let bulk = post("/telegram/second", "another-bots-secret", &said(1));
    assert_eq!(door.ask(&bulk).await.status, 200);
    let mut waiting = people_wait(&door, 12).await;

    let reason = until_turned_away(&door, "background").await;

    assert_eq!(reason, "accept turns away what is background");
    is_turned_away(&door.ask(&bulk).await);
    // Alertmanager sends again after a 503, and would not after a 429.
    is_turned_away(&door.ask(sender("alertmanager").delivery("1")).await);
    assert_eq!(door.ask(get("/health/live")).await.status, 200);
    let mut late = door.connect().await;
    late.send(post("/telegram/ops", SECRET, &said(100))).await;
    waiting.push(late);
    release(&door);
    all_are_answered(waiting).await;
    assert!(recovery(&door, &bulk).await < RECOVERY_MAX);
    eventually(async || shortage(&door).is_none().then_some(())).await;
}

#[tokio::test]
async fn at_the_worst_only_what_cannot_wait_is_taken() {
    let door = Door::with(hasty()).await;
    let mut waiting = people_wait(&door, 36).await;

    until_turned_away(&door, "background, normal, interactive").await;

    is_turned_away(&door.update(&said(100)).await);
    is_turned_away(&door.ask(sender("github").delivery("1")).await);
    let stop =
        json!({"update_id": 101, "callback_query": {"id": "1", "from": {"id": 7}, "data": "stop"}});
    let mut pressed = door.connect().await;
    pressed
        .send(post("/telegram/ops", SECRET, &stop.to_string()))
        .await;
    waiting.push(pressed);
    release(&door);
    all_are_answered(waiting).await;
    let again = post("/telegram/ops", SECRET, &said(100));
    assert!(recovery(&door, &again).await < RECOVERY_MAX);
}

#[tokio::test]
async fn a_bound_of_those_who_wait_keeps_places_for_people() {
    let mut settings = hasty();
    settings["shedding"]["accept"] = json!({"background_ms": 60_000, "normal_ms": 60_000, "interactive_ms": 60_000, "waiting_max": 8});
    let door = Door::with(settings).await;
    let bulk = post("/telegram/second", "another-bots-secret", &said(1));
    let waiting = people_wait(&door, 7).await;

    // All of them must be at the shelf before the first is turned away for it.
    eventually(async || {
        let answer = door.ask(sender("alertmanager").delivery("1"));
        let answer = tokio::time::timeout(Duration::from_millis(100), answer).await;
        answer.ok().filter(|answer| answer.status == 503)
    })
    .await;

    is_turned_away(&door.ask(&bulk).await);
    release(&door);
    all_are_answered(waiting).await;
    assert!(recovery(&door, &bulk).await < RECOVERY_MAX);
}

/// The same with two routes to this origin, one for people and one for crawlers.
fn leading_to(origin: &Origin) -> Value {
    let mut settings = hasty();
    let routes = settings["routes"].as_array_mut().unwrap();
    for (path, importance) in [("/people/*", "interactive"), ("/crawlers/*", "background")] {
        let forward = json!({"upstream": origin.address});
        routes.push(json!({"path": path, "importance": importance, "forward": forward}));
    }
    settings
}

/// Sends this many requests of people and one with a body, none of which is answered.
async fn people_ask(door: &Door, origin: &Origin, count: usize) -> Vec<Client> {
    let before = origin.asked().len();
    origin.opens(false);
    let mut waiting = Vec::new();
    for _ in 0..count {
        let mut client = door.connect().await;
        client.send(get("/people/a")).await;
        waiting.push(client);
    }
    let mut client = door.connect().await;
    let head = "POST /people/b HTTP/1.1\r\nHost: edge\r\nContent-Length: 2\r\n\r\n{}";
    client.send(head).await;
    waiting.push(client);
    origin.was_asked(before + count + 1).await;
    waiting
}

#[tokio::test]
async fn a_slow_upstream_turns_background_away_from_itself_alone() {
    let origin = Origin::answering(|_, _| reply("200 OK", "", "fine")).await;
    let door = Door::with(leading_to(&origin)).await;
    // How long it takes on a good day is learnt first.
    for _ in 0..3 {
        assert_eq!(door.ask(get("/people/a")).await.status, 200);
    }
    assert_eq!(door.ask(get("/crawlers/a")).await.status, 200);
    let mut waiting = people_ask(&door, &origin, 11).await;

    let reason = until_turned_away(&door, "background").await;

    let address = &origin.address;
    assert_eq!(
        reason,
        format!("forward:{address} turns away what is background")
    );
    let asked = origin.asked().len();
    is_turned_away(&door.ask(get("/crawlers/a")).await);
    assert_eq!(origin.asked().len(), asked);
    // What stands behind other gates is not to blame.
    let bulk = post("/telegram/second", "another-bots-secret", &said(1));
    assert_eq!(door.ask(bulk).await.status, 200);
    let mut late = door.connect().await;
    late.send(get("/people/late")).await;
    waiting.push(late);
    origin.was_asked(asked + 1).await;
    origin.opens(true);
    all_are_answered(waiting).await;
    assert!(recovery(&door, &get("/crawlers/a")).await < RECOVERY_MAX);
}

#[tokio::test]
async fn who_is_turned_away_is_shown_what_is_kept_and_nothing_is_fetched_meanwhile() {
    let origin = Origin::answering(|request, _| {
        // The one may be shown while another is fetched, the other when none can be had.
        let terms = match request.contains("/crawlers/a") {
            true => "stale-while-revalidate=60",
            false => "stale-if-error=60",
        };
        let fields = format!("Cache-Control: max-age=60, {terms}\r\nAge: 59\r\n");
        reply("200 OK", &fields, "kept")
    })
    .await;
    let mut settings = leading_to(&origin);
    let routes = settings["routes"].as_array_mut().unwrap();
    routes.last_mut().unwrap()["forward"]["cache"] = json!({});
    let door = Door::with(settings).await;
    for path in ["/crawlers/a", "/crawlers/b", "/people/a"] {
        assert_eq!(door.ask(get(path)).await.status, 200);
    }
    let waiting = people_ask(&door, &origin, 11).await;
    until_turned_away(&door, "background").await;
    let asked = origin.asked().len();

    for path in ["/crawlers/a", "/crawlers/b"] {
        let old = eventually(async || {
            let answer = door.ask(get(path)).await;
            let is_old = answer.header("cache-status")?.contains("ttl=-");
            is_old.then_some(answer)
        })
        .await;
        assert_eq!((old.status, old.body.as_slice()), (200, &b"kept"[..]));
    }

    is_turned_away(&door.ask(get("/crawlers/c")).await);
    assert_eq!(origin.asked().len(), asked);
    origin.opens(true);
    all_are_answered(waiting).await;
}

#[tokio::test]
async fn settings_that_turn_nobody_away_apply_at_once() {
    let origin = Origin::answering(|_, _| reply("200 OK", "", "fine")).await;
    let door = Door::with(leading_to(&origin)).await;
    assert_eq!(door.ask(get("/people/a")).await.status, 200);
    let waiting = people_ask(&door, &origin, 11).await;
    until_turned_away(&door, "background").await;
    let mut without = leading_to(&origin);
    without["shedding"]["enabled"] = json!(false);

    let changes = door.handle.reload(&checked(without)).unwrap();

    assert_eq!(changes.to_string(), "~shedding");
    let mut crawler = door.connect().await;
    crawler.send(get("/crawlers/a")).await;
    origin.was_asked(14).await;
    origin.opens(true);
    assert_eq!(crawler.answer().await.status, 200);
    all_are_answered(waiting).await;
    let seen = sallyport_telemetry::metrics::install().render();
    let address = &origin.address;
    assert!(seen.contains(&format!(
        "sallyport_shedding_level{{gate=\"forward:{address}\"}} 0"
    )));
}

#[tokio::test]
async fn who_is_turned_away_is_counted_by_importance_and_reason() {
    let origin = Origin::answering(|_, _| reply("200 OK", "", "fine")).await;
    let door = Door::with(leading_to(&origin)).await;
    assert_eq!(door.ask(get("/people/a")).await.status, 200);
    let waiting = people_ask(&door, &origin, 11).await;
    until_turned_away(&door, "background").await;

    for _ in 0..2 {
        is_turned_away(&door.ask(get("/crawlers/a")).await);
    }

    origin.opens(true);
    all_are_answered(waiting).await;
    let seen = sallyport_telemetry::metrics::install().render();
    let address = &origin.address;
    let counted = |importance: &str, reason: &str, count: u32| {
        let labels =
            format!("gate=\"forward:{address}\",importance=\"{importance}\",reason=\"{reason}\"");
        assert!(
            seen.contains(&format!(
                "sallyport_requests_shed_total{{{labels}}} {count}"
            )),
            "{seen}"
        );
    };
    counted("background", "slow", 2);
    counted("background", "full", 0);
    counted("interactive", "slow", 0);
}
