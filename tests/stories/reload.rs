//! Settings that change while the edge runs, and what an operator is told about its rules.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::house::House;

/// How long one question may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// The edge's settings: the page of life at this path, and more.
fn write(folder: &Path, path: &str, more: &str) {
    let text = format!("routes:\n  - {{ path: {path}, health: live }}\n{more}");
    std::fs::write(folder.join("gateway.yaml"), text).unwrap();
}

async fn status(house: &House, path: &str) -> Option<u16> {
    let url = format!("http://127.0.0.1:{}{path}", house.doors.http);
    // A connection of its own each time, or a kept one would hide a closed door. And with a deadline: one that is closed before a byte was
    // sent leaves this client waiting at times.
    let client = reqwest::Client::builder().timeout(DEADLINE);
    let client = client.build().unwrap();
    let answer = client.get(url).send().await.ok()?;
    Some(answer.status().as_u16())
}

async fn wait_for(house: &House, path: &str, expected: Option<u16>) {
    house
        .wait_until("the edge goes by the new settings", || async {
            status(house, path).await == expected
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_applies_whole_and_a_bad_one_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().to_str().unwrap().to_owned();
    let denied = folder.path().join("denied.txt");
    write(folder.path(), "/one", "");
    let mut house = House::build(&[("SALLYPORT_CONFIG", &config)]).await;
    assert!(house.run(&["migrate"]).status.success());
    house.start_gateway().await;
    wait_for(&house, "/one", Some(200)).await;

    write(folder.path(), "/two", "");
    wait_for(&house, "/two", Some(200)).await;
    assert_eq!(status(&house, "/one").await, Some(404));
    assert!(house.whole_log("server").contains("-/one +/two"));

    // A mistake anywhere leaves everything as it was, and says so in the log and to whoever watches.
    write(folder.path(), "/three", "conections: {}\n");
    house
        .wait_until("the refusal is told", || async {
            let metrics = house.metrics().await;
            metrics.contains("sallyport_config_last_reload_successful 0")
        })
        .await;
    assert_eq!(status(&house, "/two").await, Some(200));
    assert_eq!(status(&house, "/three").await, Some(404));
    let log = house.whole_log("server");
    assert!(log.contains("conections is not a setting"), "{log}");

    // A signal asks again, whatever the files look like.
    house.signal_server("HUP");
    house
        .wait_until("the refusal is told again", || async {
            let log = house.whole_log("server");
            log.matches("conections is not a setting").count() == 2
        })
        .await;

    std::fs::write(&denied, "# nobody yet\n").unwrap();
    let more = format!("addresses: {{ deny_file: {} }}\n", denied.display());
    write(folder.path(), "/three", &more);
    wait_for(&house, "/three", Some(200)).await;
    let metrics = house.metrics().await;
    assert!(metrics.contains("sallyport_config_last_reload_successful 1"));

    std::fs::write(&denied, "127.0.0.0/8 # ourselves\n").unwrap();
    wait_for(&house, "/three", None).await;
    std::fs::write(&denied, "127.0.0.0/8 2020-01-01T00:00:00Z # long ago\n").unwrap();
    wait_for(&house, "/three", Some(200)).await;
    assert!(house.stop_server(crate::house::PATIENCE).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_told_what_the_edge_would_do_and_what_it_did() {
    let mut house = House::build(&[]).await;
    assert!(house.run(&["migrate"]).status.success());
    house.start_gateway().await;
    let explain = |arguments: &[&str]| {
        let output = house.run(&[&["explain"], arguments].concat());
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), told)
    };
    let secret = format!("X-Telegram-Bot-Api-Secret-Token: {}", house.secret);
    let json = "Content-Type: application/json";
    let webhook = ["POST", "https://edge.example/telegram/ops", "-H", json];
    let update = json!({"update_id": 1, "message": {"chat": {"id": 1}}}).to_string();

    let (forged, why) = explain(&webhook);
    let (genuine, path) = explain(&[&webhook[..], &["-H", &secret, "-d", &update]].concat());
    let (typo, _) = explain(&["GET", "/telegramm/ops"]);

    assert_eq!((forged, genuine, typo), (Some(1), Some(0), Some(1)));
    assert!(why.contains("NO  signature"), "{why}");
    assert!(why.contains("401 (signature): Not verified"), "{why}");
    assert!(
        path.contains("200: stored as a delivery of telegram:ops"),
        "{path}"
    );
    assert!(
        !path.contains("NO  ") && !path.contains(&house.secret),
        "{path}"
    );

    let url = format!("http://127.0.0.1:{}/telegram/ops", house.doors.http);
    let refused = house
        .client
        .post(url)
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    let problem: serde_json::Value = refused.json().await.unwrap();
    let code = problem["code"].as_str().unwrap();
    let past = RefCell::new((None, String::new()));
    house
        .wait_until("the refusal can be looked up", || async {
            *past.borrow_mut() = explain(&[code]);
            past.borrow().0 == Some(0)
        })
        .await;
    let (_, past) = past.into_inner();
    for noted in [
        "Refused with 401",
        "/telegram/{bot}",
        "error.type",
        "signature",
    ] {
        assert!(past.contains(noted), "{noted} in {past}");
    }
}
