//! Programs that we did not write judge us: a Telegram library drives the stand-in, a browser with axe reads the page.

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
