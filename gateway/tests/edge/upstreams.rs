//! That a service with several upstreams can lose one without anybody noticing, and that nothing is asked more than it can bear.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sallyport_gateway::{Outcome, Probe, explain};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::acme::{answers, free_port, program};
use crate::door::{Door, checked, get, settings};
use crate::replica::{Mood, Replica};

/// Nothing here takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// An ejection that no test outlives, and none at all.
const FOR_GOOD: u64 = 300_000;

/// Settings with a group of these upstreams behind `/ops/*`; `more` are settings of the group.
fn grouped(origins: &[&Replica], more: Value) -> Value {
    let addresses: Vec<_> = origins.iter().map(|origin| origin.address).collect();
    with_group(json!({"addresses": addresses}), more)
}

/// The same under another name, to tell its series from those of other tests.
pub(crate) fn called(name: &str, mut settings: Value) -> Value {
    let group = settings["upstreams"]["api"].take();
    settings["upstreams"] = json!({ name: group });
    settings["routes"][4]["forward"]["upstreams"] = json!(name);
    settings
}

/// How often this happened to upstreams of a group.
pub(crate) fn times(group: &str, outcome: &str) -> u64 {
    counted("sallyport_upstream_changes_total", group, outcome)
}

/// How often looking for the upstreams of a group came to this.
pub(crate) fn lookups(group: &str, outcome: &str) -> u64 {
    counted("sallyport_upstream_lookups_total", group, outcome)
}

fn counted(metric: &str, group: &str, outcome: &str) -> u64 {
    let text = sallyport_telemetry::metrics::install().render();
    let series = format!("{metric}{{group=\"{group}\",outcome=\"{outcome}\"}} ");
    let mut lines = text.lines();
    let count = lines.find_map(|line| line.strip_prefix(&series));
    count.unwrap().parse().unwrap()
}

pub(crate) fn with_group(mut group: Value, more: Value) -> Value {
    let fields = group.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    let mut settings = settings();
    settings["strangers"] = json!({"unverified": {"requests": 1_000_000, "window_seconds": 1}});
    settings["upstreams"] = json!({"api": group});
    settings["routes"][4]["forward"] = json!({"upstreams": "api", "answer_deadline_ms": 2_000});
    settings
}

/// A group of which nobody is ever left alone.
fn undaunted() -> Value {
    json!({"ejection": {"failures": 0}, "circuit": {"failures": 0, "failure_percent": 0}})
}

pub(crate) async fn status(door: &Door) -> u16 {
    door.ask(get("/ops/queue")).await.status
}

pub(crate) async fn statuses(door: &Door, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(status(door).await);
    }
    statuses
}

pub(crate) async fn wait_until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

