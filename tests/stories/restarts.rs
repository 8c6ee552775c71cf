//! Restarts that nobody notices: the doors outlive the processes behind them.

use std::time::{Duration, Instant};

use crate::house::keep_alive::{KeepAlive, Target};
use crate::house::{House, OWN_SERVER};
use crate::updates;

/// A restarted edge is ready again within this time (reliability: F1).
const READY_AGAIN: Duration = Duration::from_secs(3);
const STOP_DEADLINE: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn rolling_restarts_under_load_fail_no_request_and_lose_nothing() {
    // The long form runs with `SALLYPORT_STORY_RESTARTS=20`.
    let restarts: usize = std::env::var("SALLYPORT_STORY_RESTARTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(3);
    let mut house = House::build(&OWN_SERVER).await;
    house.start_playground().await;
    house.start_supervised().await;
    let load = KeepAlive::start(&Target {
        doors: &house.doors,
        data: &house.data(),
        ops_token: &house.ops_token,
        update: |chat| updates::text(chat, chat, "/start"),
        first_chat: 1_000,
    });

    for round in 1..=restarts {
        for (name, replaced) in [("server", round), ("worker-0", round)] {
            match name {
                "server" => house.signal_server("HUP"),
                _ => house.signal_worker(0, "HUP"),
            }
            house
                .wait_until("the old process has left", || async {
                    told(&house, name, "supervisor.left") == replaced
                })
                .await;
        }
    }
    let asked = load.stop().await;

    let failures: Vec<&String> = asked
        .iter()
        .filter_map(|asked| asked.came_to.as_ref().err())
        .collect();
    assert_eq!(failures, Vec::<&String>::new(), "of {}", asked.len());
    let slowest = asked.iter().max_by_key(|asked| asked.took).unwrap();
    assert!(
        slowest.took < STOP_DEADLINE,
        "a request begun {:?} ago took {:?}",
        slowest.began.elapsed(),
        slowest.took
    );
    assert!(asked.len() > restarts * 100, "{} requests", asked.len());
    house.wait_until_idle().await;
    for chat in asked.iter().filter_map(|asked| asked.chat) {
        assert_eq!(house.sent(chat).await.len(), 1, "answers in chat {chat}");
    }
    assert!(house.stop_server(STOP_DEADLINE).await.success());
    for status in house.stop_workers(STOP_DEADLINE).await {
        assert!(status.success(), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_wait_while_a_killed_edge_is_started_again() {
    let mut house = House::build(&OWN_SERVER).await;
    house.start_playground().await;
    house.start_supervised().await;
    let pid = pids(&house, "server").pop().unwrap();

    let killed = std::process::Command::new("kill")
        .args(["-9", &pid])
        .status()
        .unwrap();
    assert!(killed.success());
    let killed_at = Instant::now();
    // A new client: its connection waits at the door until somebody opens.
    let answer = reqwest::Client::new()
        .get(format!("http://127.0.0.1:{}/health/live", house.doors.http))
        .send()
        .await
        .unwrap();

    assert_eq!(answer.status(), 200);
    assert!(
        killed_at.elapsed() < READY_AGAIN,
        "{:?}",
        killed_at.elapsed()
    );
    house
        .wait_until("the supervisor has heard from the new process", || async {
            pids(&house, "server").pop().unwrap() != pid
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_does_not_become_ready_changes_nothing() {
    let config = tempfile::tempdir().unwrap();
    let folder = ("SALLYPORT_CONFIG", config.path().to_str().unwrap());
    let mut house = House::build(&[OWN_SERVER[0], OWN_SERVER[1], folder]).await;
    house.start_playground().await;
    house.start_supervised().await;
    // What the next process will read: a setting that does not exist.
    std::fs::write(config.path().join("gateway.yaml"), "no_such_key: 1\n").unwrap();

    house.signal_server("HUP");

    house
        .wait_until("the supervisor says why", || async {
            told(&house, "server", "supervisor.not_replaced") == 1
        })
        .await;
    assert!(house.log("server").contains("no_such_key"));
    assert_eq!(
        house
            .post_update(&updates::text(1, 1, "/start"))
            .await
            .status(),
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_whose_supervisor_was_killed_leaves_so_that_a_new_one_can_start() {
    let mut house = House::build(&OWN_SERVER).await;
    house.start_playground().await;
    house.start_supervised().await;

    house.kill_server();

    let door = ("127.0.0.1", house.doors.http);
    house
        .wait_until("the doors are free", || async {
            std::net::TcpListener::bind(door).is_ok()
        })
        .await;
}

/// How often a process has logged this event.
fn told(house: &House, name: &str, event: &str) -> usize {
    house.whole_log(name).matches(event).count()
}

/// The processes that a supervisor has started, oldest first.
fn pids(house: &House, name: &str) -> Vec<String> {
    house
        .whole_log(name)
        .lines()
        .filter(|line| line.contains("supervisor.ready"))
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .map(|line| find(&line, "pid").unwrap().to_string())
        .collect()
}

/// The first value under this key, however deep.
fn find<'v>(value: &'v serde_json::Value, key: &str) -> Option<&'v serde_json::Value> {
    match value {
        serde_json::Value::Object(fields) => fields
            .get(key)
            .or_else(|| fields.values().find_map(|inner| find(inner, key))),
        _ => None,
    }
}
