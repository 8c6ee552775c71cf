//! Leaves and limits of JSON bodies.

use proptest::prelude::*;

use super::*;

fn walked(body: &str, limits: &JsonSettings) -> (Vec<String>, Result<(), RuleId>) {
    let mut shown = Vec::new();
    let mut show = |pointer: &[u8], text: &[u8]| {
        let pair = [pointer, b" ", text].concat();
        shown.push(String::from_utf8_lossy(&pair).into_owned());
    };
    let outcome = walk(body.as_bytes(), limits, &mut show);
    (shown, outcome)
}

fn outcome(body: &str, limits: &JsonSettings) -> Result<(), RuleId> {
    walked(body, limits).1
}

#[test]
fn keys_and_strings_are_shown_with_their_pointers() {
    let (shown, outcome) = walked(
        r#"{"a": ["x", {"b": "y\n"}], "c": 1.5, "d": null}"#,
        &JsonSettings::default(),
    );

    assert_eq!(outcome, Ok(()));
    assert_eq!(
        shown,
        ["/a a", "/a/0 x", "/a/1/b b", "/a/1/b y\n", "/c c", "/d d"]
    );
}

#[test]
fn depth_and_keys_have_limits_that_are_met_exactly() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let limits = JsonSettings {
        keys_max: 2,
        ..JsonSettings::default()
    };

    assert_eq!(outcome(&nested(64), &limits), Ok(()));
    assert_eq!(outcome(&nested(65), &limits), Err(RuleId::JsonDepth));
    assert_eq!(outcome(&nested(100_000), &limits), Err(RuleId::JsonDepth));
    assert_eq!(outcome(r#"{"a": {"b": 1}}"#, &limits), Ok(()));
    assert_eq!(
        outcome(r#"{"a": {"b": {"c": 1}}}"#, &limits),
        Err(RuleId::JsonKeys)
    );
}

#[test]
fn one_key_twice_is_refused_where_the_route_says_so() {
    let refusing = JsonSettings {
        duplicate_keys: DuplicateKeys::Refuse,
        ..JsonSettings::default()
    };
    let twice = r#"{"role": "user", "r\u006fle": "admin"}"#;

    assert_eq!(outcome(twice, &JsonSettings::default()), Ok(()));
    assert_eq!(outcome(twice, &refusing), Err(RuleId::JsonDuplicateKey));
    assert_eq!(outcome(r#"[{"a": 1}, {"a": {"a": 2}}]"#, &refusing), Ok(()));
}

#[test]
fn what_is_not_json_is_malformed() {
    for body in [
        "",
        "{",
        "{} {}",
        "{'a': 1}",
        "[1,]",
        r#"{"a": "\ud800"}"#,
        "nul",
        "\u{feff}{}",
    ] {
        assert_eq!(
            outcome(body, &JsonSettings::default()),
            Err(RuleId::JsonMalformed),
            "{body}"
        );
    }
}

proptest! {
    #[test]
    fn it_says_of_every_body_what_serde_json_says(body in r#"[\[\]{}:,"a0-9\\u. ]{0,40}"#) {
        let read = serde_json::from_str::<serde_json::Value>(&body).is_ok();

        prop_assert_eq!(outcome(&body, &JsonSettings::default()).is_ok(), read);
    }
}
