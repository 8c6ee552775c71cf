//! What others are told of a component that comes and goes.

use std::time::Duration;

use super::{Health, STUCK_AFTER, State, Verdict};
use crate::Identity;

fn health() -> Health {
    Health::new(Identity::new("0.0.0", "test", "test"))
}

const FAST: Duration = Duration::from_millis(2);

#[test]
fn a_needed_component_holds_up_readiness_until_its_first_report() {
    let health = health();
    let postgres = health.component("postgres", true);
    assert_eq!(health.verdict(), Verdict::Starting);

    postgres.up(FAST);

    assert!(health.ready());
}

#[test]
fn two_failures_are_forgiven_and_the_third_is_not() {
    let health = health();
    let postgres = health.component("postgres", true);
    postgres.up(FAST);

    postgres.down("connection refused");
    postgres.down("connection refused");
    assert!(health.ready());
    postgres.down("connection refused");

    assert_eq!(health.verdict(), Verdict::NotReady);
    assert_eq!(
        health.status().components[0].reason.as_deref(),
        Some("connection refused")
    );
}

#[test]
fn a_pass_between_failures_starts_the_count_anew() {
    let health = health();
    let postgres = health.component("postgres", true);
    postgres.up(FAST);

    for _ in 0..5 {
        postgres.down("slow");
        postgres.down("slow");
        postgres.up(FAST);
    }

    assert_eq!(postgres.state(), State::Up);
}

#[test]
fn one_pass_does_not_bring_a_component_back_and_two_do() {
    let health = health();
    let model = health.component("model", false);
    model.down("no answer in 1 s");

    model.up(FAST);
    assert_eq!(health.verdict(), Verdict::Degraded);
    model.up(FAST);

    assert_eq!(health.verdict(), Verdict::Ready);
}

#[test]
fn what_nobody_configured_is_never_down() {
    let health = health();
    let redis = health.component("redis", true);

    redis.not_configured();

    assert_eq!(health.verdict(), Verdict::Ready);
    assert_eq!(redis.state(), State::NotConfigured);
}

#[test]
fn draining_ends_readiness_and_not_life() {
    let health = health();

    health.set_draining();

    assert!(!health.ready());
    assert!(health.live());
}

#[test]
fn the_page_says_who_speaks_and_what_it_stands_on() {
    let health = health();
    health.component("postgres", true).up(FAST);

    let page = serde_json::to_value(health.status()).unwrap();

    assert_eq!(page["status"], "ready");
    assert_eq!(page["version"], "0.0.0");
    assert_eq!(page["components"][0]["state"], "up");
    assert_eq!(page["components"][0]["latency_ms"], 2.0);
}

#[test]
fn a_runtime_without_a_beat_for_five_seconds_is_stuck() {
    let health = health();
    health.beat();

    assert!(health.live_at(STUCK_AFTER));
    assert!(!health.live_at(STUCK_AFTER + STUCK_AFTER));
}