/// Goes on asking until it has come to this.
pub(crate) async fn asks_until(door: &Door, what: impl Fn() -> bool) {
    let asking = async {
        while !what() {
            status(door).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap();
}

/// Many callers at once, each with a connection of its own, until they are stopped.
struct Crowd {
    is_over: Arc<AtomicBool>,
    asking: JoinSet<Vec<u16>>,
}

impl Crowd {
    async fn of(door: &Door, size: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut asking = JoinSet::new();
        for _ in 0..size {
            let mut client = door.connect().await;
            let is_over = Arc::clone(&is_over);
            asking.spawn(async move {
                let mut statuses = Vec::new();
                while !is_over.load(Ordering::SeqCst) {
                    client.send(get("/ops/queue")).await;
                    statuses.push(client.answer().await.status);
                }
                statuses
            });
        }
        Self { is_over, asking }
    }

    async fn statuses(self) -> Vec<u16> {
        self.is_over.store(true, Ordering::SeqCst);
        self.asking.join_all().await.concat()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_slow_gets_less() {
    let (fast, slow) = (Replica::start().await, Replica::start().await);
    fast.feels(Mood::Slow(Duration::from_millis(2)));
    slow.feels(Mood::Slow(Duration::from_millis(50)));
    let door = Door::with(grouped(&[&fast, &slow], json!({}))).await;

    let crowd = Crowd::of(&door, 8).await;
    wait_until(|| fast.asked() > 200).await;
    let statuses = crowd.statuses().await;

    assert!(statuses.iter().all(|status| *status == 200));
    assert!(slow.asked() > 0, "both are asked");
    assert!(
        slow.asked() * 4 < fast.asked(),
        "{} and {}",
        slow.asked(),
        fast.asked()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_killed_under_load_costs_nobody_an_answer_and_is_asked_again_when_it_is_back()
 {
    let (stays, mut dies) = (Replica::start().await, Replica::start().await);
    let ejection = json!({"ejection": {"failures": 3, "rest_ms": 100}});
    let door = Door::with(called("mortal", grouped(&[&stays, &dies], ejection))).await;

    let crowd = Crowd::of(&door, 16).await;
    wait_until(|| dies.asked() > 200).await;
    dies.kill().await;
    let before = stays.asked();
    wait_until(|| stays.asked() > before + 500).await;
    let dead = dies.asked();
    dies.revive().await;
    wait_until(|| dies.asked() > dead + 50).await;
    let statuses = crowd.statuses().await;

    let failed: Vec<_> = statuses.iter().filter(|status| **status != 200).collect();
    assert!(failed.is_empty(), "{failed:?} of {}", statuses.len());
    assert!(times("mortal", "ejected") >= 1 && times("mortal", "back") >= 1);
}

#[tokio::test]
async fn retries_stay_within_their_budget_when_all_fail() {
    let (one, other) = (Replica::start().await, Replica::start().await);
    for origin in [&one, &other] {
        origin.feels(Mood::HangsUp);
    }
    let mut settings = undaunted();
    settings["retries"] = json!({"percent": 10, "at_least": 5, "window_ms": 60_000});
    let door = Door::with(grouped(&[&one, &other], settings)).await;

    let statuses = statuses(&door, 200).await;

    assert!(statuses.iter().all(|status| *status == 502));
    let tries = one.asked() + other.asked();
    assert!((205..=220).contains(&tries), "{tries}");
}

#[tokio::test]
async fn a_request_that_may_not_be_repeated_goes_elsewhere_only_if_nobody_was_reached() {
    let (good, mut bad) = (Replica::start().await, Replica::start().await);
    bad.feels(Mood::HangsUp);
    let door = Door::with(grouped(&[&good, &bad], undaunted())).await;
    let post = "POST /ops/replay HTTP/1.1\r\nHost: edge\r\nContent-Length: 2\r\n\r\n{}";

    while bad.asked() == 0 {
        let broken = bad.asked();
        let status = door.ask(post).await.status;
        assert_eq!(status == 502, bad.asked() > broken, "{status}");
    }
    assert_eq!(bad.asked(), 1);
    bad.kill().await;
    for _ in 0..8 {
        assert_eq!(door.ask(post).await.status, 200);
    }
}

#[tokio::test]
async fn a_circuit_opens_answers_at_once_and_closes_after_one_good_trial() {
    let only = Replica::start().await;
    only.feels(Mood::Answers(503));
    let circuit = json!({"circuit": {"failures": 3, "open_ms": 300}});
    let door = Door::with(called("breaker", grouped(&[&only], circuit))).await;

    assert_eq!(statuses(&door, 3).await, [503; 3]);
    let asked = door.ask(get("/ops/queue")).await;
    let body = asked.is_problem(503, "upstream-unavailable");
    assert_eq!(body["retry_after"], 1);
    assert_eq!(only.asked(), 3, "it is spared");

    tokio::time::sleep(Duration::from_millis(310)).await;
    assert_eq!(statuses(&door, 2).await, [503; 2]);
    assert_eq!(only.asked(), 4, "one trial, which failed");

    only.feels(Mood::Answers(200));
    tokio::time::sleep(Duration::from_millis(310)).await;
    assert_eq!(statuses(&door, 5).await, [200; 5]);
    assert_eq!(
        (times("breaker", "opened"), times("breaker", "closed")),
        (1, 1)
    );
}

#[tokio::test]
async fn beyond_their_places_callers_are_told_to_wait() {
    let only = Replica::start().await;
    only.feels(Mood::Slow(Duration::from_millis(500)));
    let door = Door::with(grouped(&[&only], json!({"in_flight_max": 2}))).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = door.connect().await;
        client.send(get("/ops/queue")).await;
        held.push(client);
    }
    wait_until(|| only.asked() == 2).await;

    let began = Instant::now();
    let third = door.ask(get("/ops/queue")).await;

    assert_eq!(
        third.is_problem(503, "upstream-unavailable")["retry_after"],
        1
    );
    assert!(began.elapsed() < Duration::from_millis(400));
    for client in &mut held {
        assert_eq!(client.answer().await.status, 200);
    }
    assert_eq!(status(&door).await, 200, "their places are free again");
}

#[tokio::test]
async fn whose_page_says_no_is_not_asked_unless_all_say_so() {
    let (well, ill) = (Replica::start().await, Replica::start().await);
    ill.says(500);
    let health = json!({"path": "/health", "every_ms": 50, "up_after": 1, "down_after": 1});
    let door = Door::with(grouped(&[&well, &ill], json!({"health": health}))).await;
    let shunned = async {
        let mut before = usize::MAX;
        while before != ill.asked() {
            before = ill.asked();
            assert_eq!(statuses(&door, 20).await, [200; 20]);
        }
        before
    };
    let before = tokio::time::timeout(PATIENCE, shunned).await.unwrap();

    // Both of them: that is not believed, and both are asked.
    well.says(500);
    let waiting = async {
        while ill.asked() == before {
            assert_eq!(status(&door).await, 200);
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

#[tokio::test]
async fn the_last_one_is_never_left_alone() {
    let (one, mut other) = (Replica::start().await, Replica::start().await);
    one.feels(Mood::Answers(503));
    let more = json!({
        "ejection": {"failures": 2, "rest_ms": FOR_GOOD, "rest_max_ms": FOR_GOOD},
        "circuit": {"failures": 0, "failure_percent": 0},
    });
    let door = Door::with(grouped(&[&one, &other], more)).await;
    while one.asked() < 2 {
        status(&door).await;
    }

    other.kill().await;
    let statuses = statuses(&door, 10).await;

    assert_eq!(one.asked(), 2, "it stays alone");
    assert_eq!(
        statuses, [502; 10],
        "and the other one is asked all the same"
    );
}

#[tokio::test]
async fn a_reload_keeps_what_is_known_about_upstreams_that_stay() {
    let (good, bad, new) = (
        Replica::start().await,
        Replica::start().await,
        Replica::start().await,
    );
    bad.feels(Mood::Answers(503));
    let more = |in_flight_max: u32| {
        json!({
            "ejection": {"failures": 2, "rest_ms": FOR_GOOD, "rest_max_ms": FOR_GOOD},
            "in_flight_max": in_flight_max,
        })
    };
    let door = Door::with(grouped(&[&good, &bad], more(10))).await;
    while bad.asked() < 2 {
        status(&door).await;
    }

    let changed = checked(grouped(&[&good, &bad, &new], more(20)));
    let changes = door.handle.reload(&changed).unwrap();

    assert_eq!(changes.to_string(), "~upstreams api");
    assert_eq!(statuses(&door, 30).await, [200; 30]);
    assert!(new.asked() > 0);
    assert_eq!(bad.asked(), 2, "it is still left alone");
}

/// A name server that we did not write.
struct Names {
    port: u16,
    management: String,
    _process: tokio::process::Child,
}

impl Names {
    async fn start() -> Self {
        let (port, management) = (free_port(), free_port());
        let (dns, api) = (
            format!("127.0.0.1:{port}"),
            format!("127.0.0.1:{management}"),
        );
        let off = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""];
        let on = [
            "-defaultIPv4",
            "",
            "-defaultIPv6",
            "",
            "-dns01",
            &dns,
            "-management",
            &api,
        ];
        let process = program("pebble-challtestsrv", &[&off[..], &on].concat());
        for listening in [port, management] {
            answers(listening).await;
        }
        Self {
            port,
            management: format!("http://127.0.0.1:{management}"),
            _process: process,
        }
    }

    async fn tell(&self, command: &str, body: Value) {
        let url = format!("{}/{command}", self.management);
        let sent = reqwest::Client::new().post(url).json(&body).send().await;
        assert!(sent.unwrap().status().is_success());
    }

    async fn become_these(&self, addresses: &[&str]) {
        self.tell("clear-a", json!({"host": "api.test"})).await;
        let body = json!({"host": "api.test", "addresses": addresses});
        self.tell("add-a", body).await;
    }
}

#[tokio::test]
async fn another_answer_of_the_name_server_is_picked_up_and_a_failed_lookup_changes_nothing() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let one = Replica::start().await;
    let twin = SocketAddr::from(([127, 0, 0, 2], one.address.port()));
    let other = Replica::at(twin).await;
    let names = Names::start().await;
    names.become_these(&["127.0.0.1"]).await;
    let dns = json!({
        "name": format!("api.test:{}", one.address.port()),
        "server": format!("127.0.0.1:{}", names.port),
        "every_ms": 100,
    });
    let door = Door::with(with_group(json!({"dns": dns}), json!({}))).await;
    let asks_until = async |what: &dyn Fn() -> bool| {
        let asking = async {
            while !what() {
                status(&door).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap();
    };

    asks_until(&|| one.asked() > 0).await;
    assert_eq!(other.asked(), 0);
    names.become_these(&["127.0.0.2"]).await;
    asks_until(&|| other.asked() > 0).await;
    let before = one.asked();
    assert_eq!(statuses(&door, 10).await, [200; 10]);
    assert_eq!(one.asked(), before, "who is gone is not asked");

    drop(names);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(statuses(&door, 10).await, [200; 10]);
}

#[tokio::test]
async fn a_name_that_was_never_found_is_503() {
    let dns = json!({"name": "api.test:1", "server": format!("127.0.0.1:{}", free_port())});
    let door = Door::with(with_group(json!({"dns": dns}), json!({}))).await;

    door.ask(get("/ops/queue"))
        .await
        .is_problem(503, "upstream-unavailable");
}

#[tokio::test]
async fn explain_names_the_group_and_who_is_in_it() {
    let origin = Replica::start().await;
    let settings = checked(grouped(&[&origin], json!({})));
    let probe = Probe {
        method: "GET".to_owned(),
        target: "/ops/queue".to_owned(),
        headers: Vec::new(),
        body: None,
        peer: [127, 0, 0, 1].into(),
        has_tls: false,
    };

    let explanation = explain(&settings, &probe).unwrap();

    let upstream = format!("the group api ({})", origin.address);
    assert_eq!(explanation.outcome, Outcome::Forwarded { upstream });
}
