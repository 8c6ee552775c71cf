//! That nonsense in the settings is refused, and what is shipped is not.

use serde_json::json;

use super::*;

fn route(value: serde_json::Value) -> Result<(), String> {
    let route: RouteSettings = serde_json::from_value(value).map_err(|error| error.to_string())?;
    route.validate().map_err(|errors| errors.to_string())
}

fn bot() -> serde_json::Value {
    json!({"name": "ops", "secrets": ["0123456789abcdef"]})
}

#[test]
fn the_defaults_are_sound() {
    assert!(Settings::default().validate().is_ok());
}

#[test]
fn a_route_does_exactly_one_thing() {
    assert_eq!(
        route(json!({"path": "/health/live", "health": "live"})),
        Ok(())
    );
    assert!(route(json!({"path": "/nothing"})).is_err());
    let both = json!({"path": "/a", "health": "live", "forward": {"upstream": "127.0.0.1:1"}});
    assert!(route(both).is_err());
}

#[test]
fn an_accept_route_names_its_bot_in_the_path() {
    let accept = json!({"source": "telegram", "bots": [bot()]});

    assert_eq!(
        route(json!({"path": "/telegram/{bot}", "accept": accept})),
        Ok(())
    );
    assert!(route(json!({"path": "/telegram", "accept": accept})).is_err());
}

#[test]
fn a_missing_or_short_secret_stops_the_start() {
    for secret in ["", "short", "with space in it ...."] {
        let bots = json!([{"name": "ops", "secrets": [secret]}]);
        let accept = json!({"source": "telegram", "bots": bots});
        assert!(
            route(json!({"path": "/telegram/{bot}", "accept": accept})).is_err(),
            "{secret:?}"
        );
    }
}

fn hooks(hooks: serde_json::Value) -> Result<(), String> {
    route(json!({"path": "/hooks/{name}", "accept": {"hooks": hooks}}))
}

#[test]
fn a_hook_names_its_source_or_its_route_does() {
    let own = json!({"name": "ci", "source": "github", "secrets": ["0123456789abcdef"]});

    assert_eq!(hooks(json!([own])), Ok(()));
    assert!(hooks(json!([bot()])).unwrap_err().contains("a source"));
    let both = json!({"source": "telegram", "bots": [bot(), own]});
    assert_eq!(route(json!({"path": "/in/{bot}", "accept": both})), Ok(()));
    assert!(hooks(json!([])).is_err());
    let unknown = json!([{"name": "ci", "source": "gitlab", "secrets": ["0123456789abcdef"]}]);
    assert!(hooks(unknown).is_err());
}

#[test]
fn a_secret_that_is_no_key_of_its_source_is_refused_in_words_that_do_not_hold_it() {
    for (source, secret, says) in [
        ("telegram", "with space in it ....", "A–Z, a–z, 0–9"),
        ("github", "short-one", "16–256 bytes"),
        ("discord", "0123456789abcdefg", "64 hexadecimal digits"),
        ("standard_webhooks", "0123456789abcdefg", "whsec_"),
    ] {
        let bad = json!([{"name": "ci", "source": source, "secrets": [secret]}]);

        let complaint = hooks(bad).unwrap_err();

        assert!(complaint.contains(says), "{source}: {complaint}");
        assert!(
            complaint.contains("ci") && complaint.contains(source),
            "{complaint}"
        );
        assert!(!complaint.contains(secret), "{complaint}");
    }
    let many = vec!["0123456789abcdef"; 5];
    let too_many = json!([{"name": "ci", "source": "github", "secrets": many}]);
    assert!(hooks(too_many).is_err());
}

#[test]
fn what_a_hook_says_of_its_source_must_make_sense() {
    let hook = |source| json!([{"name": "ci", "source": source, "secrets": ["0123456789abcdef"]}]);

    assert_eq!(
        hooks(hook(json!({"stripe": {"window_seconds": 60}}))),
        Ok(())
    );
    assert!(hooks(hook(json!({"stripe": {"window_seconds": 0}}))).is_err());
    assert!(hooks(hook(json!({"hmac": {"header": "x-signature"}}))).is_err());
}

#[test]
fn the_status_page_needs_a_token_and_no_other_page_takes_one() {
    assert!(route(json!({"path": "/health/status", "health": "status"})).is_err());
    assert!(route(json!({"path": "/health/status", "health": "status", "tokens": [""]})).is_err());
    assert_eq!(
        route(json!({"path": "/health/status", "health": "status", "tokens": ["t"]})),
        Ok(())
    );
    assert!(route(json!({"path": "/health/live", "health": "live", "tokens": ["t"]})).is_err());
}

#[test]
fn odd_paths_are_refused() {
    for path in [
        "", "a", "/", "//a", "/a/", "/a b", "/{bot}/a", "/a/*/b", "/a?b",
    ] {
        assert!(
            route(json!({"path": path, "health": "live"})).is_err(),
            "{path:?}"
        );
    }
}

#[test]
fn an_unknown_key_is_an_error() {
    assert!(route(json!({"path": "/a", "helth": "live"})).is_err());
    assert!(serde_json::from_value::<Settings>(json!({"conections": {}})).is_err());
}

