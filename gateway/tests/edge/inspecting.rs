//! That what looks like an attack is not handed on, that what people write is, and that an operator can tell which rule it was.

use futures::FutureExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::door::{Door, SECRET, get, post, settings};
use crate::upstream::{FINE, Upstream};

fn form(path: &str, media_type: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: edge\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn door(upstream: &Upstream, inspection: Value) -> Door {
    before(&upstream.address, inspection).await
}

async fn before(upstream: &str, inspection: Value) -> Door {
    let mut settings = settings();
    settings["routes"][4] = json!({
        "path": "/ops/*",
        "forward": {"upstream": upstream, "methods": ["GET", "POST"], "body_bytes_max": 200_000},
        "inspection": inspection,
    });
    Door::with(settings).await
}

#[tokio::test]
async fn an_attack_in_any_part_of_the_head_is_not_handed_on() {
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let door = door(&upstream, json!({})).await;
    let with_header =
        |field: &str| format!("GET /ops/queue HTTP/1.1\r\nHost: edge\r\n{field}\r\n\r\n");

    for request in [
        get("/ops/queue?id=1%27%20OR%20%271%27=%271"),
        get("/ops/queue?q=%3Cscript%3Ealert(1)%3C/script%3E"),
        get("/ops/queue?file=..%2F..%2F..%2Fetc%2Fpasswd"),
        with_header("X-Search: 1' UNION SELECT password FROM users--"),
        with_header("Cookie: theme=%3Cimg%20src=x%20onerror=alert(1)%3E"),
    ] {
        let refused = door.ask(&request).await;
        let problem = refused.is_problem(403, "looks-like-an-attack");
        let told = problem.to_string();
        assert!(!told.contains("sqli") && !told.contains("xss"), "{told}");
    }

    assert!(upstream.asked.try_recv().is_err());
    assert_eq!(
        door.ask(get("/ops/queue?name=O%27Brien&limit=10"))
            .await
            .status,
        200
    );
    let spans = door.kept.0.lock();
    let noted: Vec<_> = spans
        .iter()
        .filter_map(|span| {
            span.attributes
                .iter()
                .find(|(key, _)| key == "sallyport.inspection")
        })
        .map(|(_, value)| format!("{value:?}"))
        .collect();
    assert_eq!(noted.len(), 5, "{noted:?}");
    assert!(
        noted[0].contains("sqli.") && noted[0].contains("in query id"),
        "{noted:?}"
    );
}

#[tokio::test]
async fn a_body_is_looked_at_whole_before_any_of_it_is_handed_on() {
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let door = door(&upstream, json!({"modes": {"body": "block"}})).await;
    let attack =
        json!({"text": format!("{}1' UNION SELECT password FROM users--", " ".repeat(90_000))});
    let attack = attack.to_string();

    let refused = door.ask(form("/ops/x", "application/json", &attack)).await;
    refused.is_problem(403, "looks-like-an-attack");
    let form_field = form(
        "/ops/x",
        "application/x-www-form-urlencoded",
        "a=1&b=%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    );
    door.ask(form_field)
        .await
        .is_problem(403, "looks-like-an-attack");
    while let Ok(asked) = upstream.asked.try_recv() {
        assert!(
            !asked.contains("UNION") && !asked.contains("script"),
            "{asked}"
        );
    }

    // What is harmless arrives byte by byte as it was sent; what cannot be read is passed on as it comes.
    let sound = json!({"text": "well, select a table from the menu; it's 1 of 2"}).to_string();
    assert_eq!(
        door.ask(form("/ops/x", "application/json", &sound))
            .await
            .status,
        200
    );
    assert!(upstream.asked.recv().await.unwrap().ends_with(&sound));
    let opaque = "1' UNION SELECT password FROM users--";
    let sent = form("/ops/x", "application/octet-stream", opaque);
    assert_eq!(door.ask(sent).await.status, 200);
    assert!(upstream.asked.recv().await.unwrap().ends_with(opaque));
}

#[tokio::test]
async fn a_small_body_that_looks_like_an_attack_has_reached_nobody() {
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let door = door(&upstream, json!({"modes": {"body": "block"}})).await;
    let attack = json!({"text": "1' UNION SELECT password FROM users--"}).to_string();

    let refused = door.ask(form("/ops/x", "application/json", &attack)).await;

    refused.is_problem(403, "looks-like-an-attack");
    assert!(upstream.asked.try_recv().is_err());
}

#[tokio::test]
async fn a_small_body_is_asked_for_by_the_edge_and_goes_on_as_it_was_sent() {
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let door = door(&upstream, json!({})).await;
    let body = json!({"text": "a table from the menu"}).to_string();
    let request = form("/ops/x", "application/json", &body);
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    let mut client = door.connect().await;

    client
        .send(format!("{head}\r\nExpect: 100-continue\r\n\r\n"))
        .await;
    assert_eq!(client.head().await, 100);
    for piece in body.as_bytes().chunks(7) {
        client.send(piece).await;
    }

    assert_eq!(client.answer().await.status, 200);
    let asked = upstream.asked.recv().await.unwrap();
    assert!(asked.ends_with(&body), "{asked}");
    assert!(!asked.to_ascii_lowercase().contains("expect:"), "{asked}");
}

#[tokio::test]
async fn a_small_body_that_comes_slowly_keeps_no_upstream_waiting() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    let door = before(&upstream.to_string(), json!({})).await;
    let request = form("/ops/x", "application/json", "{\"text\": \"tea\"}");
    let (begun, rest) = request.split_at(request.len() - 3);
    let mut client = door.connect().await;

    client.send(begun).await;
    // Whoever comes later is answered first.
    assert_eq!(door.ask(get("/health/live")).await.status, 200);
    assert!(listener.accept().now_or_never().is_none());
    client.send(rest).await;

    listener.accept().await.unwrap();
}

#[tokio::test]
async fn nesting_beyond_the_limit_is_refused_and_an_excluded_rule_is_not_asked() {
    let mut upstream = Upstream::answering(Some(FINE)).await;
    let rules = [
        "sqli.libinjection",
        "sqli.union_select",
        "sqli.tokens",
        "sqli.subquery",
    ];
    let exclusions = rules.map(|rule| json!({"rule": rule, "part": "query", "field": "query"}));
    let inspection = json!({"exclusions": exclusions});
    let door = door(&upstream, inspection).await;
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));

    door.ask(form("/ops/x", "application/json", &deep))
        .await
        .is_problem(403, "looks-like-an-attack");
    let lesson = "query=SELECT%20name%20FROM%20users%20WHERE%20id=1%20UNION%20SELECT%20password%20FROM%20admins";
    let excluded = door.ask(get(&format!("/ops/x?{lesson}"))).await;
    let elsewhere = door.ask(get(&format!("/ops/x?other={lesson}"))).await;

    assert_eq!(excluded.status, 200);
    assert!(upstream.asked.recv().await.is_some());
    assert_eq!(elsewhere.status, 403);
}

#[tokio::test]
async fn what_people_write_is_scored_and_never_refused() {
    let door = Door::open().await;
    let lesson = "Robert'); DROP TABLE students;-- <script>alert(1)</script>";
    let update =
        json!({"update_id": 1, "message": {"chat": {"id": 42}, "from": {"id": 7}, "text": lesson}});

    let answer = door
        .ask(post("/telegram/ops", SECRET, &update.to_string()))
        .await;

    assert_eq!(answer.status, 200);
    assert_eq!(door.shelf.stored.lock().len(), 1);
}
