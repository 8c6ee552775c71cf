//! What an operator reads when something is wrong, sentence by sentence.

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    listen: String,
    #[validate(nested)]
    routes: Vec<Route>,
    mode: Mode,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            routes: Vec::new(),
            mode: Mode::Cloud,
        }
    }
}

#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct Route {
    #[validate(length(max = 64))]
    path: String,
    #[serde(default)]
    #[validate(nested)]
    limit: Limit,
    #[serde(default)]
    secret: String,
}

#[derive(Debug, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
struct Limit {
    #[validate(range(min = 1, max = 10_000))]
    rate: u32,
    burst: u32,
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            rate: 10,
            burst: 10,
        }
    }
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Cloud,
    OwnServer,
}

fn load(text: &str) -> (Option<Settings>, Vec<String>) {
    let environment = Environment::new([("DIGITS".to_owned(), "12345".to_owned())]);
    let mut loader = Loader::new(environment);
    let settings = loader.section(Document::parse("gateway.yaml", text).unwrap());
    let mistakes = loader.finish().err().unwrap_or_default();
    (settings, mistakes.iter().map(Mistake::to_string).collect())
}

#[test]
fn all_mistakes_are_told_at_once_with_their_lines() {
    let text = "listn: x\nroutes:\n  - path: /a\n    limit:\n      rate: 0\n      burst: many\n  - path: 7\nmode: own_servr\n";

    let (_, mistakes) = load(text);

    assert_eq!(
        mistakes,
        [
            "gateway.yaml:1 listn is not a setting; did you mean `listen`?",
            "gateway.yaml:5 routes[0].limit.rate must be 1–10000, is 0",
            "gateway.yaml:6 routes[0].limit.burst must be u32, is string \"many\"",
            "gateway.yaml:7 routes[1].path must be a string, is integer `7`",
            "gateway.yaml:8 mode cannot be `own_servr`; known are cloud, own_server; did you mean `own_server`?",
        ]
    );
}

#[test]
fn a_broken_rule_names_field_bounds_and_value() {
    let (_, mistakes) = load("routes:\n  - path: /a\n    limit: {rate: 0}\n");

    assert_eq!(
        mistakes,
        ["gateway.yaml:3 routes[0].limit.rate must be 1–10000, is 0"]
    );
}

#[test]
fn a_token_of_digits_stays_a_string() {
    let (settings, mistakes) = load("routes:\n  - path: /a\n    secret: ${DIGITS}\n");

    assert_eq!(mistakes, Vec::<String>::new());
    assert_eq!(settings.unwrap().routes[0].secret, "12345");
}

#[test]
fn what_a_file_leaves_out_has_its_default() {
    let (settings, mistakes) = load("mode: own_server\n");

    assert_eq!(mistakes, Vec::<String>::new());
    let settings = settings.unwrap();
    assert_eq!(
        (settings.listen.as_str(), settings.mode),
        ("127.0.0.1:8080", Mode::OwnServer)
    );
}

#[test]
fn a_missing_required_key_is_named() {
    let (settings, mistakes) = load("routes:\n  - secret: x\n");

    assert!(settings.is_none());
    assert_eq!(mistakes, ["gateway.yaml:2 routes[0].path is required"]);
}

#[test]
fn success_lists_every_value_with_its_origin() {
    let mut loader = Loader::new(Environment::new([("RATE".to_owned(), "5".to_owned())]));
    let text = "routes:\n  - path: /a\n    limit: {rate: \"${RATE}\"}\n";
    loader.section::<Settings>(Document::parse("gateway.yaml", text).unwrap());

    let effective: Vec<String> = loader
        .finish()
        .unwrap()
        .iter()
        .map(Effective::to_string)
        .collect();

    assert_eq!(
        effective,
        [
            "routes[0].limit.rate = 5  ($RATE)",
            "routes[0].path = \"/a\"  (gateway.yaml:2)"
        ]
    );
}
