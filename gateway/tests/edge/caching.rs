//! Answers that are kept: who is given them, for how long, and how often the origin is asked.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::door::{Answer, Client, Door, checked, get, settings};
use crate::origin::{Origin, eventually, reply};

/// Settings with one route to this origin, which keeps answers.
pub(crate) fn site(origin: &Origin, forward: Value) -> Value {
    let mut settings = settings();
    let mut route = json!({"upstream": origin.address, "serves": "pages", "cache": {}});
    route
        .as_object_mut()
        .unwrap()
        .extend(forward.as_object().unwrap().clone());
    settings["routes"]
        .as_array_mut()
        .unwrap()
        .push(json!({"path": "/site/*", "forward": route}));
    settings
}

/// An origin whose every answer has these fields and the number of its request as body.
async fn counting(fields: &'static str) -> Origin {
    Origin::answering(move |_, number| reply("200 OK", fields, &format!("answer {number}"))).await
}

pub(crate) async fn before(origin: &Origin) -> Door {
    Door::with(site(origin, json!({}))).await
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

#[track_caller]
fn says(answer: &Answer, status: &str) {
    let said = answer.header("cache-status").unwrap_or_default();
    assert!(said.contains(status), "{said}: {answer:?}");
}

/// Asks until the cache says this.
async fn until(door: &Door, request: &str, status: &str) -> Answer {
    eventually(async || {
        let answer = door.ask(request).await;
        let said = answer.header("cache-status").unwrap_or_default();
        said.contains(status).then_some(answer)
    })
    .await
}

#[tokio::test]
async fn the_second_to_ask_is_given_what_the_first_one_fetched() {
    let origin =
        counting("Cache-Control: public, max-age=60\r\nContent-Type: text/html\r\nServer: tea\r\n")
            .await;
    let door = before(&origin).await;

    let first = door.ask(get("/site/a")).await;
    let second = door.ask(get("/site/a")).await;

    assert_eq!((text(&first), text(&second)), ("answer 1", "answer 1"));
    says(&first, "sallyport; fwd=miss; stored");
    says(&second, "sallyport; hit; ttl=");
    assert_eq!(second.header("age"), Some("0"));
    assert_eq!(second.header("content-type"), Some("text/html"));
    for answer in [&first, &second] {
        answer.is_dressed();
        assert_eq!(
            answer.header("cache-control"),
            Some("public, max-age=60"),
            "{answer:?}"
        );
    }
    assert_ne!(first.header("request-id"), second.header("request-id"));
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn what_may_not_be_shared_is_fetched_anew_and_kept_by_nobody() {
    for fields in [
        "",
        "Cache-Control: private, max-age=60\r\n",
        "Cache-Control: no-store\r\n",
        "Cache-Control: max-age=60\r\nSet-Cookie: a=1\r\n",
        "Cache-Control: max-age=60\r\nVary: *\r\n",
        "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n",
    ] {
        let origin = counting(fields).await;
        let door = before(&origin).await;

        door.ask(get("/site/a")).await;
        let second = door.ask(get("/site/a")).await;

        assert_eq!(text(&second), "answer 2", "{fields}");
        assert_eq!(
            second.header("cache-control"),
            Some("no-store, max-age=0"),
            "{fields}"
        );
    }
}

#[tokio::test]
async fn who_has_it_already_is_told_so() {
    let origin = counting("Cache-Control: max-age=60\r\n").await;
    let door = before(&origin).await;
    door.ask(get("/site/a")).await;
    let whole = door.ask(get("/site/a")).await;
    let etag = whole.header("etag").unwrap();

    let known = door
        .ask(format!(
            "GET /site/a HTTP/1.1\r\nHost: edge\r\nIf-None-Match: \"x\", {etag}\r\n\r\n"
        ))
        .await;
    let other = door
        .ask("GET /site/a HTTP/1.1\r\nHost: edge\r\nIf-None-Match: \"x\"\r\n\r\n")
        .await;

    assert_eq!(known.status, 304);
    assert_eq!(known.is_dressed().header("etag"), Some(etag));
    assert_eq!(known.header("content-length"), None);
    assert_eq!((other.status, text(&other)), (200, "answer 1"));
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn a_stampede_reaches_the_origin_once() {
    let origin = counting("Cache-Control: max-age=60\r\n").await;
    let door = before(&origin).await;
    origin.opens(false);
    let mut clients = JoinSet::new();
    for _ in 0..200 {
        let mut client = door.connect().await;
        clients.spawn(async move {
            client.send(get("/site/a")).await;
            client.answer().await
        });
    }
    origin.was_asked(1).await;

    origin.opens(true);
    let answers = clients.join_all().await;

    assert!(answers.iter().all(|answer| text(answer) == "answer 1"));
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn who_waits_for_somebody_who_leaves_takes_over() {
    let origin = counting("Cache-Control: max-age=60\r\n").await;
    let door = before(&origin).await;
    origin.opens(false);
    let mut first = door.connect().await;
    first.send(get("/site/a")).await;
    origin.was_asked(1).await;
    let mut second = door.connect().await;
    second.send(get("/site/a")).await;

    drop(first);

    origin.was_asked(2).await;
    origin.opens(true);
    says(&second.answer().await, "fwd=miss");
}

#[tokio::test]
async fn nobody_waits_longer_than_they_have_to() {
    let origin = counting("Cache-Control: max-age=60\r\n").await;
    let door = Door::with(site(&origin, json!({"cache": {"wait_ms": 50}}))).await;
    origin.opens(false);
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = door.connect().await;
        client.send(get("/site/a")).await;
        clients.push(client);
    }

    origin.was_asked(2).await;
    origin.opens(true);

    for mut client in clients {
        assert_eq!(client.answer().await.status, 200);
    }
}

#[tokio::test]
async fn an_answer_that_is_not_kept_is_not_waited_for_again() {
    let origin = counting("Cache-Control: private\r\n").await;
    let door = before(&origin).await;
    door.ask(get("/site/a")).await;
    origin.opens(false);
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = door.connect().await;
        client.send(get("/site/a")).await;
        clients.push(client);
    }

    // All of them, while none has been answered.
    origin.was_asked(6).await;
    origin.opens(true);

    for mut client in clients {
        assert_eq!(client.answer().await.status, 200);
    }
}

#[tokio::test]
async fn an_old_answer_is_shown_while_a_new_one_is_fetched() {
    let origin =
        counting("Cache-Control: max-age=60, stale-while-revalidate=60\r\nAge: 59\r\n").await;
    let door = before(&origin).await;
    door.ask(get("/site/a")).await;
    origin.opens(false);

    let stale = until(&door, &get("/site/a"), "ttl=-").await;
    let still = door.ask(get("/site/a")).await;
    origin.was_asked(2).await;
    origin.opens(true);
    let fresh = eventually(async || {
        let answer = door.ask(get("/site/a")).await;
        (text(&answer) != "answer 1").then_some(answer)
    })
    .await;

    assert_eq!((text(&stale), text(&still)), ("answer 1", "answer 1"));
    assert_eq!(text(&fresh), "answer 2");
    says(&fresh, "hit");
    let again = &origin.asked()[1];
    assert!(again.starts_with("GET /site/a HTTP/1.1\r\n"), "{again}");
    assert!(again.contains("traceparent:"), "{again}");
}

#[tokio::test]
async fn an_old_answer_is_shown_when_none_can_be_had() {
    let origin = Origin::answering(|request, number| match number {
        1 => reply(
            "200 OK",
            "Cache-Control: max-age=60, stale-if-error=60\r\nAge: 59\r\n",
            "good",
        ),
        _ if request.contains("/gone") => "nonsense\r\n\r\n".to_owned(),
        _ => reply("503 Away", "", "bad"),
    })
    .await;
    let door = before(&origin).await;
    assert_eq!(text(&door.ask(get("/site/a")).await), "good");

    let stale = until(&door, &get("/site/a"), "ttl=-").await;

    assert_eq!((stale.status, text(&stale)), (200, "good"));
    stale.is_dressed();
    assert_eq!(door.ask(get("/site/other")).await.status, 503);
    drop(origin);
    let away = door.ask(get("/site/a")).await;
    assert_eq!((away.status, text(&away)), (200, "good"));
    door.ask(get("/site/gone"))
        .await
        .is_problem(502, "upstream-unreachable");
}

#[tokio::test]
async fn an_answer_too_large_to_keep_passes_whole() {
    let origin = Origin::answering(|_, _| {
        let pieces = format!("800\r\n{}\r\n", "x".repeat(2_048)).repeat(4);
        format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n{pieces}0\r\n\r\n"
        )
    })
    .await;
    let door = Door::with(site(&origin, json!({"cache": {"entry_bytes_max": 4_096}}))).await;

    for number in 1..=2 {
        let answer = door.ask(get("/site/a")).await;

        assert_eq!(answer.body.len(), 8_192);
        assert_eq!(origin.asked().len(), number);
    }
}

#[tokio::test]
async fn half_an_answer_is_not_kept() {
    let origin = Origin::answering(|_, number| match number {
        1 => "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf"
            .to_owned(),
        // Its end is the connection's.
        2 => "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nConnection: close\r\n\r\nopen".to_owned(),
        _ => reply("200 OK", "Cache-Control: max-age=60\r\n", "whole"),
    })
    .await;
    let door = before(&origin).await;
    let mut client = door.connect().await;
    client.send(get("/site/a")).await;
    assert_eq!(client.head().await, 200);
    let open = door.ask(get("/site/b")).await;
    assert_eq!(text(&open), "open");

    for path in ["/site/a", "/site/b"] {
        assert_eq!(text(&door.ask(get(path)).await), "whole", "{path}");
    }
}

#[tokio::test]
async fn variants_are_told_apart_by_what_the_route_says() {
    let origin = Origin::answering(|request, number| {
        let language = request
            .lines()
            .find_map(|line| line.strip_prefix("accept-language: "));
        reply(
            "200 OK",
            "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n",
            &format!("{language:?} {number}"),
        )
    })
    .await;
    let door = Door::with(site(
        &origin,
        json!({"cache": {"vary": ["accept-language"]}}),
    ))
    .await;
    let ask = async |language: &str| {
        let request =
            format!("GET /site/a HTTP/1.1\r\nHost: edge\r\naccept-language: {language}\r\n\r\n");
        text(&door.ask(request).await).to_owned()
    };

    for _ in 0..2 {
        assert_eq!(ask("de").await, "Some(\"de\") 1");
        assert_eq!(ask("ru").await, "Some(\"ru\") 2");
    }
}

#[tokio::test]
async fn over_http_2_it_is_kept_and_shown_alike() {
    let origin = counting("Cache-Control: max-age=60\r\n").await;
    let mut settings = site(&origin, json!({}));
    settings["tls"] = json!("127.0.0.1:0");
    let door = Door::with(settings).await;
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&door.certificate).unwrap()])
        .build()
        .unwrap();
    let url = format!(
        "https://localhost:{}/site/a?x=1",
        door.handle.tls_addr().unwrap().port()
    );
    let ask = async |method: reqwest::Method, etag: &str| {
        let request = client.request(method, &url).header("if-none-match", etag);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.version(), reqwest::Version::HTTP_2);
        let status = answer.status().as_u16();
        let etag = answer.headers().get("etag").cloned();
        (status, etag, answer.text().await.unwrap())
    };

    let (status, _, body) = ask(reqwest::Method::GET, "\"x\"").await;
    assert_eq!((status, body.as_str()), (200, "answer 1"));
    let (status, etag, body) = ask(reqwest::Method::GET, "\"x\"").await;
    assert_eq!((status, body.as_str()), (200, "answer 1"));
    let etag = etag.unwrap();
    let (status, _, body) = ask(reqwest::Method::GET, etag.to_str().unwrap()).await;
    assert_eq!((status, body.as_str()), (304, ""));
    let (status, _, body) = ask(reqwest::Method::HEAD, "\"x\"").await;
    assert_eq!((status, body.as_str()), (200, ""));

    let asked = origin.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].contains("GET /site/a?x=1 HTTP/1.1"), "{asked:?}");
    assert!(
        asked[0].to_ascii_lowercase().contains("host: localhost"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_is_purged_is_fetched_anew() {
    let origin = counting("Cache-Control: max-age=60\r\n").await;
    let door = before(&origin).await;
    for path in ["/site/a", "/site/a?x=1", "/site/b"] {
        door.ask(get(path)).await;
    }
    let purge = |host: Option<&str>, path: &str| {
        door.handle.purger().purge(&sallyport_gateway::Purge {
            host: host.map(str::to_owned),
            path: path.to_owned(),
        })
    };

    assert_eq!(purge(Some("elsewhere"), "/site/*"), 0);
    assert_eq!(purge(Some("EDGE"), "/site/a"), 2);

    says(&door.ask(get("/site/a")).await, "fwd=miss");
    says(&door.ask(get("/site/b")).await, "hit");
    assert_eq!(purge(None, "/site/*"), 2);
}

#[tokio::test]
async fn what_was_asked_for_before_a_purge_is_not_kept_after_it() {
    let origin = counting("Cache-Control: max-age=60\r\n").await;
    let door = before(&origin).await;
    origin.opens(false);
    let mut client: Client = door.connect().await;
    client.send(get("/site/a")).await;
    origin.was_asked(1).await;

    door.handle.purger().purge(&sallyport_gateway::Purge {
        host: None,
        path: "/site/a".to_owned(),
    });
    origin.opens(true);

    assert_eq!(text(&client.answer().await), "answer 1");
    assert_eq!(text(&door.ask(get("/site/a")).await), "answer 2");
}

#[tokio::test]
async fn a_reload_keeps_what_is_kept_for_routes_that_stay() {
    let origin = counting("Cache-Control: max-age=60\r\n").await;
    let door = before(&origin).await;
    door.ask(get("/site/a")).await;
    let mut changed = site(&origin, json!({"body_bytes_max": 7}));
    changed["trusted_peers"] = json!(["10.0.0.0/8"]);

    door.handle.reload(&checked(changed)).unwrap();
    says(&door.ask(get("/site/a")).await, "hit");

    let other = site(&origin, json!({"cache": {"variants_max": 2}}));
    door.handle.reload(&checked(other)).unwrap();
    says(&door.ask(get("/site/a")).await, "fwd=miss");
}