#[test]
fn the_more_important_is_turned_away_later_and_health_never() {
    let shedding = |value: serde_json::Value| {
        let settings: Settings = serde_json::from_value(json!({"shedding": value}))
            .map_err(|error| error.to_string())?;
        settings.validate().map_err(|errors| errors.to_string())
    };
    let targets = |background_ms: u64, normal_ms: u64, waiting_max: u32| {
        json!({
            "background_ms": background_ms,
            "normal_ms": normal_ms,
            "interactive_ms": 3_000,
            "waiting_max": waiting_max,
        })
    };
    let accept = |targets| shedding(json!({"accept": targets}));

    assert_eq!(accept(targets(700, 700, 64)), Ok(()));
    assert!(
        accept(targets(701, 700, 64))
            .unwrap_err()
            .contains("must rise")
    );
    for odd in [
        targets(9, 700, 64),
        targets(700, 3_001, 64),
        targets(700, 700, 7),
    ] {
        assert!(accept(odd.clone()).is_err(), "{odd}");
    }
    assert!(shedding(json!({"interval_ms": 0})).is_err());
    assert!(shedding(json!({"every_ms": 500})).is_err());
    let health = json!({"path": "/health/live", "health": "live", "importance": "background"});
    assert!(route(health).unwrap_err().contains("never turned away"));
    let nonsense =
        json!({"path": "/a", "forward": {"upstream": "127.0.0.1:1"}, "importance": "high"});
    assert!(route(nonsense).is_err());
}

#[test]
fn a_person_is_more_important_than_a_program_where_nobody_says_otherwise() {
    let of = |forward: serde_json::Value| {
        let mut settings = json!({"path": "/a", "forward": {"upstream": "127.0.0.1:1"}});
        for (key, value) in forward.as_object().unwrap() {
            settings["forward"][key] = value.clone();
        }
        let route: RouteSettings = serde_json::from_value(settings).unwrap();
        route.importance()
    };

    assert_eq!(of(json!({})), Importance::Normal);
    assert_eq!(of(json!({"serves": "pages"})), Importance::Interactive);
    assert_eq!(of(json!({"serves": "assets"})), Importance::Interactive);
}

#[test]
fn a_certificate_has_both_its_files() {
    let settings = |value: serde_json::Value| {
        let settings: Settings = serde_json::from_value(value).unwrap();
        settings.validate().map_err(|errors| errors.to_string())
    };
    let whole = json!({"chain_file": "a.pem", "key_file": "a.key", "names": ["a.test"]});

    assert_eq!(
        settings(json!({"certificate": whole, "certificates": [whole]})),
        Ok(())
    );
    assert!(settings(json!({"certificate": {"chain_file": "a.pem"}})).is_err());
    assert!(settings(json!({"certificates": [{"key_file": "a.key"}]})).is_err());
    assert!(settings(json!({"certificates": [{}]})).is_err());
}

#[test]
fn an_authority_is_asked_for_what_it_can_give_or_not_at_all() {
    let settings = |changes: serde_json::Value| {
        let mut acme = json!({
            "directory_url": "https://acme.test/dir",
            "terms_agreed": true,
            "certificates": [["a.test", "www.a.test"]],
        });
        for (key, value) in changes.as_object().unwrap() {
            acme[key] = value.clone();
        }
        let settings: Settings = serde_json::from_value(json!({"acme": acme})).unwrap();
        settings.validate().is_ok()
    };

    assert!(settings(json!({})));
    assert!(settings(json!({"directory_url": "", "certificates": []})));
    for mistake in [
        json!({"directory_url": "http://acme.test/dir"}),
        json!({"terms_agreed": false}),
        json!({"certificates": []}),
        json!({"certificates": [[]]}),
        json!({"certificates": [["*.a.test"]]}),
        json!({"certificates": [["../a.test"]]}),
        json!({"certificates": [["localhost"]]}),
    ] {
        assert!(!settings(mistake.clone()), "{mistake}");
    }
    let no_door = json!({"http": null, "acme": {
        "directory_url": "https://acme.test/dir",
        "terms_agreed": true,
        "certificates": [["a.test"]],
    }});
    let no_door: Settings = serde_json::from_value(no_door).unwrap();
    assert!(no_door.validate().is_err());
}

fn with_upstreams(group: serde_json::Value, forward: serde_json::Value) -> Result<(), String> {
    let settings = json!({
        "upstreams": {"api": group},
        "routes": [{"path": "/api/*", "forward": forward}],
    });
    let settings: Settings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
    settings.validate().map_err(|errors| errors.to_string())
}

#[test]
fn a_route_hands_on_to_one_upstream_or_to_a_group_that_there_is() {
    let group = json!({"addresses": ["127.0.0.1:1"]});
    let to = |forward| with_upstreams(group.clone(), forward);

    assert_eq!(to(json!({"upstream": "127.0.0.1:1"})), Ok(()));
    assert_eq!(to(json!({"upstreams": "api"})), Ok(()));
    for forward in [
        json!({}),
        json!({"upstream": "127.0.0.1:1", "upstreams": "api"}),
        json!({"upstreams": "other"}),
    ] {
        assert!(to(forward.clone()).is_err(), "{forward}");
    }
}

#[test]
fn a_group_is_found_one_way_and_its_numbers_make_sense() {
    let forward = json!({"upstreams": "api"});
    let group = |group| with_upstreams(group, forward.clone());
    let one = "127.0.0.1:1";

    assert_eq!(group(json!({"dns": {"name": "api.internal:80"}})), Ok(()));
    for odd in [
        json!({}),
        json!({"addresses": [one], "dns": {"name": "api.internal:80"}}),
        json!({"addresses": [one, one]}),
        json!({"dns": {"name": "api.internal"}}),
        json!({"dns": {"name": "api..internal:80"}}),
        json!({"addresses": [one], "health": {"path": "health"}}),
        json!({"addresses": [one], "failing_statuses": [404]}),
        json!({"addresses": [one], "in_flight_max": 0}),
        json!({"addresses": [one], "ejection": {"rest_ms": 2_000, "rest_max_ms": 1_000}}),
    ] {
        assert!(group(odd.clone()).is_err(), "{odd}");
    }
}
