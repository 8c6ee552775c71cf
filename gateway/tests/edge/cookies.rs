//! What an upstream's slip would have given away: cookies without their attributes, and the bodies of failures.

use serde_json::{Value, json};

use crate::door::{Door, get, settings};
use crate::origin::{Origin, reply};

async fn before(origin: &Origin, forward: Value) -> Door {
    let mut settings = settings();
    let mut route = json!({"upstream": origin.address});
    route
        .as_object_mut()
        .unwrap()
        .extend(forward.as_object().unwrap().clone());
    settings["routes"][4]["forward"] = route;
    Door::with(settings).await
}

#[tokio::test]
async fn cookies_leave_with_every_attribute_they_need() {
    let origin = Origin::answering(|_, _| {
        let fields = "Set-Cookie: session=1; Path=/\r\nSet-Cookie: theme=dark\r\nSet-Cookie: widget=1; SameSite=None\r\n\
                      Set-Cookie: other=1; SameSite=None\r\nSet-Cookie: __Host-id=the-value; Domain=example.org\r\n";
        reply("200 OK", fields, "")
    })
    .await;
    let cookies = json!({"script_readable": ["theme"], "cross_site": ["widget"]});
    let door = before(&origin, json!({"cookies": cookies})).await;

    let answer = door.ask(get("/ops/a")).await;

    let set: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(
        set,
        [
            "session=1; Path=/; Secure; HttpOnly; SameSite=Lax",
            "theme=dark; Secure; SameSite=Lax",
            "widget=1; Secure; HttpOnly; SameSite=None",
            "other=1; Secure; HttpOnly; SameSite=Lax",
        ]
    );
}

#[tokio::test]
async fn the_body_of_a_failure_stays_inside_where_people_read() {
    let failing = async || {
        Origin::answering(|_, _| reply("503 Away", "Retry-After: 7\r\n", "a stack trace")).await
    };
    for (forward, is_shown) in [
        (json!({"serves": "pages"}), false),
        (json!({"serves": "assets"}), false),
        (json!({"serves": "pages", "failures": "pass"}), true),
        (json!({}), true),
        (json!({"failures": "replace"}), false),
    ] {
        let origin = failing().await;
        let door = before(&origin, forward.clone()).await;

        let answer = door.ask(get("/ops/a")).await;

        assert_eq!(answer.status, 503, "{forward}");
        let body = String::from_utf8_lossy(&answer.body);
        assert_eq!(body.contains("stack trace"), is_shown, "{forward}");
        if !is_shown {
            let problem = answer.is_problem(503, "upstream-failed");
            assert_eq!(problem["retry_after"], 7);
        }
    }
}

#[tokio::test]
async fn assets_keep_their_caching_and_pages_and_programs_do_not() {
    const IMMUTABLE: &str = "public, max-age=31536000, immutable";
    for (forward, caching, policy) in [
        (json!({"serves": "assets"}), IMMUTABLE, "same-origin"),
        (
            json!({"serves": "assets", "embeddable": "anyone"}),
            IMMUTABLE,
            "cross-origin",
        ),
        (
            json!({"serves": "pages", "embeddable": "anyone"}),
            "no-store, max-age=0",
            "same-origin",
        ),
        (json!({}), "no-store, max-age=0", "same-origin"),
    ] {
        let fields = format!("Cache-Control: {IMMUTABLE}\r\n");
        let origin = Origin::answering(move |_, _| reply("200 OK", &fields, "x")).await;
        let door = before(&origin, forward.clone()).await;

        let answer = door.ask(get("/ops/a")).await;

        answer.is_dressed();
        assert_eq!(answer.header("cache-control"), Some(caching), "{forward}");
        assert_eq!(
            answer.header("cross-origin-resource-policy"),
            Some(policy),
            "{forward}"
        );
    }
}
