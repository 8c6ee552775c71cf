//! The subcommands, as an operator meets them.

use std::os::unix::fs::PermissionsExt;

use crate::house::House;

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_stops_the_start_with_every_mistake() {
    let house = House::build(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let text = "lisen: 1\nhead:\n  timeout_ms: 0\n";
    std::fs::write(folder.path().join("gateway.yaml"), text).unwrap();

    let output = house.run(&[
        "--config",
        folder.path().to_str().unwrap(),
        "run",
        "--no-playground",
    ]);

    assert_eq!(output.status.code(), Some(64));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains("gateway.yaml:1 lisen is not a setting"),
        "{told}"
    );
    assert!(told.lines().count() >= 2, "all mistakes at once: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_config_prints_values_with_their_origin_and_no_secret() {
    let house = House::build(&[]).await;

    let output = house.run(&["check-config"]);

    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(told.contains("$SALLYPORT_HTTP_LISTEN"), "{told}");
    assert!(
        !told.contains(&house.secret) && !told.contains(&house.ops_token),
        "a secret was printed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_the_verdict_first() {
    let house = House::open().await;

    let output = house.run(&["status"]);

    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        told.starts_with("Working"),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_so_when_nothing_works() {
    let mut house = House::open().await;
    assert!(
        house
            .stop_server(std::time::Duration::from_secs(20))
            .await
            .success()
    );

    let output = house.run(&["status"]);

    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        told.starts_with("Working. Worker does not answer."),
        "{told}"
    );
    assert!(told.contains("none runs"), "{told}");
    assert!(!output.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_secrets_are_private() {
    let house = House::open_with(&[("OPS_TOKEN", "")]).await;

    let mode = std::fs::metadata(house.data().join("dev.env"))
        .unwrap()
        .permissions()
        .mode();

    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_reaches_the_output() {
    let house = House::open().await;
    house.say(71, "/start").await;
    house
        .wait_for_message(71, |text| text.contains("/help"))
        .await;

    let metrics = house.metrics().await;
    let printed = house.whole_log("server") + &house.whole_log("playground") + &metrics;

    for secret in [&house.secret, &house.ops_token] {
        assert!(!printed.contains(secret.as_str()), "a secret was printed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_looked_at_and_steered_from_the_command_line() {
    let house = House::open().await;
    house.say(72, "/start").await;
    house
        .wait_for_message(72, |text| text.contains("/help"))
        .await;
    let run = |arguments: &[&str]| {
        let output = house.run(arguments);
        let told = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), told)
    };

    let (code, told) = run(&[
        "queue",
        "pause",
        "telegram.send",
        "--why",
        "a test",
        "--by",
        "anna",
    ]);
    assert_eq!(code, Some(0), "{told}");
    let (_, told) = run(&["queue", "resume", "telegram.send", "--why", "over"]);
    assert!(
        told.contains("telegram.send goes on") && told.contains("by anna: a test"),
        "{told}"
    );
    let (code, told) = run(&["queue", "list", "--json"]);
    assert!(code == Some(0) && told.contains("\"messages\""), "{told}");
    let (_, told) = run(&["queue", "replay", "--kind", "telegram.update"]);
    assert!(
        told.contains("Nothing was changed") && told.contains("is done already"),
        "{told}"
    );
    let (code, told) = run(&[
        "queue",
        "replay",
        "--kind",
        "telegram.update",
        "--live",
        "--why",
        "a test",
    ]);
    assert_eq!(code, Some(3), "{told}");
    let (code, told) = run(&["queue", "show", "987654321"]);
    assert!(
        code == Some(4) && told.contains("Nothing is known"),
        "{told}"
    );
    let (code, _) = run(&["queue", "pause", "telegram.send"]);
    assert_eq!(code, Some(2), "without a reason nothing is done");
    house
        .wait_until("the digest of every morning is declared", || async {
            run(&["queue", "schedules"]).1.contains("ops/daily")
        })
        .await;
}
