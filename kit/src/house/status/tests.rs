//! What a status looks like on a phone.

use super::*;

fn texts() -> Texts {
    Texts::new(&[(Language::English, "")]).unwrap()
}

fn check(name: &str, state: CheckState) -> Check {
    Check {
        name: name.into(),
        state,
        pending: None,
    }
}

fn up(ms: u64) -> CheckState {
    CheckState::Up {
        latency: Duration::from_millis(ms),
    }
}

fn report() -> StatusReport {
    let telegram = Check {
        pending: Some(0),
        ..check("Telegram", up(61))
    };
    StatusReport {
        queue: Some(QueueGlance {
            waiting: 0,
            oldest: None,
            dead: 2,
        }),
        checks: vec![
            vec![check("Model", up(380)), telegram],
            vec![
                check("Postgres", up(1)),
                check("Redis", CheckState::NotConfigured),
                check("Neo4j", CheckState::NotConfigured),
            ],
        ],
        version: "0.1.0".into(),
        revision: "a1b2c3d".into(),
        up: Duration::from_secs(3 * 86_400 + 5),
        at: "2026-11-20T02:14:07Z".parse().unwrap(),
    }
}

#[test]
fn a_healthy_house_says_so_first_and_everything_below() {
    let lines = report().lines(&texts(), Language::English);

    let expected = [
        "Working. Nothing waits.",
        "Queue 0 · oldest –",
        "dead 2 → /dead",
        "Model up 380 ms",
        "Telegram up 61 ms, 0 pending",
        "Postgres up 1 ms",
        "Redis not configured",
        "Neo4j not configured",
        "v0.1.0 a1b2c3d · up 3 d",
        "02:14:07 UTC",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn no_line_is_wider_than_34_columns_in_any_language() {
    let mut report = report();
    report.checks.push(vec![check(
        "Model",
        CheckState::Down {
            reason: "the key was refused by the provider".into(),
        },
    )]);

    for language in [Language::English, Language::Russian] {
        for line in report.lines(&texts(), language) {
            assert!(line.chars().count() <= 34, "{line:?}");
        }
    }
}

#[test]
fn what_does_not_answer_is_named_in_the_first_line() {
    let mut report = report();
    report.checks[0][1].state = CheckState::NoAnswer {
        within: Duration::from_secs(1),
    };

    let lines = report.lines(&texts(), Language::English);

    assert_eq!(lines[0], "Working. Telegram does not answer.");
    assert!(
        lines.contains(&"Telegram no answer in 1 s".to_owned())
            || lines
                .iter()
                .any(|line| line.starts_with("Telegram no answer in 1 s"))
    );
}

#[test]
fn what_is_not_configured_is_not_down() {
    assert_eq!(report().verdict(), Verdict::Working);
}

#[test]
fn without_a_queue_the_house_does_not_work() {
    let report = StatusReport {
        queue: None,
        ..report()
    };

    assert_eq!(
        report.lines(&texts(), Language::English)[0],
        "Not working: no queue."
    );
}
