//! That the edge would take what is printed, and that a shell would send it as it is meant.

use sallyport_gateway::{Outcome, Probe, explain};
use serde_json::Value;

use super::*;

const TEXT: &str = "a-secret-of-some-length";
const STANDARD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn hook(name: &str, source: Value, secret: &str) -> Value {
    json!({"name": name, "source": source, "secrets": [secret]})
}

fn settings() -> Settings {
    let plain = [
        "telegram",
        "github",
        "slack",
        "stripe",
        "pagerduty",
        "alertmanager",
    ];
    let mut hooks: Vec<_> = plain
        .iter()
        .map(|name| hook(name, json!(name), TEXT))
        .collect();
    hooks.push(hook(
        "standard_webhooks",
        json!("standard_webhooks"),
        STANDARD,
    ));
    let hmac = json!({"hmac": {"header": "X-Signature", "identical": "once"}});
    hooks.push(hook("hmac", hmac, TEXT));
    hooks.push(hook("discord", json!("discord"), PUBLIC));
    let other = [hook("github", json!("github"), TEXT)];
    serde_json::from_value(json!({"routes": [
        {"path": "/hooks/{name}", "accept": {"hooks": hooks}},
        {"path": "/more/{name}", "accept": {"hooks": other}},
    ]}))
    .unwrap()
}

fn arguments(name: &str) -> HookTestArguments {
    HookTestArguments {
        name: name.to_owned(),
        body: None,
        id: None,
        edge: None,
    }
}

fn request(arguments: &HookTestArguments) -> anyhow::Result<Request> {
    let settings = settings();
    let hook = find(&settings.routes, &arguments.name)?;
    Request::new(&hook, arguments, SystemTime::now())
}

#[test]
fn the_edge_would_store_what_is_printed_for_each_provider() {
    let settings = settings();
    for route in hooks_of(&settings.routes[0]) {
        if matches!(route.source, Source::Discord(_)) {
            continue;
        }
        let request = request(&arguments(&route.path)).unwrap();

        let probe = Probe {
            method: "POST".to_owned(),
            target: request.path,
            headers: request.fields,
            body: Some(request.body.into_bytes()),
            peer: "127.0.0.1".parse().unwrap(),
            has_tls: true,
        };
        let explanation = explain(&settings, &probe).unwrap();

        let name = &route.settings.name;
        let stored = Outcome::Stored {
            source: format!("{name}:{name}"),
            body_is_known: true,
        };
        assert_eq!(explanation.outcome, stored, "{explanation:#?}");
    }
}

#[test]
fn for_discord_it_says_what_is_needed() {
    let why = request(&arguments("discord")).err().unwrap().to_string();

    assert!(why.contains("Interactions Endpoint URL"), "{why}");
}

#[test]
fn a_name_that_two_routes_have_needs_its_path_and_one_that_none_has_is_said_to_be_missing() {
    let why = |name: &str| request(&arguments(name)).err().unwrap().to_string();

    assert!(why("github").contains("/hooks/github, /more/github"));
    assert!(why("nothing").contains("no route has a hook"));
    let chosen = request(&arguments("/more/github")).unwrap();
    assert_eq!(chosen.path, "/more/github");
}

#[test]
fn a_shell_sends_exactly_what_was_signed() {
    let mut arguments = arguments("slack");
    arguments.body = Some("command=%2Fit&text=it's\n@home $HOME".to_owned());

    let command = request(&arguments).unwrap().as_curl("https://edge.example");

    assert!(command.starts_with("curl --include 'https://edge.example/hooks/slack' \\\n"));
    assert!(command.contains("--header 'content-type: application/x-www-form-urlencoded'"));
    let body = r"--data-raw 'command=%2Fit&text=it'\''s";
    assert!(command.contains(body), "{command}");
    let echoed = std::process::Command::new("sh")
        .args(["-c", &command.replacen("curl", "printf '%s\\n'", 1)])
        .output()
        .unwrap();
    let echoed = String::from_utf8(echoed.stdout).unwrap();
    assert!(echoed.ends_with("text=it's\n@home $HOME\n"), "{echoed}");
}

#[test]
fn the_door_is_one_that_takes_webhooks() {
    let of = |settings: Value| door(&serde_json::from_value(settings).unwrap()).ok();
    let both = json!({"http": "0.0.0.0:80", "tls": "[::]:443"});
    let world = json!({"http": "0.0.0.0:80", "tls": "[::]:443", "http_serves": "redirects"});

    assert_eq!(of(both).as_deref(), Some("http://127.0.0.1:80"));
    assert_eq!(of(world).as_deref(), Some("https://[::1]:443"));
    assert_eq!(of(json!({"http": null, "tls": null})), None);
}
