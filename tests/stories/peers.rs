//! Programs that we did not write judge us: a Telegram library drives the stand-in, a browser with axe reads the page, sslyze probes
//! the TLS door.

use std::path::Path;
use std::process::{Command, Output};

use crate::house::House;

#[tokio::test(flavor = "multi_thread")]
async fn a_telegram_library_works_unmodified_against_the_stand_in() {
    let mut house = House::build(&[("SALLYPORT_PLAYGROUND_WEBHOOK_PORTS", "telegram")]).await;
    house.start_playground().await;
    let python = std::env::var("SALLYPORT_TEST_PYTHON")
        .expect("`make test` prepares python and sets SALLYPORT_TEST_PYTHON");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/telegram_bot_api.py");

    let output = run(Command::new(python).arg(script).arg(page(&house))).await;

    assert!(output.status.success(), "{}", told(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_sees_every_story_whole_and_axe_finds_nothing() {
    let house = House::open().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/story.mjs");

    let output = run(Command::new("node").arg(script).arg(page(&house))).await;

    assert!(
        output.status.success(),
        "{}\n{}",
        told(&output),
        house.log("server")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sslyze_finds_nothing_against_mozillas_profiles() {
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file).display().to_string();
    let authority = write_certificate(folder.path());
    let certificate = [
        ("SALLYPORT_TLS_CERTIFICATE", &*path("chain.pem")),
        ("SALLYPORT_TLS_KEY", &path("key.pem")),
    ];
    for profile in ["intermediate", "modern"] {
        let mut house =
            House::build(&[&certificate[..], &[("SALLYPORT_TLS_PROFILE", profile)]].concat()).await;
        assert!(house.run(&["migrate"]).status.success());
        house.start_gateway().await;
        let python = std::env::var("SALLYPORT_TEST_PYTHON")
            .expect("`make test` prepares python and sets SALLYPORT_TEST_PYTHON");

        let output = run(Command::new(python)
            .args(["-m", "sslyze", "--mozilla_config", profile])
            .args(["--certinfo_ca_file", &authority])
            .arg(format!("localhost:{}", house.doors.tls)))
        .await;

        assert!(output.status.success(), "{profile}: {}", told(&output));
        // It also leaves with success when it reached nobody.
        assert!(
            told(&output).contains("OK - Compliant"),
            "{}",
            told(&output)
        );
    }
}

/// A certificate of the length that Mozilla recommends, and the path of its authority's.
fn write_certificate(folder: &Path) -> String {
    let day = |days: i64| {
        let date = jiff::Timestamp::now()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date();
        let date = date.saturating_add(jiff::Span::new().days(days));
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        rcgen::date_time_ymd(date.year().into(), month, day)
    };
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let name = rcgen::DnType::CommonName;
    authority
        .distinguished_name
        .push(name, "authority of a test");
    let key = rcgen::KeyPair::generate().unwrap();
    let authority = rcgen::CertifiedIssuer::self_signed(authority, key).unwrap();
    let mut server = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    server.use_authority_key_identifier_extension = true;
    (server.not_before, server.not_after) = (day(-1), day(80));
    let key = rcgen::KeyPair::generate().unwrap();
    let server = server.signed_by(&key, &authority).unwrap();
    let write = |file: &str, text: String| std::fs::write(folder.join(file), text).unwrap();
    write("chain.pem", server.pem() + &authority.pem());
    write("key.pem", key.serialize_pem());
    write("authority.pem", authority.pem());
    folder.join("authority.pem").display().to_string()
}

fn page(house: &House) -> String {
    format!("http://127.0.0.1:{}", house.doors.playground)
}

async fn run(command: &mut Command) -> Output {
    let mut command = std::mem::replace(command, Command::new("true"));
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .expect("the program is installed by `make test`")
}

fn told(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
